"""Every packaged network at every scale, from a photo to pixels, beside what came out when it was packaged.

After a change that is meant to change pixels: ``python tools/snapshots.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fourpass import Upscaler, weights
from fourpass.engine import backends, graphs

SNAPSHOTS = Path(__file__).parents[1] / "references" / "snapshots.npz"
NETWORKS = [
    f"{name}_x{scale}"
    for name in weights.available()
    if weights.load(name).metadata.architecture in graphs.ARCHITECTURES
    for scale in graphs.scales(weights.load(name))
]


@pytest.fixture(scope="module")
def snapshots() -> dict[str, NDArray[np.uint8]]:
    with np.load(SNAPSHOTS) as file:
        return dict(file)


def agree(found: NDArray[np.uint8], wanted: NDArray[np.uint8], share: float) -> None:
    """Processors and backends add in other orders: a value near a half may round the other way, and no other."""
    difference = np.abs(found[: len(wanted), : wanted.shape[1]].astype(int) - wanted)
    moved = f"{(difference > 0).mean():.1%} of the values moved, by {difference.max()} at most"
    assert difference.max() <= 1, f"{moved}; if that was meant, run: python tools/snapshots.py"
    assert (difference > 0).mean() < share, f"{moved}; if that was meant, run: python tools/snapshots.py"


def test_each_network_has_one(snapshots: dict[str, NDArray[np.uint8]]) -> None:
    found = {name for name in snapshots if "_x" in name}
    assert found == set(NETWORKS), "run: python tools/snapshots.py"
    assert {f"{name}_x{scale}" for name in ("eusr", "swift") for scale in (2, 4, 8)} <= set(snapshots)


@pytest.mark.parametrize("network", NETWORKS)
def test_pixels(snapshots: dict[str, NDArray[np.uint8]], network: str) -> None:
    name, _, scale = network.rpartition("_x")
    upscaled = Upscaler(name, precision="fp32").upscale(snapshots["input"], int(scale))
    assert upscaled.shape == (20 * int(scale), 20 * int(scale), 3)
    agree(upscaled, snapshots[network], 0.01)
    # What comes out shrinks back to what went in: the snapshot is of an enlarged photo, whoever made it.
    blocks = upscaled.reshape(20, int(scale), 20, int(scale), 3).mean((1, 3))
    assert np.abs(blocks - snapshots["input"]).mean() < 4


@pytest.mark.parametrize("backend", [name for name in backends.BACKENDS if name != "openvino"])
def test_pixels_of_the_other_backends(snapshots: dict[str, NDArray[np.uint8]], backend: str) -> None:
    reason = backends.get(backend).missing()
    if reason is not None:
        pytest.skip(reason)
    upscaler = Upscaler("swift", backend=backend, device="cpu", precision="fp32")
    agree(upscaler.upscale(snapshots["input"], 4), snapshots["swift_x4"], 0.02)
