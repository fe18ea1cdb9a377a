"""TID2013's distortions that compress, transmit, denoise or reconstruct (Ponomarenko et al., 2015).

The functions are called as those of `fourpass.data.tid2013_noise`. JPEG, JPEG 2000 and palettes are Pillow's.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.data.tid2013_noise import FloatImage, Random, to_rgb, to_ycbcr
from fourpass.errors import missing_extra

_COMFORT_BLOCK = 8
_NOISY_BLOCK = 32  # the coder of the published description transforms 32x32 blocks
_ITERATIONS = 16
_CODE_BLOCK = 16
_WAVELET_LEVELS = 5
_LIFTING = (-1.586134342, -0.05298011854, 0.8829110762, 0.4435068522)  # ISO/IEC 15444-1, Table F.4
_LIFTING_SCALE = np.float32(1.149604398)


def jpeg(image: FloatImage, quality: float, random: Random) -> FloatImage:
    """Type 10: JPEG with 4:2:0 chroma, quality 1..100."""
    return _decoded(_encoded(image, "JPEG", quality=round(quality), subsampling=2))


def jpeg2000(image: FloatImage, rate: float, random: Random) -> FloatImage:
    """Type 11: JPEG 2000, irreversible wavelet, compressed that many times."""
    return _decoded(_jpeg2000_stream(image, rate))


def jpeg_errors(image: FloatImage, flips: float, random: Random) -> FloatImage:
    """Type 12: that many bits of a JPEG's entropy-coded data are flipped; decoding starts anew every 8 blocks."""
    stream = _encoded(image, "JPEG", quality=92, subsampling=2, restart_marker_blocks=8)
    return _decoded(_flip(stream, stream.index(b"\xff\xda") + 14, round(flips), random))


def jpeg2000_errors(image: FloatImage, blocks: float, random: Random) -> FloatImage:
    """Type 13: that many code blocks of a JPEG 2000 picture arrive damaged; a fraction damages the last one less.

    Few decoders survive flipped bits in a whole stream, so the damage is done where it shows: a code block's wavelet
    coefficients are replaced by noise as large as the largest of them. Compression itself is left out.
    """
    ycbcr = wavelet(to_ycbcr(image))
    rows, columns, channels = ycbcr.shape
    shape = rows // _CODE_BLOCK, columns // _CODE_BLOCK, channels
    places = random.permutation(math.prod(shape))
    whole = int(blocks)
    for count, place in enumerate(places[: whole + 1]):
        row, column, channel = np.unravel_index(place, shape)
        area = np.s_[row * _CODE_BLOCK :, column * _CODE_BLOCK :, channel]
        block = ycbcr[area][:_CODE_BLOCK, :_CODE_BLOCK]
        noise = np.abs(block).max() * random.uniform(-1, 1, block.shape).astype(np.float32)
        share = np.float32(1 if count < whole else blocks - whole)
        block += share * (noise - block)
    return to_rgb(wavelet(ycbcr, inverse=True))


def denoising(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 9: white noise, then a filter that thresholds the 8x8 DCT of shifted blocks: what it leaves and takes."""
    noisy = image + np.float32(deviation) * random.standard_normal(image.shape, np.float32)
    shifts = [(row, column) for row in (0, 4) for column in (0, 4)]
    filtered = [_thresholded(noisy, 2.7 * deviation, 8, *shift) for shift in shifts]
    return np.asarray(np.mean(filtered, axis=0), np.float32)


def comfort_noise(image: FloatImage, step: float, random: Random) -> FloatImage:
    """Type 20: DCT coefficients that quantisation would zero keep their size and get a sign by chance.

    Texture keeps its look and loses its phase; coefficients that survive are quantised.
    """
    ycbcr = to_ycbcr(image)
    blocks = _blocks(ycbcr, _COMFORT_BLOCK)
    sign = np.where(random.random(blocks.shape, np.float32) < 0.5, np.float32(-1), np.float32(1))
    lost = np.abs(blocks) < step
    lost[:, :, 0, 0] = False
    quantised = np.round(blocks / (0.5 * step)) * np.float32(0.5 * step)
    return to_rgb(_unblocks(np.where(lost, sign * np.abs(blocks), quantised), ycbcr.shape))


def noisy_compression(image: FloatImage, deviation: float, random: Random) -> FloatImage:
    """Type 21: white noise, then a DCT coder whose step follows the noise (3.5 deviations)."""
    noisy = image + np.float32(deviation) * random.standard_normal(image.shape, np.float32)
    step = np.float32(3.5 * deviation)
    blocks = _blocks(to_ycbcr(noisy), _NOISY_BLOCK)
    return to_rgb(_unblocks(np.round(blocks / step) * step, image.shape))


def dithered_palette(image: FloatImage, colours: float, random: Random) -> FloatImage:
    """Type 22: that many colours (2..256), errors diffused as Floyd and Steinberg do."""
    picture = _pillow().fromarray(_bytes(image))
    palette = picture.quantize(colors=round(colours), method=0, dither=0)
    dithered = picture.quantize(palette=palette, dither=3)
    return np.asarray(dithered.convert("RGB"), np.float32)


def sparse_sampling(image: FloatImage, lost: float, random: Random) -> FloatImage:
    """Type 24: that share of the pixels is lost, and found again as what is sparse in the DCT of 8x8 blocks."""
    known = random.random((*image.shape[:2], 1), np.float32) >= lost
    mean = (image * known).sum(axis=(0, 1)) / max(known.sum(), 1)
    estimate = np.where(known, image, mean.astype(np.float32))
    for threshold in np.geomspace(200, 8, _ITERATIONS):
        shift = random.integers(8, size=2)
        estimate = np.where(known, image, _thresholded(estimate, float(threshold), 8, *shift))
    return _thresholded(estimate, 12.0, 8, 4, 4)


def _thresholded(image: FloatImage, threshold: float, size: int, row: int, column: int) -> FloatImage:
    """Zero the small DCT coefficients of the blocks of a picture rolled by this many rows and columns."""
    blocks = _blocks(np.roll(image, (row, column), (0, 1)), size)
    mean = blocks[:, :, 0, 0].copy()
    blocks[np.abs(blocks) < threshold] = 0
    blocks[:, :, 0, 0] = mean
    return np.roll(_unblocks(blocks, image.shape), (-row, -column), (0, 1))


def _blocks(image: FloatImage, size: int) -> FloatImage:
    """Orthonormal DCT of each block: (rows, columns, size, size, C)."""
    rows, columns, channels = image.shape
    tiles = image.reshape(rows // size, size, columns // size, size, channels)
    basis = _dct(size)
    return np.asarray(np.einsum("ui,aibjc,vj->abuvc", basis, tiles, basis, optimize=True), np.float32)


def _unblocks(blocks: FloatImage, shape: tuple[int, ...]) -> FloatImage:
    basis = _dct(blocks.shape[2])
    pixels = np.einsum("ui,abuvc,vj->aibjc", basis, blocks, basis, optimize=True)
    return np.asarray(pixels.reshape(shape), np.float32)


def _dct(size: int) -> FloatImage:
    index = np.arange(size)
    basis = np.cos(np.pi * (2 * index[None] + 1) * index[:, None] / (2 * size)) * np.sqrt(2 / size)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis, np.float32)


def wavelet(image: FloatImage, *, inverse: bool = False) -> FloatImage:
    """Five levels of JPEG 2000's irreversible 9/7 wavelet, by lifting; low frequencies at the top left."""
    result = image.copy()
    for level in range(_WAVELET_LEVELS)[:: -1 if inverse else 1]:
        corner = np.s_[: image.shape[0] >> level, : image.shape[1] >> level]
        for axis in (1, 0) if inverse else (0, 1):
            result[corner] = _lifted(result[corner], axis, inverse)
    return result


def _lifted(image: FloatImage, axis: int, inverse: bool) -> FloatImage:
    x = np.moveaxis(image, axis, 0)
    half = len(x) // 2
    low, high = (x[:half].copy(), x[half:].copy()) if inverse else (x[::2].copy(), x[1::2].copy())
    if inverse:
        low, high = low * _LIFTING_SCALE, high / _LIFTING_SCALE
    for index in range(len(_LIFTING))[:: -1 if inverse else 1]:
        weight = np.float32(-_LIFTING[index] if inverse else _LIFTING[index])
        if index % 2:
            low += weight * (high + np.concatenate([high[:1], high[:-1]]))
        else:
            high += weight * (low + np.concatenate([low[1:], low[-1:]]))
    if inverse:
        merged = np.stack([low, high], axis=1).reshape(x.shape)
    else:
        merged = np.concatenate([low / _LIFTING_SCALE, high * _LIFTING_SCALE])
    return np.moveaxis(merged, 0, axis)


def _flip(stream: bytes, start: int, count: int, random: Random) -> bytes:
    damaged = bytearray(stream)
    for place in start + random.permutation(len(stream) - 2 - start)[:count]:
        changed = damaged[place] ^ (1 << int(random.integers(8)))
        # Markers stay markers, and no new one appears: those would end the picture, not damage it.
        if 0xFF not in (damaged[place], changed, damaged[place - 1]):
            damaged[place] = changed
    return bytes(damaged)


def _jpeg2000_stream(image: FloatImage, rate: float) -> bytes:
    options = {"quality_mode": "rates", "quality_layers": [rate], "irreversible": True, "no_jp2": True}
    return _encoded(image, "JPEG2000", **options)


def _encoded(image: FloatImage, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    _pillow().fromarray(_bytes(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def _decoded(stream: bytes) -> FloatImage:
    with _pillow().open(io.BytesIO(stream)) as picture:
        return np.asarray(picture.convert("RGB"), np.float32)


def _bytes(image: FloatImage) -> NDArray[np.uint8]:
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise missing_extra("train", "pillow") from None
    return Image
