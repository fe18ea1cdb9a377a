"""Profiles made of numbers: every field of ICC's layout, each curve by its formula, and how near sRGB is sRGB."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from fourpass.imaging import profiles

D50 = (0.9642, 1.0, 0.8249)


def parts(profile: bytes) -> dict[bytes, bytes]:
    """The tags of a profile, read as ICC.1:2022, section 7.3, has them."""
    count = int.from_bytes(profile[128:132], "big")
    entries = [struct.unpack(">4sII", profile[at : at + 12]) for at in range(132, 132 + 12 * count, 12)]
    assert entries[0][1] == 132 + 12 * count
    for (_, start, length), (_, following, _) in zip(entries, [*entries[1:], (b"", len(profile), 0)], strict=True):
        assert start % 4 == 0
        assert following == start + length + -length % 4
    return {name: profile[start : start + length] for name, start, length in entries}


def light(curve: bytes, value: float) -> float:
    """What a parametric curve makes of a value, by ICC.1:2022, section 10.18."""
    kind = int.from_bytes(curve[8:10], "big")
    g, *rest = (each / 65536 for each in struct.unpack(f">{(len(curve) - 12) // 4}i", curve[12:]))
    assert curve[:8] == b"para\0\0\0\0"
    if kind == 0:
        assert not rest
        return float(value**g)
    a, b, c, d = rest
    assert kind == 3
    return float((a * value + b) ** g if value >= d else c * value)


def test_the_header_is_icc_s() -> None:
    for channels, space in ((3, b"RGB "), (1, b"GRAY")):
        profile = profiles.of_codes(9, 8, channels)
        assert profile is not None
        assert int.from_bytes(profile[:4], "big") == len(profile)
        assert profile[8:12] == b"\x04\x30\0\0"
        assert (profile[12:16], profile[16:20], profile[20:24]) == (b"mntr", space, b"XYZ ")
        assert struct.unpack(">6H", profile[24:36]) == (2024, 1, 1, 0, 0, 0)
        assert profile[36:40] == b"acsp"
        assert profile[4:8] + profile[40:68] == bytes(32)  # no preferred program, platform, flags, maker; perceptual
        assert [each / 65536 for each in struct.unpack(">3i", profile[68:80])] == pytest.approx(D50, abs=1e-5)
        assert profile[80:128] == bytes(48)


def test_the_tags_of_colour_and_of_gray() -> None:
    colour, gray = (parts(profiles.of_codes(9, 8, channels) or b"") for channels in (3, 1))
    assert set(colour) == {b"desc", b"cprt", b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"}
    assert set(gray) == {b"desc", b"cprt", b"wtpt", b"kTRC"}
    assert colour[b"rTRC"] == colour[b"gTRC"] == colour[b"bTRC"] == gray[b"kTRC"]
    for tags in (colour, gray):
        assert tags[b"wtpt"][:8] == b"XYZ \0\0\0\0"
        assert [each / 65536 for each in struct.unpack(">3i", tags[b"wtpt"][8:])] == pytest.approx(D50, abs=1e-5)
        for name, words in ((b"desc", "H.273 9/8"), (b"cprt", "no copyright")):
            head = struct.unpack(">4sIII4sII", tags[name][:28])
            assert head == (b"mluc", 0, 1, 12, b"enUS", 2 * len(words), 28)
            assert tags[name][28:].decode("utf-16-be") == words


def bt709(value: float) -> float:
    return float(((value + 0.099) / 1.099) ** (1 / 0.45)) if value >= 0.081 else value / 4.5


def srgb(value: float) -> float:
    return float(((value + 0.055) / 1.055) ** 2.4) if value > 0.04045 else value / 12.92


CURVES = dict.fromkeys((1, 6, 14, 15), bt709) | {2: srgb, 13: srgb}
POWERS = {4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}


@pytest.mark.parametrize("code", [*CURVES, *POWERS])
def test_each_transfer_is_its_formula(code: int) -> None:
    """H.273, table 3, undone, on both sides of each bend."""
    curve = parts(profiles.of_codes(9, code, 3) or b"")[b"rTRC"]
    for value in (0.0, 0.02, 0.039, 0.042, 0.078, 0.084, 0.2, 0.5, 0.8, 1.0):
        wanted = CURVES[code](value) if code in CURVES else value ** POWERS[code]
        assert light(curve, value) == pytest.approx(wanted, abs=5e-5)


def test_which_codes_mean_srgb() -> None:
    for primaries in range(1, 13):
        for transfer in (1, 2, 4, 5, 6, 8, 13, 14, 15, 17):
            if primaries in (3, 10):
                with pytest.raises(KeyError):
                    profiles.of_codes(primaries, transfer, 3)
                continue
            means = primaries in (1, 2) and transfer in (1, 2, 6, 13, 14, 15)
            assert (profiles.of_codes(primaries, transfer, 3) is None) == means, (primaries, transfer)
    for reserved in (0, 3, 7, 16, 18):
        with pytest.raises(KeyError):
            profiles.of_codes(9, reserved, 3)
    assert [code for code in range(20) if profiles.is_hdr(code)] == [16, 18]


def test_open_primaries_are_those_of_srgb() -> None:
    left_open, said = (parts(profiles.of_codes(code, 8, 3) or b"") for code in (2, 1))
    assert all(left_open[name] == said[name] for name in (b"rXYZ", b"gXYZ", b"bXYZ"))
    # The well-known matrix of sRGB, adapted to D50 (Lindbloom).
    columns = [struct.unpack(">3i", said[name][8:]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    known = [[0.4360747, 0.2225045, 0.0139322], [0.3850649, 0.7168786, 0.0971045], [0.1430804, 0.0606169, 0.7141733]]
    np.testing.assert_allclose(np.array(columns) / 65536, known, atol=3e-4)


SRGB = (0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060)


def moved(by: float) -> tuple[float, ...]:
    return (*SRGB[:2], SRGB[2] + by, *SRGB[3:])


def test_how_near_srgb_counts_as_srgb() -> None:
    for gamma, near in ((1 / 2.2 + 0.0029, True), (1 / 2.2 - 0.0029, True), (1 / 2.2 + 0.0031, False), (None, True)):
        assert (profiles.of_gamma(gamma, None, 3) is None) == near
        assert (profiles.of_gamma(gamma, SRGB, 3) is None) == near
    assert profiles.of_gamma(None, moved(0.0028), 3) is None
    for gamma in (None, 1 / 2.2):
        assert profiles.of_gamma(gamma, moved(0.02), 3) is not None


def test_gamma_and_primaries_are_taken_as_stated() -> None:
    for gamma in (0.05, 1.0, 10.0):
        tags = parts(profiles.of_gamma(gamma, None, 3) or b"")
        assert light(tags[b"gTRC"], 0.7) == pytest.approx(0.7 ** (1 / gamma), abs=1e-4)
        assert tags[b"rXYZ"] == parts(profiles.of_codes(1, 8, 3) or b"")[b"rXYZ"]
    tags = parts(profiles.of_gamma(None, moved(0.02), 3) or b"")
    assert light(tags[b"gTRC"], 0.5) == pytest.approx(srgb(0.5), abs=5e-5)
    assert tags[b"rXYZ"] != parts(profiles.of_codes(1, 8, 3) or b"")[b"rXYZ"]
    assert b"kTRC" in parts(profiles.of_gamma(1.0, None, 1) or b"")


@pytest.mark.parametrize(
    ("chromaticities", "complaint"),
    [
        ((0.3127, 0.0, *SRGB[2:]), "chromaticity 0.3127, 0.0"),
        ((-0.1, 0.329, *SRGB[2:]), "chromaticity -0.1"),
        ((1.1, 0.329, *SRGB[2:]), "chromaticity 1.1"),
        ((0.3127, 1.1, *SRGB[2:]), "chromaticity 0.3127, 1.1"),
        ((*SRGB[:2], 0.1, 0.2, 0.1, 0.2, 0.1, 0.2), "primaries in one line"),
    ],
)
def test_colours_that_cannot_be_are_refused(chromaticities: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        profiles.of_gamma(1.0, chromaticities, 3)  # type: ignore[arg-type]


def test_colours_at_the_edge_are_taken() -> None:
    """Wide-gamut encodings have primaries on the axes, ProPhoto's blue nearly so; numbers too large are cut."""
    edge = (0.3457, 0.3585, 1.0, 1e-9, 0.0, 1.0, 0.0366, 0.0001)
    for chromaticities in (edge, (*edge[:2], 0.7347, 0.2653, *edge[4:])):
        tags = parts(profiles.of_gamma(1.0, chromaticities, 3) or b"")
        assert len(tags[b"rXYZ"]) == 20
