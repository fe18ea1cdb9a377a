"""Scores without torch: the graph against the network and the reference values, patches, maps, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fourpass.conversion.predictors import from_keras
from fourpass.engine.graphs import onnx_scores
from fourpass.errors import BackendError, ImageError, WeightsError
from fourpass.upscaling.score import Score, Scorer, heat_map, patch_places
from fourpass.weights import Metadata, Weights


@pytest.fixture(scope="module")
def reference(references: Path) -> tuple[Weights, dict[str, np.ndarray]]:
    with np.load(references / "nima_subjective.npz") as stored:
        arrays = {key.removeprefix("var:"): stored[key] for key in stored.files if key.startswith("var:")}
        data = {key: stored[key] for key in ("x", "scores")}
    metadata = Metadata("nima", {"width": 0.35}, "subjective-reference", "random", 0, "Apache-2.0")
    return Weights(from_keras(arrays, "reference"), metadata), data


@pytest.fixture(scope="module")
def scorer(reference: tuple[Weights, dict[str, np.ndarray]]) -> Scorer:
    return Scorer(reference[0], threads=1)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_graph_gives_the_reference_scores(reference: tuple[Weights, dict[str, np.ndarray]], backend: str) -> None:
    weights, data = reference
    pytest.importorskip(backend)
    session = Scorer(weights, backend=backend, precision="fp32", threads=1)._session
    image = np.ascontiguousarray((data["x"] * 127.5 + 127.5).transpose(0, 3, 1, 2), np.float32)
    assert np.abs(session.run(image) - data["scores"]).max() < 2e-5


def test_graph_is_the_network_at_any_size_and_batch(reference: tuple[Weights, dict[str, np.ndarray]]) -> None:
    torch = pytest.importorskip("torch")
    from fourpass.models import build

    weights, _ = reference
    session = Scorer(weights, precision="fp32", threads=1)._session
    network = build(weights).eval()
    for shape in ((1, 3, 96, 160), (2, 3, 65, 75)):
        image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)
        with torch.no_grad():
            expected = network(torch.from_numpy(image))[0].numpy()
        assert np.abs(session.run(image) - expected).max() < 1e-4


def test_a_score_is_the_mean_of_its_patches(scorer: Scorer) -> None:
    image = np.random.default_rng(2).integers(0, 256, (200, 300, 3), np.uint8)
    found = scorer.score(image)
    assert found.distribution.sum() == pytest.approx(1, abs=1e-5)
    assert found.mean == pytest.approx(found.patches.mean(), abs=1e-5)
    assert 1 <= found.mean <= 10
    assert found.spread > 0
    row, column, height, width = found.places[1]
    alone = scorer.score(image[row : row + height, column : column + width])
    assert alone.mean == pytest.approx(found.patches[1], abs=1e-4)


def test_gray_and_sixteen_bits_score_as_the_same_picture(scorer: Scorer) -> None:
    gray = np.random.default_rng(3).integers(0, 256, (64, 80), np.uint8)
    expected = scorer.score(np.repeat(gray[..., None], 3, axis=2)).mean
    assert scorer.score(gray).mean == pytest.approx(expected)
    assert scorer.score(gray[..., None].astype(np.uint16) * 257).mean == pytest.approx(expected, abs=1e-4)


def test_scores_through_a_session_of_known_answers() -> None:
    """Of one patch all people say 3, of the other half say 5 and half 7: of both, a half, a quarter and a quarter."""
    answers = np.zeros((2, 10), np.float32)
    answers[0, 2], answers[1, 4], answers[1, 6] = 1, 0.5, 0.5
    scorer = object.__new__(Scorer)
    scorer._session = type("Session", (), {"run": staticmethod(lambda batch: answers[: len(batch)])})()
    found = scorer.score(np.zeros((192, 288, 3), np.uint8))
    assert found.places.tolist() == [[0, 0, 192, 192], [0, 96, 192, 192]]
    assert found.patches.tolist() == [3, 6]
    assert found.mean == pytest.approx(4.5)
    assert found.spread == pytest.approx(np.sqrt((2 * 1.5**2 + 0.5**2 + 2.5**2) / 4))


def test_a_map_by_hand() -> None:
    """One patch at the middle of the scale on black and white: 0.45 of the gray, 0.55 of (235, 235, 150)."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, 20:] = 255
    score = Score(5.0, 1.0, np.full(10, 0.1), np.array([5.0]), np.array([[0, 0, 40, 40]]))
    tinted = heat_map(image, score, 3.0, 7.0)
    assert tinted[7, 3].tolist() == [129, 129, 82]
    assert tinted[7, 33].tolist() == [244, 244, 197]
    assert heat_map(image, score, 6.0, 7.0)[0, 0].tolist() == [99, 16, 22]  # 0.55 of (180, 30, 40), the coldest
    assert heat_map(image, score, 3.0, 4.0)[0, 0].tolist() == [26, 32, 77]  # of (48, 58, 140)


@pytest.mark.parametrize("size", [(192, 192), (100, 500), (33, 40), (1000, 700), (6000, 9000)])
def test_patches_lie_inside_and_reach_every_edge(size: tuple[int, int]) -> None:
    places = patch_places(*size)
    assert len(places) <= 450
    ends = places[:, :2] + places[:, 2:]
    assert places.min() >= 0
    assert ends.max(axis=0).tolist() == list(size)
    assert places[:, :2].min(axis=0).tolist() == [0, 0]
    if max(size) < 2000:
        covered = np.zeros(size, bool)
        for row, column, height, width in places:
            covered[row : row + height, column : column + width] = True
        assert covered.all()


def test_map_is_red_where_scores_are_low() -> None:
    image = np.full((192, 384), 128, np.uint8)
    places = np.array([[0, 0, 192, 192], [0, 192, 192, 192]])
    score = Score(5, 1, np.full(10, 0.1), np.array([3.0, 7.0]), places)
    tinted = heat_map(image, score, 3, 7).astype(int)
    assert tinted.shape == (192, 384, 3)
    assert tinted[96, 60, 0] > tinted[96, 60, 2] + 50
    assert tinted[96, 320, 2] > tinted[96, 320, 0] + 50


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (np.zeros((31, 400, 3), np.uint8), "400x31 pixels are too few"),
        (np.zeros((64, 64, 4), np.uint8), r"shape \(64, 64, 4\)"),
        (np.zeros((64, 64, 3), np.float32), "float32 array"),
    ],
)
def test_refuses_what_is_no_picture(scorer: Scorer, image: np.ndarray, complaint: str) -> None:
    with pytest.raises(ImageError, match=complaint):
        scorer.score(image)


def test_refuses_other_weights_and_backends(reference: tuple[Weights, dict[str, np.ndarray]]) -> None:
    weights, _ = reference
    other = Weights(weights.tensors, Metadata("eusr", {}, "a", "b", 0, "Apache-2.0"))
    with pytest.raises(WeightsError, match="weights of eusr, not of a score predictor"):
        onnx_scores(other)
    short = {name: value for name, value in weights.tensors.items() if name != "dense.bias"}
    with pytest.raises(WeightsError, match=r"lacks the tensor dense\.bias"):
        onnx_scores(Weights(short, weights.metadata))
    with pytest.raises(WeightsError, match="has the tensor odd"):
        onnx_scores(Weights({**weights.tensors, "odd": np.zeros(1, np.float32)}, weights.metadata))
    with pytest.raises(BackendError, match="openvino, ncnn and onnxruntime, not on torch"):
        Scorer(weights, backend="torch")
