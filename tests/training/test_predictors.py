"""The predictors' phase: losses by hand, stages, batches, a short run, and refusals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from fourpass import weights
from fourpass.data.distilled import LADDERS, falling, ladder_kinds, make_crops, make_ladders
from fourpass.data.scored import ScoredPictures, earth_movers_distance, mean_scores
from fourpass.data.tid2013 import Opinion, distribution
from fourpass.errors import ConfigError, DatasetError, WeightsError
from fourpass.models.mobilenet_v1 import NIMAMobileNetV1
from fourpass.models.mobilenet_v2 import MobileNetV2
from fourpass.models.nima import NIMA
from fourpass.training import aesthetic, loop, recipes, subjective
from fourpass.training.predictor_recipes import AestheticRecipe, PredictorRecipe, SubjectiveRecipe
from fourpass.training.predictor_setup import assemble, load_predictor
from fourpass.training.predictors import PredictorTraining, distance, rank_loss
from fourpass.training.subjective import photo_ladders


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A narrow trunk of random weights, in torchvision's names."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_file({name: value.numpy() for name, value in MobileNetV2(0.1).state_dict().items()}, file)
    return str(file)


def pictures(count: int = 12) -> ScoredPictures:
    """Flat pictures, the brighter the better."""
    scores = np.linspace(2, 8, count)
    shares = np.stack([distribution(score - 1, 0.6) for score in scores])
    images = [np.full((200, 210, 3), 20 * index, np.uint8) for index in range(count)]
    return ScoredPictures([f"p{index}" for index in range(count)], shares, scores, images.__getitem__)


def recipe(trunk: str, **settings: object) -> PredictorRecipe:
    defaults = {
        "trunk": trunk,
        "width": 0.1,
        "head_epochs": 4,
        "head_batch": 6,
        "epochs": 2,
        "batch": 3,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "validate_every": 0,
        "log_every": 1,
    }
    return recipes.build(PredictorRecipe, {**defaults, **settings})


def phase(trunk: str, **settings: object) -> PredictorTraining:
    return assemble(
        "subjective", recipe(trunk, **settings), pictures(), pictures(6), data="t", device="cpu", report=lambda _: None
    )


def test_distances_by_hand() -> None:
    a, b = np.zeros((1, 10), np.float32), np.zeros((1, 10), np.float32)
    a[0, 2] = b[0, 5] = 1  # cumulated shares differ by 1 at three scores
    assert float(distance(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(3)
    assert float(distance(torch.from_numpy(a), torch.from_numpy(b), "root")) == pytest.approx(0.3**0.5)
    assert earth_movers_distance(a, b, squared=True).tolist() == pytest.approx([3])
    assert earth_movers_distance(a, b).tolist() == pytest.approx([0.3**0.5])
    assert mean_scores(a).tolist() == [3]
    assert torch.isfinite(distance(torch.from_numpy(a), torch.from_numpy(a), "root"))


def test_rank_loss_by_hand() -> None:
    scores = torch.tensor([[5.0, 4.0, 3.98], [5.0, 5.2, 1.0]])  # short by 0, 0.03; 0.25, 0
    assert float(rank_loss(scores, 0.05)) == pytest.approx(0.28 / 4)


def test_ladders_are_ranked_beside_the_batch(trunk: str) -> None:
    with pytest.raises(ConfigError, match="ranked_ladders is 2, but the training pictures hold no ladder"):
        phase(trunk, ranked_ladders=2)
    ladders = np.array([[9, 6, 3], [8, 5, 2]])
    training = dataclasses.replace(pictures(), ladders=ladders)
    joined = pictures(4).joined(training)
    assert joined.ladders.tolist() == (ladders + 4).tolist()
    assert joined.joined(pictures(4)).ladders.tolist() == (ladders + 4).tolist()

    chosen = recipe(trunk, ranked_ladders=2, rank_weight=0.5)
    made = assemble("subjective", chosen, training, pictures(6), data="t", device="cpu", report=lambda _: None)
    assert made.batch(0, (0, 0)).ranked == 0  # the last layer learns from its batch alone
    batch = made.batch(made.head_steps, (0, 1))
    assert batch.ranked == 6
    assert batch.crops is not None
    shades = batch.crops[-6:, 0, 0, 0].reshape(2, 3).tolist()
    assert all(row in [[180, 120, 60], [160, 100, 40]] for row in shades)


def test_every_picture_has_its_turn_once_an_epoch(trunk: str) -> None:
    training = phase(trunk)
    assert training.head_steps == 8
    assert training.recipe.steps == 16
    for steps in (range(2), range(2, 4), range(8, 12), range(12, 16)):
        batches = [training.batch(step, (0, 0, step)) for step in steps]
        assert all(batch.head == (steps.start < 8) for batch in batches)
        rows = np.concatenate([batch.distributions for batch in batches])
        assert sorted(mean_scores(rows)) == pytest.approx(sorted(mean_scores(pictures().distributions)))
    first, again = training.batch(9, (0, 0, 9)), training.batch(9, (0, 0, 9))
    assert first.crops is not None
    assert again.crops is not None
    assert np.array_equal(first.crops, again.crops)


@pytest.mark.parametrize("head_crops", [0, 2])
def test_the_first_stage_moves_the_last_layer_alone(trunk: str, tmp_path: Path, head_crops: int) -> None:
    training = phase(trunk, steps=8, head_crops=head_crops)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    loop.train(training, tmp_path)
    for name, value in training.network.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("dense")


@pytest.mark.parametrize(("batch_norm", "moves"), [("batch", True), ("fixed", False)])
def test_the_second_stage_moves_all_but_what_is_frozen(
    trunk: str, tmp_path: Path, batch_norm: str, moves: bool
) -> None:
    training = phase(trunk, head_epochs=0, epochs=1, frozen_layers=2, batch_norm=batch_norm)
    before = {name: value.clone() for name, value in training.network.state_dict().items()}
    loop.train(training, tmp_path)
    after = training.network.state_dict()
    assert all(
        torch.equal(after[n], before[n]) for n in after if n.startswith(("trunk.features.0.", "trunk.features.1."))
    )
    for name in ("trunk.features.2.conv.0.0.weight", "trunk.features.18.0.weight", "dense.weight"):
        assert not torch.equal(after[name], before[name])
    assert torch.equal(after["trunk.features.18.1.running_mean"], before["trunk.features.18.1.running_mean"]) != moves


def test_learns_and_ships_what_it_learnt(trunk: str, tmp_path: Path) -> None:
    training = phase(
        trunk, head_epochs=100, head_batch=12, head_crops=1, head_learning_rate=0.1, epochs=0, validate_every=50
    )
    training.network.eval()
    untrained = training.validate()
    training.network.train()
    outcome = loop.train(training, tmp_path)
    training.network.eval()
    trained = training.validate()
    assert outcome.reason == "finished"
    assert trained["emd"] < untrained["emd"]
    assert trained["srocc"] > 0.9
    assert trained["score"] == trained["srocc"]
    stored = weights.load(tmp_path / "best.safetensors")
    assert stored.metadata.architecture == "nima"
    assert stored.metadata.lineage.startswith("subjective-")
    network = load_predictor(str(tmp_path / "best.safetensors"), "subjective")
    assert isinstance(network, NIMA)
    assert not network.training
    with pytest.raises(WeightsError, match="predicts subjective scores, but a predictor of aesthetic scores is needed"):
        load_predictor(str(tmp_path / "best.safetensors"), "aesthetic")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    metadata = weights.Metadata("eusr", {}, "a", "b", 0, "Apache-2.0")
    weights.save(weights.Weights({"x": np.zeros(1, np.float32)}, metadata), tmp_path / "eusr.safetensors")
    with pytest.raises(WeightsError, match="weights of eusr, not of a score predictor"):
        load_predictor(str(tmp_path / "eusr.safetensors"), "subjective")


def test_unreadable_pictures_are_reported_by_validation(trunk: str) -> None:
    lines: list[str] = []
    good = pictures(6)

    def read(index: int) -> np.ndarray:
        if index == 2:
            raise DatasetError("p2: cut short")
        return good.read(index)

    broken = dataclasses.replace(good, read=read, skipped={})
    training = assemble("aesthetic", recipe(trunk), good, broken, data="t", device="cpu", report=lines.append)
    training.network.eval()
    numbers = training.validate()
    assert numbers["skipped"] == 1
    assert numbers["score"] == -numbers["emd"]
    assert lines == ["1 pictures left out so far, p2 the first: p2: cut short"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"loss": "cubed"}, "loss 'cubed' is not one of squared, root"),
        ({"batch_norm": "none"}, "batch_norm 'none'"),
        ({"head_epochs": 0, "epochs": 0}, "nothing to train"),
        ({"frozen_layers": 20}, "MobileNetV2 has 19"),
        ({"dropout": 1.0}, "dropout 1.0 is not below 1"),
        ({"colour": 1}, "unknown key 'colour'"),
    ],
)
def test_recipes_are_checked(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        recipes.build(SubjectiveRecipe, settings)


@pytest.mark.parametrize("size", ["paper", "cpu", "tiny"])
def test_recipes_that_ship_are_valid(size: str) -> None:
    folder = Path(__file__).parents[2] / "recipes" / size
    for file in folder.glob("aesthetic*.toml"):
        recipes.load(AestheticRecipe, file)
    for file in folder.glob("subjective*.toml"):
        recipes.load(SubjectiveRecipe, file)
    assert (folder / "aesthetic.toml").is_file()
    assert (folder / "subjective.toml").is_file()


def test_the_papers_numbers_are_the_defaults() -> None:
    one, other = recipes.build(AestheticRecipe, {}), recipes.build(SubjectiveRecipe, {})
    assert (one.head_epochs, one.epochs, other.head_epochs, other.epochs) == (5, 5, 100, 100)
    for each in (one, other):
        assert (each.head_batch, each.head_learning_rate, each.batch, each.learning_rate) == (128, 1e-3, 32, 1e-5)
        assert (each.dropout, each.loss, each.batch_norm, each.schedule) == (0.75, "squared", "batch", "constant")


def test_distils_from_a_teacher_without_mixing_photos(trunk: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(3):
        noise = random.integers(0, 60, (230, 240, 3), np.uint8)
        Image.fromarray(noise + np.uint8(60 * index)).save(tmp_path / "photos" / f"{index}.png")
    Image.new("RGB", (50, 50)).save(tmp_path / "photos" / "small.png")
    (tmp_path / "photos" / "torn.png").write_bytes((tmp_path / "photos" / "0.png").read_bytes()[:500])
    torch.manual_seed(1)
    teacher = {name: value.numpy() for name, value in NIMAMobileNetV1().state_dict().items()}
    save_file(teacher, tmp_path / "teacher.safetensors")
    settings = {"teacher": str(tmp_path / "teacher.safetensors"), "crops": 10, "trunk": trunk, "width": 0.1}
    lines: list[str] = []
    arguments = {"cache": tmp_path / "cache", "device": "cpu", "report": lines.append}
    chosen = recipes.build(AestheticRecipe, settings)
    training = aesthetic.prepare(chosen, [tmp_path / "photos"], **arguments)
    assert (len(training.training), len(training.validation)) == (10, 1)
    assert np.allclose(training.training.distributions.sum(axis=1), 1, atol=1e-5)
    assert any("small.png: 50x50 pixels, below" in line for line in lines)
    assert any("torn.png" in line for line in lines)
    lines.clear()
    again = aesthetic.prepare(chosen, [tmp_path / "photos"], **arguments)
    assert not lines  # all from the cache
    assert np.array_equal(again.training.distributions, training.training.distributions)
    with_ladders = dataclasses.replace(chosen, ladders=2)
    training = aesthetic.prepare(with_ladders, [tmp_path / "photos"], **arguments)
    assert len(training.training) == 10 + 2 * 6
    assert training.training.crop(21).shape == (192, 192, 3)


def test_ladders_fall_and_keep_what_falls_already() -> None:
    means = np.array([[5.0, 4.5, 4.6, 4.59, 3.0, 3.5], [5.0, 4.8, 4.6, 4.4, 4.2, 4.0]])
    ladders = np.stack([[distribution(mean - 1, 1.2) for mean in row] for row in means])
    made = falling(ladders, 0.05)
    scores = np.stack([mean_scores(row) for row in made])
    before = np.stack([mean_scores(row) for row in ladders])
    assert (np.diff(scores, axis=1) < -0.0499).all()
    assert np.allclose(made.sum(axis=2), 1, atol=1e-6)
    assert np.allclose(made[1], ladders[1], atol=1e-6)
    assert np.allclose(made[0, [0, 1, 4]], ladders[0, [0, 1, 4]], atol=1e-6)
    assert scores[0, 2] == pytest.approx(before[0, 1] - 0.05, abs=1e-4)
    assert scores[0, 5] == pytest.approx(before[0, 4] - 0.05, abs=1e-4)


def test_ladders_hold_one_crop_and_five_levels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (260, 260, 3), np.uint8)
    Image.fromarray(noise).resize((520, 520)).save(tmp_path / "a.png")
    ladders = make_ladders([tmp_path / "a.png"], 3, 0)
    assert ladders.shape == (3, 6, 192, 192, 3)
    for ladder in ladders.astype(float):
        errors = [np.mean((rung - ladder[0]) ** 2) for rung in ladder]
        assert errors[0] == 0
        assert errors == sorted(errors)


def test_photos_are_learnt_from_with_the_mean_score_of_type_and_level(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 240, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    opinions = [
        Opinion(reference, kind, level, 7 - level + 0.01 * kind + 0.2 * (reference - 4), 0.1)
        for reference in (4, 6)
        for kind in range(1, 25)
        for level in range(1, 6)
    ]
    chosen = recipes.build(SubjectiveRecipe, {"ladders": 2, "clean_score": 6.9, "least_deviation": 0.6, "seed": 2})
    found = photo_ladders(chosen, [tmp_path / "a.png"], opinions, tmp_path / "cache", lambda _: None)
    kinds = ladder_kinds(2, 2, [*(8 * LADDERS), *range(1, 25)])
    expected = [score for kind in kinds for score in (7.9, *(8.2 - level + 0.01 * kind for level in range(1, 6)))]
    assert found.scores.tolist() == pytest.approx(expected)
    assert mean_scores(found.distributions) == pytest.approx(expected, abs=0.02)
    assert found.crop(11).shape == (192, 192, 3)
    falling = [6 * index for index, kind in enumerate(kinds) if kind in LADDERS]
    assert found.ladders.tolist() == [list(range(first, first + 6)) for first in falling]


def test_crops_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of 0 photos"):
        make_crops([], 3, 0)


def test_phases_refuse_what_they_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 data folders, but the subjective predictor takes one, TID2013"):
        subjective.prepare(recipes.build(SubjectiveRecipe, {}), [tmp_path, tmp_path])
    with pytest.raises(ConfigError, match=r"1 data folders, but .* two, TID2013 and photos"):
        subjective.prepare(recipes.build(SubjectiveRecipe, {"ladders": 1}), [tmp_path])
    with pytest.raises(ConfigError, match="takes no validation folder"):
        aesthetic.prepare(recipes.build(AestheticRecipe, {}), [tmp_path], validation=tmp_path)
    with pytest.raises(ConfigError, match="AVA is a single folder"):
        aesthetic.prepare(recipes.build(AestheticRecipe, {}), [tmp_path, tmp_path])
    with pytest.raises(DatasetError, match="TID2013's layout is"):
        subjective.prepare(recipes.build(SubjectiveRecipe, {}), [tmp_path / "absent"])
