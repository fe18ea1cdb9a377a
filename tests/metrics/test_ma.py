"""Ma's SR score: features against direct transcriptions, forests against a recursion, refusals."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.io import savemat
from scipy.special import gamma
from scipy.stats import gennorm

from fourpass.errors import MetricError, MetricUnavailableError
from fourpass.metrics.ma import default_model, find_model, load_model, ma_score
from fourpass.metrics.ma_features import SIZES, all_features, gaussian_shape, local_features, spatial_features
from fourpass.metrics.protocol import planes
from fourpass.metrics.steerable import steerable_pyramid

_TREES = 5


def _forest(random: np.random.Generator, features: int) -> dict[str, Any]:
    """A forest as MATLAB's randomForest port stores it: each tree a column, 1-based, children after their parent."""
    nodes = 31
    names = {name: np.zeros((nodes, _TREES), np.int32) for name in ("lDau", "rDau", "mbest", "nodestatus")}
    upper, avnode = np.zeros((nodes, _TREES)), random.normal(5, 2, (nodes, _TREES))
    sizes = []
    for tree in range(_TREES):
        used, waiting = 1, [0]
        while waiting and used + 2 <= nodes - 2 * tree:
            node = waiting.pop(0)
            names["lDau"][node, tree], names["rDau"][node, tree] = used + 1, used + 2
            names["mbest"][node, tree] = random.integers(1, features + 1)
            names["nodestatus"][node, tree] = -3
            upper[node, tree] = random.uniform(0, 3)
            waiting += [used, used + 1]
            used += 2
        names["nodestatus"][waiting, tree] = -1
        sizes.append(used)
    return {
        **names,
        "nrnodes": np.int32([[nodes]]),
        "upper": upper,
        "avnode": avnode,
        "ndtree": np.int32(sizes)[:, None],
        "ntree": np.float64([[_TREES]]),
        "coef": np.zeros((2, 1)),
    }


@pytest.fixture
def content() -> dict[str, Any]:
    random = np.random.default_rng(11)
    forests = np.empty((1, 3), object)
    for index, size in enumerate(SIZES):
        forests[0, index] = _forest(random, size)
    return {"rf": forests, "linear": np.array([[-0.4], [0.3], [0.5], [0.25]])}


def _save(path: Path, content: dict[str, Any]) -> Path:
    savemat(path, {"model": content}, do_compression=True)
    return path


def _walk(forest: dict[str, Any], features: np.ndarray) -> float:
    """The mean of the leaves that a picture falls into, tree by tree."""
    leaves = []
    for tree in range(forest["lDau"].shape[1]):
        node = 0
        while forest["nodestatus"][node, tree] != -1:
            goes_left = features[forest["mbest"][node, tree] - 1] <= forest["upper"][node, tree]
            node = forest["lDau" if goes_left else "rDau"][node, tree] - 1
        leaves.append(forest["avnode"][node, tree])
    return float(np.mean(leaves))


def test_the_score_is_what_the_file_says(tmp_path: Path, content: dict[str, Any], picture: np.ndarray) -> None:
    model = load_model(_save(tmp_path / "model.mat", content))
    families = all_features(planes(picture, "y8", 4)[0])
    assert tuple(len(family) for family in families) == SIZES
    votes = [_walk(content["rf"][0, index], families[index]) for index in range(3)]
    expected = -0.4 + 0.3 * votes[0] + 0.5 * votes[1] + 0.25 * votes[2]
    assert ma_score(picture, model) == pytest.approx(expected, abs=1e-12)


def test_a_bias_correction_is_applied(tmp_path: Path, content: dict[str, Any]) -> None:
    plain = load_model(_save(tmp_path / "a.mat", content)).forests[0]
    content["rf"][0, 0]["coef"] = np.array([[0.5], [2.0]])
    corrected = load_model(_save(tmp_path / "b.mat", content)).forests[0]
    features = np.linspace(0, 3, SIZES[0])
    assert corrected.predict(features) == pytest.approx(0.5 + 2 * plain.predict(features))


def test_where_the_model_is_looked_for(
    tmp_path: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_model().is_relative_to(tmp_path)
    assert find_model() is None
    with pytest.raises(MetricUnavailableError, match=r"needs model\.mat: fetch it from https"):
        load_model()
    with pytest.raises(MetricUnavailableError, match="no such file"):
        find_model(tmp_path / "elsewhere.mat")
    default_model().parent.mkdir(parents=True)
    _save(default_model(), content)
    assert find_model() == default_model()
    digest = hashlib.sha256(default_model().read_bytes()).hexdigest()
    assert load_model().sha256 == digest
    note = default_model().with_name("model.mat.sha256")
    note.write_text(f"{digest}  model.mat\n")
    assert load_model(sha256=digest.upper()).sha256 == digest
    note.write_text("0" * 64)
    with pytest.raises(MetricError, match="SHA-256"):
        load_model()
    note.unlink()
    with pytest.raises(MetricError, match="SHA-256"):
        load_model(sha256="1" * 64)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda model: model.update(rf=model["rf"][:, :2]), "2 forests"),
        (lambda model: model.update(linear=np.ones((3, 1))), "3 coefficients"),
        (lambda model: model.pop("linear"), "linear"),
        (lambda model: model["rf"][0, 0].pop("upper"), "upper"),
        (lambda model: model["rf"][0, 0]["mbest"].__setitem__((0, 0), 19), "outside 1..18"),
        (lambda model: model["rf"][0, 1]["lDau"].__setitem__((1, 0), 1), "child"),
        (lambda model: model["rf"][0, 1]["rDau"].__setitem__((1, 0), 99), "child"),
        (lambda model: model["rf"][0, 2]["avnode"].__setitem__((0, 0), np.nan), "not finite"),
        (lambda model: model["rf"][0, 2].update(avnode=np.zeros((3, 3))), "shapes"),
    ],
)
def test_a_file_of_another_structure_is_refused(
    tmp_path: Path, content: dict[str, Any], change: Any, words: str
) -> None:
    change(content)
    with pytest.raises(MetricError, match=words):
        load_model(_save(tmp_path / "model.mat", content))


@pytest.mark.parametrize("trees", [0, 1])
def test_a_forest_has_at_least_one_tree(tmp_path: Path, content: dict[str, Any], trees: int) -> None:
    whole = content["rf"][0, 0]
    first = {name: value[:, :trees] if value.shape[-1] == _TREES else value for name, value in whole.items()}
    content["rf"][0, 0] = first | {"ntree": np.float64([[trees]]), "ndtree": whole["ndtree"][:trees]}
    path = _save(tmp_path / "model.mat", content)
    if trees:
        features = np.linspace(0, 3, SIZES[0])
        assert load_model(path).forests[0].predict(features) == pytest.approx(_walk(content["rf"][0, 0], features))
    else:
        with pytest.raises(MetricError, match="for 0 trees"):
            load_model(path)


def test_a_file_without_the_model_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "model.mat", {"other": 1.0})
    with pytest.raises(MetricError, match=r"is not Ma's model\.mat"):
        load_model(tmp_path / "model.mat")


def test_local_features_by_a_direct_transcription(picture: np.ndarray) -> None:
    plane = picture[:31, :26, 0] / 255
    padded = np.zeros((31 + 2 + 2 + 2, 26 + 1 + 2 + 2))
    padded[2:33, 2:28] = plane
    tried = np.arange(0.03, 10.0005, 0.001)
    table = gamma(1 / tried) * gamma(3 / tried) / gamma(2 / tried) ** 2
    shapes, variations, apart = [], [], []
    for row in range(0, 33, 3):
        for column in range(0, 27, 3):
            block = dctn(padded[row : row + 7, column : column + 7], norm="ortho")
            rest = block.ravel()[1:]
            rho = np.var(rest, ddof=1) / (np.mean(np.abs(rest - rest.mean())) ** 2 + 1e-7)
            shapes.append(tried[np.argmin(np.abs(table - rho))])
            variations.append(np.std(np.abs(rest), ddof=1) / (np.mean(np.abs(rest)) + 1e-7))
            flat = np.concatenate([block[0, 1:], block[1, 2:], block[2, 4:], block[3, 5:]])
            steep = np.concatenate([block[1:, 0], block[2:, 1], block[4:, 2], block[5:, 3]])
            slant = [block[1, 1], *block[2, 2:4], *block[3, 2:5], *block[4, 3:], *block[5, 4:], *block[6, 4:]]
            three = [np.std(np.abs(part), ddof=1) / (np.mean(np.abs(part)) + 1e-8) for part in (flat, slant, steep)]
            apart.append(np.var(three, ddof=1))
    count = len(shapes)
    lowest, highest = math.ceil(count * 0.1), int(count * 0.9) - 1
    expected = [np.mean(sorted(shapes)[:lowest]), np.mean(shapes)]
    for values in (variations, apart):
        expected += [np.mean(sorted(values)[highest:]), np.mean(values)]
    np.testing.assert_allclose(local_features(plane), expected, rtol=1e-9)


def test_spatial_features_by_a_direct_transcription(picture: np.ndarray) -> None:
    plane = picture[:43, :52, 0] / 255
    padded = np.zeros((45, 55))
    padded[:43, :52] = plane
    columns = [
        padded[row : row + 5, column : column + 5].ravel() for row in range(0, 45, 5) for column in range(0, 55, 5)
    ]
    eigenvalues = np.linalg.eigvalsh(np.transpose(columns) @ np.array(columns))[::-1]
    np.testing.assert_allclose(spatial_features(plane) ** 2, eigenvalues, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0, 4.0])
def test_the_shape_of_a_generalised_gaussian_is_found(shape: float) -> None:
    samples = 40 * gennorm.rvs(shape, size=200_000, random_state=1)
    assert gaussian_shape(samples[None])[0] == pytest.approx(shape, rel=0.03)
    assert gaussian_shape(np.zeros((1, 9)))[0] == 10


@pytest.mark.parametrize("size", [(64, 96), (61, 97), (64, 97)])
def test_the_pyramid_keeps_the_energy_of_each_frequency(size: tuple[int, int]) -> None:
    height, width = size
    y, x = np.mgrid[:height, :width]
    # Half of the highest frequency along x: wholly in the finest scale.
    cycles = width // 4
    wave = np.cos(2 * np.pi * cycles * x / width)
    pyramid = steerable_pyramid(wave, 2, 6)
    assert [band.shape for band in pyramid.bands] == [
        (6, height, width),
        (6, (height + 1) // 2, (width + 1) // 2),
    ]
    energy = [np.sum(pyramid.high**2), *(np.sum(band**2) for band in pyramid.bands[0])]
    assert sum(energy) == pytest.approx(np.sum(wave**2), rel=0.005)
    assert np.argmax(energy[1:]) == 0  # steered along x
    across = steerable_pyramid(np.cos(2 * np.pi * (height // 4) * y / height), 2, 6)
    assert np.argmax(np.sum(across.bands[0] ** 2, axis=(1, 2))) == 3  # 90 degrees


def test_a_constant_is_in_no_band() -> None:
    pyramid = steerable_pyramid(np.full((50, 40), 9.0), 2, 6)
    assert np.abs(pyramid.high).max() < 1e-12
    assert max(np.abs(band).max() for band in pyramid.bands) < 1e-12


def test_global_features_stand_turning_the_picture(picture: np.ndarray) -> None:
    plane = picture[..., 0].astype(np.float64)
    for family, turned in zip(all_features(plane), all_features(plane[::-1, ::-1]), strict=True):
        np.testing.assert_allclose(family, turned, rtol=0.2, atol=0.1)


def test_refusals(tmp_path: Path, content: dict[str, Any], picture: np.ndarray) -> None:
    model = load_model(_save(tmp_path / "model.mat", content))
    with pytest.raises(MetricError, match="84x84"):
        ma_score(picture[:91, :], model)
    assert np.isfinite(ma_score(picture[:92, :92], model))
    with pytest.raises(MetricError, match="flat"):
        ma_score(np.full((100, 100), 7, np.uint8), model)
