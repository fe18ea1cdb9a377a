"""TID2013's distortions that act on pixels: noises, blur, shifts of light and colour (Ponomarenko et al., 2015).

Every function takes a picture (H, W, 3) float32 RGB on 0..255, the strength of the distortion, and a source of
randomness, and returns a picture of the same kind, neither rounded nor clipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Random = np.random.Generator

# RGB to Y, Cb - 128, Cr - 128 of JPEG (full swing), and back.
_TO_YCBCR = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
_TO_RGB = np.linalg.inv(_TO_YCBCR).astype(np.float32)
_CHROMA_NOISE = 3.0  # deviation of noise in Cb and Cr, in deviations of that in Y
_HIGH_FREQUENCY = 0.25  # cycles a pixel above which noise is kept
_PATTERN = 15  # side of the patches of non-eccentricity pattern noise
_REACH = 15  # pixels that such a patch may be moved each way
_BLOCK = 32  # side of the blocks of local block-wise distortion


def to_ycbcr(image: FloatImage) -> FloatImage:
    """Return Y, Cb - 128, Cr - 128 as JPEG has them."""
    return image @ _TO_YCBCR.T


def to_rgb(ycbcr: FloatImage) -> FloatImage:
    """Invert `to_ycbcr`."""
    return ycbcr @ _TO_RGB.T


def gaussian_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 1: white, independent in R, G and B. The real i01_01_5 is this, at 21.02 dB with clipping counted."""
    return image + np.float32(deviation) * _normal(image.shape, random)


def colour_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 2: noise that is stronger in the colour components than in luma; the ratio is not published, 3 is ours."""
    noise = _normal(image.shape, random) * np.array([1, _CHROMA_NOISE, _CHROMA_NOISE], np.float32)
    return image + np.float32(deviation) * to_rgb(noise)


def correlated_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 3: white noise after a 3x3 mean, whose deviation is a third of the white noise's."""
    return image + np.float32(3 * deviation) * _mean_filter(_normal(image.shape, random), 3)


def masked_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 4: noise whose deviation follows the local deviation of luma, so that texture hides it."""
    luma = to_ycbcr(image)[..., :1]
    variance = _mean_filter(luma**2, 9) - _mean_filter(luma, 9) ** 2
    activity = np.clip(np.sqrt(np.maximum(variance, 0)), 2, 40)
    activity /= np.sqrt(np.mean(activity**2))
    return np.asarray(image + np.float32(deviation) * activity * _normal(image.shape, random), np.float32)


def high_frequency_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 5: white noise with nothing left below a quarter of a cycle a pixel."""
    rows, columns = image.shape[:2]
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])[..., None]
    spectrum = np.fft.rfft2(_normal(image.shape, random), axes=(0, 1)) * (frequency > _HIGH_FREQUENCY)
    return image + np.float32(deviation) * np.fft.irfft2(spectrum, (rows, columns), (0, 1)).astype(np.float32)


def impulse_noise(image: FloatImage, share: float, random: Random) -> FloatImage:
    """Type 6: that share of the values, in each channel by itself, becomes 0 or 255."""
    draw = random.random(image.shape, np.float32)
    salt = random.random(image.shape, np.float32) < 0.5
    return np.where(draw < share, np.where(salt, np.float32(255), np.float32(0)), image)


def quantisation_noise(image: FloatImage, step: float, random: Random) -> FloatImage:
    """Type 7: uniform quantisation of R, G and B."""
    return np.asarray(np.floor(image / step) * step + step / 2, np.float32)


def gaussian_blur(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 8: Gaussian kernel, symmetric border."""
    return blur(image, deviation)


def pattern_noise(image: FloatImage, patches: float, random: Random) -> FloatImage:
    """Type 14, non-eccentricity pattern noise: 15x15 patches replaced by ones from at most 15 pixels away."""
    result = image.copy()
    rows, columns = image.shape[0] - _PATTERN, image.shape[1] - _PATTERN
    for _ in range(round(patches)):
        row, column = int(random.integers(rows + 1)), int(random.integers(columns + 1))
        source_row = int(np.clip(row + random.integers(-_REACH, _REACH + 1), 0, rows))
        source_column = int(np.clip(column + random.integers(-_REACH, _REACH + 1), 0, columns))
        result[row : row + _PATTERN, column : column + _PATTERN] = image[
            source_row : source_row + _PATTERN, source_column : source_column + _PATTERN
        ]
    return result


def block_distortion(image: FloatImage, shift: float, random: Random, *, blocks: int = 6) -> FloatImage:
    """Type 15: that many 32x32 blocks are shifted in colour, each channel up or down by itself."""
    result = image.copy()
    rows, columns = image.shape[0] // _BLOCK, image.shape[1] // _BLOCK
    for place in random.permutation(rows * columns)[:blocks]:
        row, column = divmod(int(place), columns)
        sign = random.choice(np.array([-1, 1], np.float32), 3)
        result[row * _BLOCK : (row + 1) * _BLOCK, column * _BLOCK : (column + 1) * _BLOCK] += shift * sign
    return result


def mean_shift(image: FloatImage, shift: float, random: Random) -> FloatImage:
    """Type 16: everything brighter, or darker where the shift is negative."""
    return image + np.float32(shift)


def contrast_change(image: FloatImage, factor: float, random: Random) -> FloatImage:
    """Type 17: distances from the mean of each channel times a factor."""
    mean = image.mean(axis=(0, 1), keepdims=True)
    return np.asarray(mean + np.float32(factor) * (image - mean), np.float32)


def saturation_change(image: FloatImage, factor: float, random: Random) -> FloatImage:
    """Type 18: Cb and Cr times a factor; 0 leaves a gray picture."""
    return to_rgb(to_ycbcr(image) * np.array([1, factor, factor], np.float32))


def multiplicative_noise(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 19: white noise proportional to the value."""
    return image * (1 + np.float32(deviation) * _normal(image.shape, random))


def chromatic_aberration(image: FloatImage, shift: float, random: Random) -> FloatImage:
    """Type 23: R moved right and down, B left and up, by that many pixels; then both are blurred slightly."""
    red = blur(_shifted(image[..., 0], shift), 0.25 * shift)
    blue = blur(_shifted(image[..., 2], -shift), 0.25 * shift)
    return np.stack([red, image[..., 1], blue], axis=2)


def blur(image: FloatImage, deviation: float) -> FloatImage:
    """Blur (H, W) or (H, W, C) with a Gaussian; symmetric border."""
    if deviation < 0.05:
        return image
    for axis in (0, 1):
        matrix = _blur_matrix(image.shape[axis], deviation)
        image = np.moveaxis(np.tensordot(matrix, image, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(image)


def _blur_matrix(length: int, deviation: float) -> FloatImage:
    radius = int(np.ceil(4 * deviation))
    offsets = np.arange(-radius, radius + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((length, length), np.float32)
    targets = np.arange(length)
    for offset, weight in zip(offsets, kernel, strict=True):
        sources = (targets + offset) % (2 * length)
        np.add.at(matrix, (targets, np.minimum(sources, 2 * length - 1 - sources)), weight)
    return matrix


def _mean_filter(image: FloatImage, size: int) -> FloatImage:
    half = size // 2
    for axis in (0, 1):
        padding = [(half + 1, half) if a == axis else (0, 0) for a in range(image.ndim)]
        total = np.cumsum(np.pad(image, padding, mode="symmetric"), axis=axis, dtype=np.float64)
        length = image.shape[axis]
        upper, lower = (np.take(total, np.arange(start, start + length), axis) for start in (size, 0))
        image = ((upper - lower) / size).astype(np.float32)
    return image


def _shifted(channel: FloatImage, shift: float) -> FloatImage:
    """Move a channel by a fraction of pixels along both axes, linearly interpolated, edges repeated."""
    for axis in (0, 1):
        length = channel.shape[axis]
        place = np.clip(np.arange(length) - shift, 0, length - 1)
        low = np.floor(place).astype(int)
        share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
        high = np.minimum(low + 1, length - 1)
        channel = (1 - share) * channel.take(low, axis) + share * channel.take(high, axis)
    return channel


def _normal(shape: tuple[int, ...], random: Random) -> FloatImage:
    return random.standard_normal(shape, np.float32)
