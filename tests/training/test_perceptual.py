"""The perceptual phase: its recipe, its batches, its two updates, its guards, and a run through the loop."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
import torch

from fourpass import weights
from fourpass.data.training_images import load_pictures
from fourpass.data.wear import Wear
from fourpass.errors import ConfigError, FourpassError, WeightsError
from fourpass.imaging.resize import imresize
from fourpass.models.eusr import EUSR
from fourpass.models.nima import NIMA
from fourpass.paths import PATHS
from fourpass.training import loop, recipes
from fourpass.training.gradients import weighted_gradients
from fourpass.training.guards import Guards
from fourpass.training.perceptual import PerceptualTraining, _cut_together, colour_drift, prepare, reduced
from fourpass.training.perceptual_recipe import PerceptualRecipe

ROOT = Path(__file__).parents[2]
NUMBERS = {"features": 4, "shared_blocks": 1, "upscale_blocks": 1, "scales": [2, 4, 8]}
SMALL: dict[str, Any] = {
    "patch": 8,
    "batch": 2,
    "discriminator_width": 0.1,
    "discriminator_layers": 4,
    "verdict": "position",
    "representation": "mean",
    "learning_rate": 1e-3,
    "discriminator_learning_rate": 1e-3,
    "precision": "fp32",
    "steps": 4,
    "log_every": 2,
    "validate_every": 0,
    "checkpoint_every": 2,
    "ema": 0.5,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(3)
    for number in range(3):
        blobs = rng.integers(0, 256, (28, 24, 3)).astype(np.uint8)
        picture = np.clip(imresize(blobs, 8).astype(float) + rng.normal(0, 6, (224, 192, 3)), 0, 255).astype(np.uint8)
        pyvips.Image.new_from_array(picture).write_to_file(str(folder / f"{number}.png"))
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files of a small EUSR and of two small predictors."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    files = {}
    for name, network, architecture, numbers in (
        ("init", EUSR(4, 1), "eusr", NUMBERS),
        ("aesthetic", NIMA(0.35), "nima", {"width": 0.35}),
        ("subjective", NIMA(0.35), "nima", {"width": 0.35}),
    ):
        state = {key: value.numpy() for key, value in network.state_dict().items()}
        metadata = weights.Metadata(architecture, numbers, f"test-{name}", "noise", 7, "Apache-2.0")
        files[name] = str(folder / f"{name}.safetensors")
        weights.save(weights.Weights(state, metadata), files[name], half=False)
    return files


@pytest.fixture
def make(photos: Path, start: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    def build(validation: Path | None = None, **settings: Any) -> PerceptualTraining:
        recipe = PerceptualRecipe(**{**SMALL, **start, **settings})
        cache = photos.parent / "cache"
        return prepare(recipe, [photos], validation=validation, cache=cache, device="cpu", report=lambda line: None)

    return build


def one_step(phase: PerceptualTraining, step: int = 0) -> dict[str, torch.Tensor]:
    return phase.step(phase.batch(step, (0, 0, step)), loop.Tools(phase))


def test_defaults_are_the_papers() -> None:
    recipe = recipes.load(PerceptualRecipe, ROOT / "recipes" / "paper" / "perceptual.toml")
    assert recipe == PerceptualRecipe()
    assert (recipe.steps, recipe.batch, recipe.patch) == (200_000, 2, 48)
    assert (recipe.learning_rate, recipe.discriminator_learning_rate) == (1e-5, 2e-5)
    assert list(recipe.loss_weights.values()) == [0.03, 0.1, 0.01, 0.1, 0.01, 0.1, 0.0, 0.0, 0.0]
    assert (recipe.alpha_aesthetic, recipe.alpha_subjective, recipe.paths_per_step) == (0.8, 0.8, 3)


def test_the_authors_program() -> None:
    recipe = recipes.load(PerceptualRecipe, ROOT / "recipes" / "authors" / "perceptual.toml")
    assert recipe == PerceptualRecipe(
        steps=400_000,
        weight_reconstruction=0.05,
        representation="mean",
        verdict="position",
        downscale="decimate",
        draw="picture",
    )
    published = recipes.load(PerceptualRecipe, ROOT / "recipes" / "cpu" / "published" / "perceptual.toml")
    assert published.loss_weights == recipe.loss_weights
    assert (published.representation, published.path_odds, published.grain) == ("mean", (1.0, 1.0, 1.0), 0.0)


def test_the_last_third_has_patches_of_the_size_that_the_predictors_know(make: Any) -> None:
    phase = make(steps=9, late_share=1 / 3, late_patch=16, late_batch=1)
    shapes = [phase.batch(step, (0, 0, step)).truth.shape for step in range(9)]
    assert shapes == 6 * [(2, 3, 32, 32)] + 3 * [(1, 3, 64, 64)]
    assert torch.isfinite(one_step(phase, 8)["loss"])
    recipe = recipes.load(PerceptualRecipe, ROOT / "recipes" / "cpu" / "published" / "perceptual.toml")
    assert [recipe.patch_at(step) for step in (0, 3299, 3300, 4999)] == [(24, 4), (24, 4), (48, 2), (48, 2)]


@pytest.mark.parametrize(
    "file", sorted(ROOT.glob("recipes/**/perceptual.toml")) + sorted(ROOT.glob("recipes/*/ablation/*"))
)
def test_recipes_are_whole(file: Path) -> None:
    recipes.load(PerceptualRecipe, file)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"verdict": "jury"}, "verdict 'jury' is not one of image, position"),
        ({"patch": 20}, "patch 20 is not a positive multiple of 8"),
        ({"path_odds": (1.0, 0.0, 0.0)}, "at least paths_per_step = 3"),
        ({"reduced_share": 1.5}, "reduced_share 1.5 is not within"),
        ({"discriminator_layers": 5}, "discriminator_layers 5 is not an even number"),
        ({"init": ""}, "init is ''"),
        (
            {"late_share": 0.5, "patch": 24},
            "late_share needs a run limited by steps, not hours, and verdict 'position'",
        ),
        (
            {"late_share": 0.5, "patch": 24, "verdict": "position", "hours": 2.0},
            "late_share needs a run limited by steps",
        ),
        ({"late_patch": 12}, "late_patch 12 is not a positive multiple of 8"),
        ({"draw": "size"}, "draw 'size' is not one of area, picture"),
        ({"momentum": 1.0}, "momentum 1.0 is not below 1"),
        ({"jitter": 5, "verdict": "position"}, "jitter 5 is not a multiple of 8"),
        ({"jitter": 8}, "jitter 8 is not .* with verdict 'position'"),
        ({"jitter": 8, "patch": 8, "verdict": "position"}, "jitter 8 is not .* leaves 32 pixels of four times patch 8"),
        ({"map_layers": (3, 19)}, r"map_layers \[3, 19\] must be chosen from MobileNetV2's"),
        ({"grain": -0.5}, "grain = -0.5 is negative"),
        ({"weight_adversarial": -1.0}, "weight_adversarial = -1.0 is negative"),
    ],
)
def test_bad_recipes(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        PerceptualRecipe(**settings)


@pytest.mark.parametrize("kind", ["authors", "paper", "cpu"])
def test_ablations_change_what_they_are_named_for_and_nothing_else(kind: str) -> None:
    everything = recipes.load(PerceptualRecipe, ROOT / "recipes" / kind / "ablation" / "all_losses.toml")
    assert everything.loss_weights["reconstruction"] == 0.03
    assert {everything.loss_weights[name] for name in ("statistics", "maps")} == {0.0}
    assert everything.steps == {"authors": 400_000, "paper": 200_000, "cpu": 4_000}[kind]
    changes = {
        "without_l_r": {"weight_reconstruction": 0.0},
        "without_l_g": {"weight_adversarial": 0.0},
        "without_l_as_l_ar": {"weight_aesthetic_score": 0.0, "weight_aesthetic_representation": 0.0},
        "without_l_ss_l_sr": {"weight_subjective_score": 0.0, "weight_subjective_representation": 0.0},
        "alpha_r_0.3": {"weight_reconstruction": 0.3},
        "alpha_r_0.003": {"weight_reconstruction": 0.003},
    }
    for name, change in changes.items():
        assert recipes.load(PerceptualRecipe, ROOT / "recipes" / kind / "ablation" / f"{name}.toml") == replace(
            everything, **change
        )


def test_reduced_pictures_pair_x8_with_x2(photos: Path) -> None:
    picture = load_pictures(sorted(photos.iterdir()), (2, 4, 8), cache=photos.parent / "cache")[0]
    pair = reduced(picture)
    assert pair.high.shape == (112, 96, 3)
    assert pair.low[4].shape == (28, 24, 3)
    np.testing.assert_array_equal(pair.low[4], imresize(np.asarray(picture.high), 1 / 8))
    assert pair.gradient.shape == (15, 13)
    assert pair.gradient[-1, -1] == pytest.approx(picture.gradient[-1, -1] / 4)


def test_batches_are_drawn_from_the_seed_alone(make: Any) -> None:
    phase = make(paths_per_step=1, batch=3)
    first, again = phase.batch(5, (0, 0, 5)), phase.batch(5, (0, 0, 5))
    np.testing.assert_array_equal(first.low, again.low)
    assert first.low.shape == (3, 3, 8, 8)
    assert first.truth.shape == (3, 3, 32, 32)
    drawn = {phase.batch(step, (0, 0, step)).paths for step in range(30)}
    assert drawn == {(path,) for path in PATHS}


def test_flat_patches_show_one_colour(make: Any) -> None:
    batch = make(flat_share=1.0).batch(0, (0, 0, 0))
    for low, truth in zip(batch.low, batch.truth, strict=True):
        assert (low == low[:, :1, :1]).all()
        assert (truth == low[:, :1, :1]).all()


def test_a_step_moves_both_networks_and_reports_every_term(make: Any) -> None:
    phase = make()
    before = {name: [p.clone() for p in network.parameters()] for name, network in phase.networks.items()}
    values = one_step(phase)
    assert {
        "loss",
        "reconstruction",
        "adversarial",
        "aesthetic_score",
        "aesthetic_representation",
        "subjective_score",
        "subjective_representation",
        "discrimination",
        "accuracy",
        "drift",
    } == set(values)
    for name, network in phase.networks.items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], network.parameters(), strict=True)), name


def test_the_loss_is_the_weighted_sum(make: Any) -> None:
    phase = make()
    values = one_step(phase)
    total = sum(weight * float(values[name]) for name, weight in phase.recipe.loss_weights.items() if weight)
    assert float(values["loss"]) == pytest.approx(total, rel=1e-5)


def test_a_grid_costs_where_it_has_a_weight(make: Any) -> None:
    values = one_step(make())
    costly = one_step(make(weight_grid=0.5))
    assert "grid" not in values
    assert float(costly["loss"] - values["loss"]) == pytest.approx(0.5 * float(costly["grid"]), rel=1e-3)
    assert float(costly["grid"]) > 0


def test_statistics_cost_where_they_have_a_weight(make: Any) -> None:
    values = one_step(make())
    phase = make(weight_statistics=0.01)
    costly = one_step(phase)
    assert "statistics" not in values
    assert float(costly["loss"] - values["loss"]) == pytest.approx(0.01 * float(costly["statistics"]), rel=1e-3)
    assert float(phase.networks["statistics"].bias.norm()) > 0
    assert set(phase.optimizers) == {"generator", "discriminator"}


def test_grain_lies_on_all_but_flat_patches(make: Any) -> None:
    plain, grained = (make(grain=level, batch=8).batch(3, (1, 0, 3)) for level in (0.0, 4.0))
    levels = (grained.truth.astype(float) - plain.truth).std((1, 2, 3))
    assert 0.5 < levels.mean() < 7
    assert len(set(levels.round(2))) == 8
    assert (grained.low.astype(float) - plain.low).std() < levels.mean() / 2
    flat = make(grain=4.0, flat_share=1.0).batch(3, (1, 0, 3))
    assert flat.truth.reshape(2, 3, -1).std(2).max() == 0


def test_wear_lies_on_the_inputs_alone(make: Any) -> None:
    plain = make(grain=2.0, flat_share=0.3, batch=8).batch(3, (1, 0, 3))
    worn = make(grain=2.0, flat_share=0.3, batch=8, wear=Wear(clean=0.0, saved=1.0)).batch(3, (1, 0, 3))
    again = make(grain=2.0, flat_share=0.3, batch=8, wear=Wear(clean=0.0, saved=1.0)).batch(3, (1, 0, 3))
    assert worn.low.shape == plain.low.shape
    assert worn.truth.shape == plain.truth.shape
    np.testing.assert_array_equal(worn.low, again.low)
    flat = plain.truth.reshape(8, -1).std(1) == 0
    np.testing.assert_array_equal(worn.truth[flat], plain.truth[flat])
    assert (
        np.abs(worn.truth.astype(float) - plain.truth).mean() < 4
    )  # the margin has its own grain, so it is drawn anew
    assert (worn.low != plain.low).any((1, 2, 3)).all()


def test_maps_cost_where_they_have_a_weight(make: Any) -> None:
    """Also where the predictor serves for nothing else."""
    nothing = {"weight_subjective_score": 0.0, "weight_subjective_representation": 0.0}
    values = one_step(make(**nothing))
    phase = make(**nothing, weight_maps=0.5, map_layers=(1, 2))
    costly = one_step(phase)
    assert float(costly["loss"] - values["loss"]) == pytest.approx(0.5 * float(costly["maps"]), rel=1e-3)
    assert float(costly["maps"]) > 0


def test_jitter_cuts_truth_and_upscaled_alike(make: Any) -> None:
    low = torch.arange(40.0).expand(1, 1, 40, 40) + 100 * torch.arange(40.0)[:, None]
    first, second = _cut_together([low, 2 * low], 8, (0, 0, 5))
    assert first.shape == (1, 1, 32, 32)
    assert torch.equal(second, 2 * first)
    places = {float(_cut_together([low], 8, (0, 0, step))[0][0, 0, 0, 0]) for step in range(600)}
    assert len(places) == 64
    assert max(places) == 707
    assert torch.isfinite(one_step(make(jitter=8, patch=16))["loss"])


@pytest.mark.parametrize("verdict", ["image", "position"])
def test_a_comparing_discriminator(make: Any, verdict: str) -> None:
    """It has its own loss, learns from pairs, and its steadiness is asked for where that has a weight."""
    values = {}
    for relativistic, steadiness in ((False, 0.0), (True, 0.0), (True, 5.0)):
        phase = make(relativistic=relativistic, weight_steadiness=steadiness, verdict=verdict, view="detail")
        before = [p.clone() for p in phase.networks["discriminator"].parameters()]
        values[relativistic, steadiness] = one_step(phase)
        after = phase.networks["discriminator"].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    apart, compared, steady = values.values()
    assert 0.3 < float(compared["discrimination"]) / float(apart["discrimination"]) < 0.7  # one softplus for two
    assert "unsteadiness" not in compared
    assert float(steady["unsteadiness"]) > 0
    assert float(steady["discrimination"]) == float(compared["discrimination"])
    assert float(steady["adversarial"]) != float(compared["adversarial"])


@pytest.mark.parametrize(("rest_above", "learns"), [(0.0, True), (1e-9, False), (1.0, True)])
def test_a_discriminator_that_is_right_rests(make: Any, rest_above: float, learns: bool) -> None:
    phase = make(rest_above=rest_above, discriminator_warm_up=1)
    before = [p.clone() for p in phase.networks["discriminator"].parameters()]
    assert 0 < float(one_step(phase)["accuracy"]) <= 1
    after = phase.networks["discriminator"].parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == learns


def test_processes_rest_together(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the share of all processes that counts: one that updated alone would wait for the others for ever."""
    for share, learns in ((0.9, False), (0.1, True)):
        phase = make(rest_above=0.5, discriminator_warm_up=1)
        before = [p.clone() for p in phase.networks["discriminator"].parameters()]
        monkeypatch.setattr("fourpass.training.distributed.mean", lambda values, share=share: torch.tensor(share))
        phase.step(phase.batch(0, (0, 0, 0)), loop.Tools(phase))
        after = phase.networks["discriminator"].parameters()
        assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True)) == learns


def test_the_generator_waits_while_the_discriminator_warms_up(make: Any) -> None:
    phase = make(discriminator_warm_up=1)
    before = {name: [p.clone() for p in network.parameters()] for name, network in phase.networks.items()}
    one_step(phase)
    moved = {
        name: any(not torch.equal(a, b) for a, b in zip(before[name], network.parameters(), strict=True))
        for name, network in phase.networks.items()
    }
    assert moved == {"generator": False, "discriminator": True}


def test_no_weight_no_network(make: Any) -> None:
    phase = make(
        weight_adversarial=0.0,
        weight_aesthetic_score=0.0,
        weight_aesthetic_representation=0.0,
        aesthetic="no such file",
    )
    assert set(phase.networks) == {"generator"}
    assert not phase.batch(0, (0, 0, 0)).generator_waits
    assert set(phase.predictors) == {"subjective"}
    assert "adversarial" not in one_step(phase)


def test_predictors_are_frozen_and_in_evaluation_mode(make: Any) -> None:
    for network in make().predictors.values():
        assert not network.training
        assert not any(parameter.requires_grad for parameter in network.parameters())


def test_frozen_parts_keep_their_weights(make: Any) -> None:
    phase = make(frozen=("first_conv", "initial_blocks", "shared"), paths_per_step=1, path_odds=(1.0, 0.0, 0.0))
    before = {name: value.clone() for name, value in phase.networks["generator"].state_dict().items()}
    one_step(phase)
    moved = {
        name for name, value in phase.networks["generator"].state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved
    assert all(name.startswith(("upscaling.x4", "final_conv.x4")) for name in moved)
    with pytest.raises(ConfigError, match="'trunk' is not one of the network's parts: first_conv, initial_blocks"):
        make(frozen=("trunk",))


def test_other_networks_weights_are_refused(make: Any, start: dict[str, str]) -> None:
    with pytest.raises(WeightsError, match="weights of eusr, not of a score predictor"):
        make(aesthetic=start["init"])
    with pytest.raises(WeightsError, match="weights of nima that lack x2, x4 or x8; this phase starts from eusr"):
        make(init=start["aesthetic"])


def test_any_network_with_the_three_scales_can_be_trained(make: Any, tmp_path: Path) -> None:
    from fourpass.models.swift import Swift

    torch.manual_seed(2)
    for scales, name in (((2, 4, 8), "whole"), ((2, 4), "lacking")):
        state = {key: value.numpy() for key, value in Swift(4, 1, scales).state_dict().items()}
        numbers = {"features": 4, "blocks": 1, "scales": list(scales)}
        metadata = weights.Metadata("swift", numbers, "test-swift", "noise", 7, "Apache-2.0")
        weights.save(weights.Weights(state, metadata), tmp_path / f"{name}.safetensors", half=False)
    phase = make(init=str(tmp_path / "whole.safetensors"))
    before = {name: value.clone() for name, value in phase.networks["generator"].state_dict().items()}
    assert np.isfinite(float(one_step(phase)["loss"]))
    after = phase.networks["generator"].state_dict()
    assert all(
        (after[f"final_conv.{scale}.weight"] != before[f"final_conv.{scale}.weight"]).any()
        for scale in ("x2", "x4", "x8")
    )
    with pytest.raises(WeightsError, match="weights of swift that lack x2, x4 or x8"):
        make(init=str(tmp_path / "lacking.safetensors"))


def test_a_predictor_of_the_other_kind_is_refused(make: Any, start: dict[str, str], tmp_path: Path) -> None:
    stored = weights.load(start["subjective"])
    relabelled = dataclasses.replace(stored.metadata, lineage="subjective-1")
    weights.save(weights.Weights(stored.tensors, relabelled), tmp_path / "other.safetensors", half=False)
    with pytest.raises(WeightsError, match="predicts subjective scores, but a predictor of aesthetic scores is needed"):
        make(aesthetic=str(tmp_path / "other.safetensors"))


def test_guards_speak_after_their_steps_and_start_afresh() -> None:
    guards = Guards(3, accuracy_limit=0.9, drift_limit=2.0)
    good = {"accuracy": torch.tensor(0.8), "drift": torch.tensor(1.0)}
    won = {"accuracy": torch.tensor(1.0), "drift": torch.tensor(1.0)}
    guards.watch(won)
    guards.watch(won)
    with pytest.raises(loop.CollapseError, match=r"mean accuracy of 3 steps is 1, above accuracy_limit 0\.9"):
        guards.watch(won)
    for _ in range(5):
        guards.watch(good)
    with pytest.raises(loop.CollapseError, match="mean drift of 3 steps is 3"):
        guards.watch({**good, "drift": torch.tensor(9.0)})


def test_colour_drift_by_hand() -> None:
    low = torch.zeros(1, 3, 2, 2)
    upscaled = torch.zeros(1, 3, 8, 8)
    upscaled[:, 0] = 6
    assert colour_drift(upscaled, low).item() == 2.0


def test_a_run_goes_on_and_its_weights_are_relatives(
    make: Any, start: dict[str, str], tmp_path: Path, photos: Path
) -> None:
    validation = tmp_path / "validation"
    validation.mkdir()
    (validation / "0.png").write_bytes((photos / "0.png").read_bytes())
    out = tmp_path / "run"
    extras = {"validate_every": 2, "weight_statistics": 0.01, "grain": 2.0}
    first = loop.train(make(validation, steps=2, **extras), out)
    second = loop.train(make(validation, **extras), out)
    unbroken = loop.train(make(validation, **extras), tmp_path / "unbroken")
    assert (first.step, second.step, unbroken.step) == (2, 4, 4)
    ours, theirs = weights.load(out / "last.safetensors"), weights.load(tmp_path / "unbroken" / "last.safetensors")
    assert ours.sha256 == theirs.sha256
    assert ours.metadata.lineage == "test-init"
    assert ours.metadata.steps == 7 + 4
    weights.interpolate(weights.load(start["init"]), ours, 0.3)
    log = (out / "log.jsonl").read_text()
    for word in ("psnr", "ssim", "niqe", "lr_psnr", "accuracy", "subjective_score"):
        assert f'"{word}"' in log
    assert list((out / "samples").rglob("*.png"))


def test_a_run_that_drifts_for_good_gives_up(make: Any, tmp_path: Path) -> None:
    phase = make(guard_steps=1, drift_limit=1e-6, rollbacks=1)
    with pytest.raises(FourpassError, match=r"collapsed at step 1 \(mean drift of 1 steps.*, after 1 rollbacks"):
        loop.train(phase, tmp_path / "run")
    assert '"event": "rollback"' in (tmp_path / "run" / "log.jsonl").read_text()


def test_gradients_of_the_terms_by_hand(make: Any) -> None:
    """A mean of absolute differences has the same slope, weight / count, on every value: norm weight / sqrt(count)."""
    phase = make(weight_adversarial=0.0, weight_reconstruction=0.05)
    found = weighted_gradients(phase)
    assert list(found) == [name for name, weight in phase.recipe.loss_weights.items() if weight]
    assert found["reconstruction"] == pytest.approx(0.05 / (2 * 3 * 32 * 32) ** 0.5, rel=1e-3)
    sums = weighted_gradients(make(weight_adversarial=0.0, representation="sum"))
    assert sums["subjective_representation"] == pytest.approx(1280 * found["subjective_representation"], rel=1e-2)


def test_gradients_after_lessons_of_the_discriminator(make: Any) -> None:
    phase = make()
    before = [p.clone() for p in phase.networks["generator"].parameters()]
    untaught = weighted_gradients(phase, step=2)["adversarial"]
    taught = weighted_gradients(phase, step=2, lessons=2)["adversarial"]
    assert taught != untaught
    assert all(torch.equal(a, b) for a, b in zip(before, phase.networks["generator"].parameters(), strict=True))


def test_what_is_beside_the_papers_terms_stands_in_the_weights(make: Any) -> None:
    assert make().metadata.note == "perceptual"
    note = make(weight_statistics=0.01, weight_grid=0.1, grain=1.0).metadata.note
    assert note == (
        "perceptual; terms beside the paper's: grid, statistics; NIQE is computed from statistics that it was trained "
        "with; aids: grain"
    )
