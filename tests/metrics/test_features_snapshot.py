"""Features of Ma's score, NIQE and BRISQUE of a part of a photo, beside what they were when they were last checked.

NIQE and BRISQUE are compared with MATLAB's own values where the shared data is; Ma's with transcriptions of its parts.
This holds them fast in a clone that has no more than the repository. After a change that is meant to move them:
``python tools/snapshots.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fourpass.metrics import brisque, ma_features, niqe

SNAPSHOTS = Path(__file__).parents[1] / "references" / "snapshots.npz"


@pytest.fixture(scope="module")
def snapshots() -> dict[str, NDArray[np.float64]]:
    with np.load(SNAPSHOTS) as file:
        return {name: file[name].astype(np.float64) for name in file.files}


def test_ma(snapshots: dict[str, NDArray[np.float64]]) -> None:
    families = ma_features.all_features(snapshots["plane"])
    for name, found in zip(("local", "global", "spatial"), families, strict=True):
        np.testing.assert_allclose(found, snapshots[f"ma {name}"], rtol=1e-5, atol=1e-7)


def test_brisque(snapshots: dict[str, NDArray[np.float64]]) -> None:
    np.testing.assert_allclose(brisque.features(snapshots["plane"]), snapshots["brisque features"], rtol=1e-6)


def test_niqe(snapshots: dict[str, NDArray[np.float64]]) -> None:
    np.testing.assert_allclose(niqe.block_features(snapshots["plane"]), snapshots["niqe features"], rtol=1e-6)
