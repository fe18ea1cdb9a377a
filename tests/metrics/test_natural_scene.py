"""Normalised luminance by hand: what is added to the deviation, and what counts as flat."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.metrics.natural_scene import fit_symmetric, neighbour_products, normalise

OFFSETS = np.arange(-3, 4)
WINDOW = np.exp(-(OFFSETS[:, None] ** 2 + OFFSETS**2) / (2 * (7 / 6) ** 2))
WINDOW /= WINDOW.sum()


@pytest.mark.parametrize("height", [1.0, 1e-6, 90.0])
def test_one_raised_pixel(height: float) -> None:
    """Where the window has weight w at it: mean w h, variance (w - w^2) h^2, and 1 is added to the deviation."""
    plane = np.full((15, 15), 50.0)
    plane[7, 7] += height
    share = np.zeros((15, 15))
    share[4:11, 4:11] = WINDOW
    difference = plane - 50 - share * height
    wanted = difference / (height * np.sqrt(share - share**2) + 1)
    for outside in ("edge", "constant"):
        found = normalise(plane, outside)[4:11, 4:11]
        np.testing.assert_allclose(found, wanted[4:11, 4:11], rtol=1e-6 if height >= 1 else 2e-3, atol=1e-10)


def test_what_lies_outside() -> None:
    plane = np.full((9, 9), 100.0)
    assert not normalise(plane, "edge").any()
    inside = WINDOW[3:, 3:].sum()  # of the window around a corner
    wanted = (100 - 100 * inside) / (100 * np.sqrt(inside - inside**2) + 1)
    assert normalise(plane, "constant")[0, 0] == pytest.approx(wanted, rel=1e-9)


def test_rounding_errors_are_flat_and_grey_levels_are_not() -> None:
    plane = np.full((9, 9), 50.0)
    plane[4, 4] += 1e-11
    assert not normalise(plane, "edge").any()
    plane[4, 4] = 50 + 1e-8
    assert normalise(plane, "edge")[4, 4] > 0


def test_products_with_neighbours_by_hand() -> None:
    """Left, above, above left and below left, around the edges of the block."""
    block = np.array([[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]])
    left, above, above_left, below_left = (each.reshape(3, 3)[1, 1] / 5 for each in neighbour_products(block))
    assert (left, above, above_left, below_left) == (4, 2, 1, 7)


def test_a_symmetric_fit_ends_where_the_shapes_do() -> None:
    assert fit_symmetric(np.eye(1, 1000)[0])[0] == 0.2  # one of a thousand is not 0: more peaked than any
    assert fit_symmetric(np.full(1000, 3.0))[0] == 10  # all of one magnitude: flatter than any


@pytest.mark.parametrize(("mean_magnitude", "alpha"), [(np.sqrt(2 / np.pi), 2.0), (np.sqrt(0.5), 1.0)])
def test_a_symmetric_fit_of_known_moments(mean_magnitude: float, alpha: float) -> None:
    """Of variance 1: two values whose mean magnitude is a Gaussian's, and a Laplacian's."""
    spread = np.sqrt(1 - mean_magnitude**2)
    samples = np.array([mean_magnitude - spread, mean_magnitude + spread]) * np.array([1, -1])
    found, variance = fit_symmetric(3 * samples)
    assert found == pytest.approx(alpha, abs=0.0006)
    assert variance == pytest.approx(9)
