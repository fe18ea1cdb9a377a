"""The SR score of Ma et al. ("Learning a No-Reference Quality Metric for Single-Image Super-Resolution", 2017).

Three random forests, one for each family of features, and a linear regression of what they say. Forests and regression
are read from the authors' ``model.mat``, which does not come with fourpass; see docs/reference/metrics.md.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.errors import MetricError, MetricUnavailableError
from fourpass.metrics.ma_features import SIZES, all_features
from fourpass.metrics.matfile import read_mat
from fourpass.metrics.protocol import Channel, Image, single_plane

SOURCE = "https://github.com/chaoma99/sr-metric"


@dataclass(frozen=True)
class Forest:
    """Regression trees of one family, in columns: node 0 is the root, a node without a left child is a leaf.

    Attributes:
        left, right: (nodes, trees) children of a node; 0 where there are none.
        feature: (nodes, trees) the feature that a node looks at.
        threshold: (nodes, trees) features up to this one go left.
        value: (nodes, trees) the prediction of a leaf.
        correction: (intercept, slope) of the forest's bias correction; (0, 1) for none.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    feature: NDArray[np.intp]
    threshold: NDArray[np.float64]
    value: NDArray[np.float64]
    correction: tuple[float, float] = (0.0, 1.0)

    def predict(self, features: NDArray[np.float64]) -> float:
        """Return the mean of what the trees say of one picture's features."""
        trees = np.arange(self.left.shape[1])
        node = np.zeros(len(trees), np.intp)
        for _ in range(self.left.shape[0]):
            inner = self.left[node, trees] != 0
            if not inner.any():
                break
            goes_left = features[self.feature[node, trees]] <= self.threshold[node, trees]
            child = np.where(goes_left, self.left[node, trees], self.right[node, trees])
            node = np.where(inner, child, node)
        intercept, slope = self.correction
        return intercept + slope * float(self.value[node, trees].mean())


@dataclass(frozen=True)
class MaModel:
    """The three forests, the regression (constant first), and the SHA-256 of the file that they come from."""

    forests: tuple[Forest, ...]
    linear: NDArray[np.float64]
    sha256: str


def ma_score(image: Image, model: MaModel, *, channel: Channel = "y8", border: int = 4) -> float:
    """Return Ma's SR score, about 0 to 10; higher is better.

    Args:
        image: (H, W, 3) RGB or (H, W) gray on 0..255, integer or float.
        model: what `load_model` returns.
        channel: ``y8`` (Y of BT.601 in whole numbers: the paper's values and the perceptual index), ``y``, or ``gray``
            (what the authors' program does with a colour picture by default).
        border: pixels left out on each side.

    Raises:
        MetricError: less than 84x84 pixels inside the border, or a flat picture.
        ConfigError: an unknown channel, ``rgb``, or a negative border.
    """
    families = all_features(single_plane(image, channel, border))
    votes = [forest.predict(features) for forest, features in zip(model.forests, families, strict=True)]
    return float(model.linear @ np.array([1.0, *votes]))


def default_model() -> Path:
    """Where ``model.mat`` is looked for when no path is given: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fourpass" / "ma" / "model.mat"


def find_model(path: Path | None = None) -> Path | None:
    """Return the model's path: the given one, or `default_model` where that exists, or None.

    Raises:
        MetricUnavailableError: a path is given and no such file.
    """
    if path is not None and not path.is_file():
        raise MetricUnavailableError("no such file", subject=path, hint=f"Ma's model.mat is at {SOURCE}")
    return path if path is not None else next((file for file in [default_model()] if file.is_file()), None)


def load_model(path: Path | None = None, *, sha256: str | None = None) -> MaModel:
    """Read the authors' ``model.mat``.

    A file ``model.mat.sha256`` beside it, as ``sha256sum`` writes it, is checked too.

    Args:
        path: the file; None for `default_model`.
        sha256: what the file's hash must be, in hexadecimal.

    Raises:
        MetricUnavailableError: no such file.
        MetricError: it has another hash, is damaged, of another version, or not of the structure that is expected.
    """
    file = find_model(path)
    if file is None:
        raise MetricUnavailableError(
            f"Ma's SR score needs model.mat: fetch it from {SOURCE} and put it at {default_model()}"
        )
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    for wanted in [sha256, _noted(file)]:
        if wanted is not None and wanted.lower() != found:
            raise MetricError(
                f"{file} has SHA-256 {found}, not {wanted}", hint="fetch it again, or correct the recorded hash"
            )
    try:
        model = read_mat(file)["model"]
        linear = np.asarray(model["linear"], np.float64).ravel()
        entries = list(model["rf"])
        if len(entries) != len(SIZES) or linear.shape != (1 + len(SIZES),):
            raise ValueError(f"{len(entries)} forests and {linear.size} coefficients, not 3 and 4")
        forests = tuple(_forest(entry, size) for entry, size in zip(entries, SIZES, strict=True))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise MetricError(f"{file} is not Ma's model.mat ({error})", hint=f"fetch it from {SOURCE}") from None
    return MaModel(forests, linear, found)


def _noted(file: Path) -> str | None:
    note = file.with_name(file.name + ".sha256")
    words = note.read_text().split() if note.is_file() else []
    return words[0] if words else None


def _forest(entry: dict[str, Any], features: int) -> Forest:
    """Check and convert one forest: the arrays of MATLAB's randomForest port, which counts from 1."""
    trees = int(np.asarray(entry["ntree"]).ravel()[0])
    names = ("lDau", "rDau", "mbest", "upper", "avnode")
    arrays = [np.asarray(entry[name], np.float64) for name in names]
    shape = arrays[0].shape
    if trees < 1 or any(array.shape != shape or array.ndim != 2 or array.shape[1] != trees for array in arrays):
        raise ValueError(f"arrays of shapes {[array.shape for array in arrays]} for {trees} trees")
    left, right, feature = (array.astype(np.intp) for array in arrays[:3])
    threshold, value = arrays[3:]
    inner = left != 0
    own = np.arange(1, shape[0] + 1)[:, None]
    for child in (left, right):
        if (inner & ((child <= own) | (child > shape[0]))).any():
            raise ValueError("a node's child does not come after it")
    if (inner & ((feature < 1) | (feature > features))).any():
        raise ValueError(f"a node looks at a feature outside 1..{features}")
    if not (np.isfinite(value).all() and np.isfinite(threshold).all() and np.isfinite(_correction(entry)).all()):
        raise ValueError("a number that is not finite")
    correction = _correction(entry)
    return Forest(
        np.where(inner, left - 1, 0),
        np.where(inner, right - 1, 0),
        np.where(inner, feature - 1, 0),
        threshold,
        value,
        (float(correction[0]), float(correction[1])),
    )


def _correction(entry: dict[str, Any]) -> NDArray[np.float64]:
    """Intercept and slope of a forest's bias correction; (0, 1) where it was trained without one."""
    stored = np.asarray(entry.get("coef", []), np.float64).ravel()
    return stored[:2] if stored.size >= 2 and stored.any() else np.array([0.0, 1.0])
