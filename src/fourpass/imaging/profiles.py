"""Colour that a file states by numbers, as an ICC profile that every format and program understands.

Sources: ITU-T H.273, tables 2 and 3 (primaries and transfer characteristics); ICC.1:2022, sections 7 to 10; the
chromatic adaptation is Bradford's, to D50, as its annex E has it.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[float, float, float, float, float, float, float, float]  # x, y of white, red, green, blue

_D65: Final = (0.3127, 0.3290)
SRGB: Final[Chromaticities] = (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)
_PRIMARIES: Final[dict[int, Chromaticities]] = {
    1: SRGB,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
HDR: Final = {16: "PQ", 18: "HLG"}  # transfers that go beyond what a profile can say
_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_VIDEO_CURVE: Final = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
# Transfer -> g, or (g, a, b, c, d) of ICC's parametric curve 3: (aX+b)^g for X >= d, else cX.
_TRANSFERS: Final[dict[int, float | tuple[float, ...]]] = {
    1: _VIDEO_CURVE,
    4: 2.2,
    5: 2.8,
    6: _VIDEO_CURVE,
    8: 1.0,
    13: _SRGB_CURVE,
    14: _VIDEO_CURVE,
    15: _VIDEO_CURVE,
    17: 2.6,
}
# BT.709's and BT.601's pictures are shown as sRGB by browsers and phones alike; theirs, and files that leave it open.
_AS_SRGB: Final = {(primaries, transfer) for primaries in (1, 2) for transfer in (1, 2, 6, 13, 14, 15)}
_BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50: Final = np.array([0.9642, 1.0, 0.8249])


def is_hdr(transfer: int) -> bool:
    """Whether a transfer characteristic of H.273 goes beyond what a profile can say: PQ or HLG."""
    return transfer in HDR


def of_codes(primaries: int, transfer: int, channels: int) -> bytes | None:
    """Return the profile of H.273 code points, or None where they mean sRGB.

    Args:
        primaries, transfer: the code points; 2 leaves it open.
        channels: 1 for a gray picture, 3 for RGB.

    Raises:
        KeyError: they are reserved, or of a kind that no profile describes.
    """
    if (primaries, transfer) in _AS_SRGB:
        return None
    chromaticities = SRGB if primaries == 2 else _PRIMARIES[primaries]
    curve = _SRGB_CURVE if transfer == 2 else _TRANSFERS[transfer]
    return _profile(f"H.273 {primaries}/{transfer}", chromaticities, curve, channels)


def of_gamma(gamma: float | None, chromaticities: Chromaticities | None, channels: int) -> bytes | None:
    """Return the profile of PNG's gAMA and cHRM, or None where they mean sRGB.

    Args:
        gamma: of the file, 1/2.2 for usual pictures; None where it does not say.
        chromaticities: x and y of white, red, green, blue; None where it does not say.
        channels: 1 for a gray picture, 3 for RGB.

    Raises:
        ValueError: they are impossible.
    """
    usual = gamma is None or abs(gamma - 1 / 2.2) < 0.003
    known = chromaticities or SRGB
    if usual and np.allclose(known, SRGB, atol=0.003):
        return None
    if gamma is not None and not 0.05 <= gamma <= 10:
        raise ValueError(f"gamma {gamma}")
    curve: float | tuple[float, ...] = _SRGB_CURVE if gamma is None else 1 / gamma
    return _profile("PNG gAMA and cHRM", known, curve, channels)


def _profile(name: str, chromaticities: Chromaticities, curve: float | tuple[float, ...], channels: int) -> bytes:
    white = _xyz(*chromaticities[:2])
    tags = [(b"desc", _text(name)), (b"cprt", _text("no copyright")), (b"wtpt", _point(_D50))]
    response = _curve(curve)
    if channels == 1:
        tags.append((b"kTRC", response))
    else:
        columns = _to_d50(white) @ _matrix(chromaticities, white)
        tags += [(name, _point(columns[:, index])) for index, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
        tags += [(name, response) for name in (b"rTRC", b"gTRC", b"bTRC")]
    offset = 128 + 4 + 12 * len(tags)
    table, values = struct.pack(">I", len(tags)), b""
    for tag, value in tags:
        table += tag + struct.pack(">II", offset + len(values), len(value))
        values += value + b"\0" * (-len(value) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sI4s4sQI3i4s16s28x",
        offset + len(values), b"\0" * 4, 0x04300000, b"mntr", b"GRAY" if channels == 1 else b"RGB ", b"XYZ ",
        struct.pack(">6H", 2024, 1, 1, 0, 0, 0), b"acsp", b"\0" * 4, 0, b"\0" * 4, b"\0" * 4, 0, 0,
        *(round(each * 65536) for each in _D50), b"\0" * 4, b"\0" * 16,
    )  # fmt: skip
    return header + table + values


def _xyz(x: float, y: float) -> NDArray[np.float64]:
    if not (0 <= x <= 1 and 0 < y <= 1):
        raise ValueError(f"chromaticity {x}, {y}")
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _matrix(chromaticities: Chromaticities, white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return RGB to XYZ: the primaries, each as strong as together they make white."""
    columns = np.stack([_xyz(*chromaticities[at : at + 2]) for at in (2, 4, 6)], axis=1)
    try:
        return np.asarray(columns * np.linalg.solve(columns, white))
    except np.linalg.LinAlgError:
        raise ValueError("primaries in one line") from None


def _to_d50(white: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    return np.asarray(np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", max(-(2**31), min(2**31 - 1, round(value * 65536))))


def _point(xyz: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(each)) for each in xyz)


def _curve(curve: float | tuple[float, ...]) -> bytes:
    kind, numbers = (0, (curve,)) if isinstance(curve, float) else (3, curve)
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(_fixed(each) for each in numbers)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(data), 28) + data
