"""TID2013 without TID2013: its 24 distortions at 5 levels, made again from its references, which are Kodak crops.

The levels of TID2013 were set for a PSNR near 33, 30, 27, 24 and 21 dB (over R, G and B, clipping counted: the real
i01_01_5 has 21.02). Each distortion follows the published description; where a number is not published, the strength
that meets the level's PSNR is found by bisection. What the description leaves open is said at each function of
`tid2013_noise` and `tid2013_coding`, and here:

- 15, local block-wise: 2, 6, 16, 40, 100 blocks; the shift then follows from the PSNR and falls from level to level, as
  the real scores rise (3.3, 3.3, 3.5, 3.7, 4.1).
- 16, mean shift: brighter at odd levels, darker at even ones.
- 17, contrast: lower at odd levels, higher at even ones, as the real scores zigzag (5.6, 6.5, 4.5, 6.3, 3.5).
- 18, saturation: PSNR says little of it; factors 0.5, 0.35, 0.2, 0.1 and 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data import tid2013_coding as coding
from fourpass.data import tid2013_noise as noise
from fourpass.data.bmp import write_bmp
from fourpass.data.training_images import decode
from fourpass.errors import ConfigError, DatasetError

LEVELS = (33.0, 30.0, 27.0, 24.0, 21.0)  # dB
ROWS, COLUMNS = 384, 512
# Row and column of the crop in the Kodak picture; the other references are taken from the middle, which is a guess.
OFFSETS = {1: (126, 104), 3: (44, 73), 4: (206, 0), 6: (43, 66), 8: (4, 71), 19: (255, 0)}
_TOLERANCE = 0.05  # dB
_BLOCKS = (2, 6, 16, 40, 100)
_SATURATION = (0.5, 0.35, 0.2, 0.1, 0.0)

Function = Callable[[noise.FloatImage, float, noise.Random], noise.FloatImage]


@dataclass(frozen=True)
class Distortion:
    """A distortion and where to look for its strength.

    Attributes:
        name: as TID2013 calls it.
        function: see `tid2013_noise`.
        mild, severe: strengths that do less than level 1 and more than level 5; both positive, searched by ratio.
        whole: strengths are whole numbers.
    """

    name: str
    function: Function
    mild: float
    severe: float
    whole: bool = False


DISTORTIONS = {
    1: Distortion("Gaussian noise", noise.gaussian_noise, 2, 80),
    2: Distortion("noise in colour components", noise.colour_noise, 0.5, 40),
    3: Distortion("spatially correlated noise", noise.correlated_noise, 2, 80),
    4: Distortion("masked noise", noise.masked_noise, 2, 80),
    5: Distortion("high frequency noise", noise.high_frequency_noise, 2, 80),
    6: Distortion("impulse noise", noise.impulse_noise, 1e-4, 0.3),
    7: Distortion("quantisation noise", noise.quantisation_noise, 4, 128),
    8: Distortion("Gaussian blur", noise.gaussian_blur, 0.2, 30),
    9: Distortion("denoising", coding.denoising, 1, 150),
    10: Distortion("JPEG", coding.jpeg, 100, 1, whole=True),
    11: Distortion("JPEG 2000", coding.jpeg2000, 1.5, 1500),
    12: Distortion("JPEG transmission errors", coding.jpeg_errors, 1, 400, whole=True),
    13: Distortion("JPEG 2000 transmission errors", coding.jpeg2000_errors, 0.01, 2000),
    14: Distortion("non-eccentricity pattern noise", noise.pattern_noise, 1, 4000, whole=True),
    15: Distortion("local block-wise distortion", noise.block_distortion, 1, 255),
    16: Distortion("mean shift", noise.mean_shift, 1, 128),
    17: Distortion("contrast change", noise.contrast_change, 0.01, 0.99),
    18: Distortion("colour saturation", noise.saturation_change, 1, 1),
    19: Distortion("multiplicative noise", noise.multiplicative_noise, 0.01, 2),
    20: Distortion("comfort noise", coding.comfort_noise, 4, 600),
    21: Distortion("lossy compression of noisy images", coding.noisy_compression, 1, 80),
    22: Distortion("colour quantisation with dither", coding.dithered_palette, 256, 2, whole=True),
    23: Distortion("chromatic aberration", noise.chromatic_aberration, 0.05, 40),
    24: Distortion("sparse sampling and reconstruction", coding.sparse_sampling, 0.02, 0.995),
}


def reference(kodak: Path, number: int) -> NDArray[np.uint8]:
    """Cut a reference of TID2013 out of its Kodak picture.

    Args:
        kodak: folder of the Kodak pictures as ``1.png`` .. ``24.png``, or ``kodim01.png`` .. ``kodim24.png``.
        number: 1..24; reference 25 is no Kodak picture.

    Returns:
        (384, 512, 3) uint8; bit for bit TID2013's where the offset is known (`OFFSETS`).

    Raises:
        DatasetError: the picture is missing, cannot be read or is too small.
    """
    names = (f"{number}.png", f"{number:02d}.png", f"kodim{number:02d}.png")
    found = [kodak / name for name in names if (kodak / name).is_file()]
    if not found:
        raise DatasetError(f"has no {' or '.join(names)}", subject=kodak, hint="put the 24 Kodak pictures there")
    picture = decode(found[0])
    height, width = picture.shape[:2]
    if height < ROWS or width < COLUMNS:
        raise DatasetError(f"{width}x{height} pixels, but Kodak's have at least {COLUMNS}x{ROWS}", subject=found[0])
    row, column = OFFSETS.get(number, ((height - ROWS) // 2, (width - COLUMNS) // 2))
    return picture[row : row + ROWS, column : column + COLUMNS]


def distort(picture: NDArray[np.uint8], kind: int, level: int, seed: int = 0) -> NDArray[np.uint8]:
    """Distort a picture as TID2013 does.

    Args:
        picture: (H, W, 3) uint8 RGB, sides multiples of 32.
        kind: type of the distortion, 1..24.
        level: 1..5, mild to severe.
        seed: of everything random; with the type and the level it decides the noise.

    Returns:
        uint8 of the same shape. Its PSNR is within 0.05 dB of the level's where the distortion can be that mild or
        severe and is not counted in whole steps; types 15 to 18 see the module.

    Raises:
        ConfigError: no such type or level, or sides that are no multiples of 32.
    """
    if kind not in DISTORTIONS or not 1 <= level <= len(LEVELS):
        raise ConfigError(f"type {kind} level {level}: TID2013 has types 1..24 at levels 1..5")
    if picture.shape[0] % 32 or picture.shape[1] % 32:
        raise ConfigError(
            f"sides {picture.shape[1]}x{picture.shape[0]} are not multiples of 32", hint="crop the picture"
        )
    clean = picture.astype(np.float32)
    distortion = DISTORTIONS[kind]
    function = distortion.function
    if kind == 15:
        function = partial(noise.block_distortion, blocks=_blocks_for(picture, level))
    elif kind == 16 and level % 2 == 0:
        function = _darker
    elif kind == 17:
        function = _flatter if level % 2 else _steeper

    def attempt(strength: float) -> NDArray[np.uint8]:
        random = np.random.default_rng((seed, kind, level))
        return np.clip(np.round(function(clean, strength, random)), 0, 255).astype(np.uint8)

    if kind == 18:
        return attempt(_SATURATION[level - 1])
    return _meet(attempt, picture, LEVELS[level - 1], distortion)


def synthesise(
    kodak: Path, folder: Path, references: Iterable[int] = range(1, 25), report: Callable[[str], None] = print
) -> None:
    """Write ``distorted_images/iRR_TT_L.bmp`` for references, as TID2013 is laid out; what is there stays.

    Args:
        kodak: folder of the Kodak pictures, see `reference`.
        folder: where to write; 71 MB a reference.
        references: 1..24.
        report: takes a line for each reference that is begun.

    Raises:
        DatasetError: a Kodak picture is missing, or the folder cannot be written.
    """
    for number in references:
        files = {
            (kind, level): folder / "distorted_images" / f"i{number:02d}_{kind:02d}_{level}.bmp"
            for kind in DISTORTIONS
            for level in range(1, len(LEVELS) + 1)
        }
        missing = {key: file for key, file in files.items() if not file.exists()}
        if not missing:
            continue
        report(f"making {len(missing)} distorted pictures of reference {number} in {folder}")
        picture = reference(kodak, number)
        for (kind, level), file in missing.items():
            write_bmp(file, distort(picture, kind, level, number))


def psnr_rgb(picture: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """PSNR in dB over R, G and B, as TID2013's levels are set; infinite for equal pictures."""
    error = np.mean((picture.astype(np.float32) - other) ** 2, dtype=np.float64)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _meet(
    attempt: Callable[[float], NDArray[np.uint8]], picture: NDArray[np.uint8], target: float, distortion: Distortion
) -> NDArray[np.uint8]:
    """Find the strength whose result has the target's PSNR: bisection of its logarithm, interpolated once it can be."""
    low, high = math.log(distortion.mild), math.log(distortion.severe)
    above = below = math.nan  # PSNR at low and at high, once known
    tried: set[float] = set()
    best, distance = picture, math.inf
    for _ in range(24):
        share = (above - target) / (above - below)
        middle = low + (high - low) * (0.5 if math.isnan(share) else min(max(share, 0.1), 0.9))
        strength = float(round(math.exp(middle))) if distortion.whole else math.exp(middle)
        if strength in tried:
            break
        tried.add(strength)
        result = attempt(strength)
        value = psnr_rgb(picture, result)
        if abs(value - target) < distance:
            best, distance = result, abs(value - target)
        if distance <= _TOLERANCE:
            break
        if value > target:
            low, above = middle, value
        else:
            high, below = middle, value
    return best


def _blocks_for(picture: NDArray[np.uint8], level: int) -> int:
    share = _BLOCKS[level - 1] * 32 * 32 / (ROWS * COLUMNS)
    return max(1, round(share * int(picture.shape[0]) * int(picture.shape[1]) / 32**2))


def _darker(image: noise.FloatImage, shift: float, random: noise.Random) -> noise.FloatImage:
    return noise.mean_shift(image, -shift, random)


def _flatter(image: noise.FloatImage, change: float, random: noise.Random) -> noise.FloatImage:
    return noise.contrast_change(image, 1 - change, random)


def _steeper(image: noise.FloatImage, change: float, random: noise.Random) -> noise.FloatImage:
    return noise.contrast_change(image, 1 + change, random)
