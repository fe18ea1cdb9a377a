"""imresize against MATLAB's own output, numbers worked by hand, and its properties."""

import numpy as np
import pytest

from fourpass.errors import ConfigError, ImageError
from fourpass.imaging.resize import contributions, imresize

pyvips = pytest.importorskip("pyvips")


@pytest.mark.shared
@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ["baby", "bird", "butterfly", "head", "woman"])
def test_shrinking_equals_matlab_bit_for_bit(shared, name, scale):
    (original,) = (shared / "data/eval/Set5").glob(f"{name}*")
    expected = pyvips.Image.new_from_file(str(shared / f"reference/matlab_imresize/{name}x{scale}.png")).numpy()
    pixels = pyvips.Image.new_from_file(str(original)).numpy()
    np.testing.assert_array_equal(imresize(pixels, 1 / scale), expected)


def test_weights_of_halving_by_hand():
    # At factor 1/2 the kernel is sampled at odd quarters: h(x/2)/2 for x = 0.5, 1.5, 2.5, 3.5 is
    # (111, 29, -9, -3) / 256 on each side; the eight of them sum to 1.
    weights, indices = contributions(100, 50, 0.5)
    expected = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    np.testing.assert_allclose(weights[25], expected, atol=1e-15)
    np.testing.assert_array_equal(indices[25], np.arange(47, 55))


def test_borders_mirror_with_the_edge_repeated():
    _, indices = contributions(100, 50, 0.5)
    np.testing.assert_array_equal(indices[0], [2, 1, 0, 0, 1, 2, 3, 4])


def test_enlarging_by_hand():
    # Doubling [0, 64], sample 0 lies 1/4 before the first pixel: distances 7/4, 3/4, 1/4, 5/4 to the mirrored
    # neighbours 64, 0, 0, 64, weights (-3, 29, 111, -9) / 128: 64 * (-12 / 128) = -6. Sample 1 lies 1/4 after it, among
    # 0, 0, 64, 64 with (-9, 111, 29, -3) / 128: 64 * 26 / 128 = 13. The other two are their mirror images.
    row = np.array([[0, 64]], np.uint8)
    np.testing.assert_allclose(imresize(row.astype(np.float64), size=(1, 4)), [[-6, 13, 51, 70]], atol=1e-12)
    np.testing.assert_array_equal(imresize(row, size=(1, 4)), [[0, 13, 51, 70]])


def test_integer_results_are_rounded_after_each_axis():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    rows = np.clip(np.floor(imresize(pixels.astype(float), size=(20, 30)) + 0.5), 0, 255)
    # An axis that keeps its length is not touched, so doing the axes apart shows the order and the rounding.
    both = np.clip(np.floor(imresize(rows, size=(20, 15)) + 0.5), 0, 255)
    np.testing.assert_array_equal(imresize(pixels, 0.5), both.astype(np.uint8))


def one_axis(pixels, length):
    """A sum a sample, as the description of MATLAB's imresize says it: axis 0 of (n, m), rounded half up to uint8."""
    scale = length / len(pixels)
    stretch = min(scale, 1)
    result = np.empty((length, pixels.shape[1]))
    for place in range(length):
        middle = (place + 0.5) / scale - 0.5
        total, weights = 0, 0
        for tap in range(int(np.floor(middle - 2 / stretch)), int(np.ceil(middle + 2 / stretch)) + 1):
            x = abs(middle - tap) * stretch
            weight = 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0
            inside = tap % (2 * len(pixels))
            total = total + weight * pixels[min(inside, 2 * len(pixels) - 1 - inside)].astype(float)
            weights += weight
        result[place] = total / weights
    return np.clip(np.floor(result + 0.5), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", [(5, 11), (11, 5), (6, 7), (7, 6), (19, 31), (9, 31), (17, 13)])
def test_the_axis_with_the_smaller_scale_comes_first(size):
    """Rounding after each axis shows which one came first."""
    pixels = np.random.default_rng(3).choice(np.array([0, 10, 245, 255], np.uint8), (12, 12))
    rows_first = one_axis(one_axis(pixels, size[0]).T, size[1]).T
    columns_first = one_axis(one_axis(pixels.T, size[1]).T, size[0])
    assert (rows_first != columns_first).any()
    np.testing.assert_array_equal(imresize(pixels, size=size), rows_first if size[0] <= size[1] else columns_first)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [0.3, 0.5, 1.7, 4])
def test_a_flat_picture_stays_flat(dtype, scale):
    flat = np.full((17, 23, 3), 201, dtype)
    result = imresize(flat, scale)
    assert result.dtype == dtype
    assert result.shape == (int(np.ceil(scale * 17)), int(np.ceil(scale * 23)), 3)
    np.testing.assert_allclose(result, 201, rtol=1e-6)


def test_turning_the_picture_turns_the_result():
    pixels = np.random.default_rng(1).random((31, 45))
    np.testing.assert_allclose(imresize(pixels.T, 0.4), imresize(pixels, 0.4).T, atol=1e-12)


def test_a_wide_picture_is_the_same_in_chunks():
    pixels = np.random.default_rng(2).integers(0, 256, (12, 9000), np.uint8)
    np.testing.assert_array_equal(imresize(pixels, 0.5)[:, :100], imresize(pixels[:, :300], 0.5)[:, :100])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": 0}, "scale 0 "),
        ({"scale": float("nan")}, "scale nan"),
        ({}, "exactly one"),
        ({"scale": 2, "size": (1, 1)}, "exactly one"),
        ({"size": (0, 3)}, r"size \(0, 3\)"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ConfigError, match=words):
        imresize(np.zeros((4, 4), np.uint8), **arguments)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.int32), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)])
def test_bad_arrays_are_named(image):
    with pytest.raises(ImageError, match=r"dtype int32|shape"):
        imresize(image, 2)
