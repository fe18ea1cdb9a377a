"""The compared methods: what the catalogue says, that each trains, what it starts from, and what it refuses."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fourpass import models, weights  # noqa: E402
from fourpass.errors import ConfigError, DatasetError, WeightsError  # noqa: E402
from fourpass.losses.published import METHODS, parameters_of, properties_of  # noqa: E402
from fourpass.losses.terms import PAPER  # noqa: E402
from fourpass.models.vgg import VGG  # noqa: E402
from fourpass.training import baselines, loop, recipes  # noqa: E402
from fourpass.training.baseline_recipes import RECIPES  # noqa: E402
from fourpass.training.gradients import weighted_gradients  # noqa: E402
from fourpass.training.perceptual_recipe import PerceptualRecipe  # noqa: E402

ROOT = Path(__file__).parents[2]
TINY = {
    "steps": 12,
    "batch": 4,
    "features": 6,
    "blocks": 1,
    "candidates": 1,
    "discriminator_features": 2,
    "discriminator_hidden": 4,
    "learning_rate": 3e-3,
    "schedule": "constant",
    "log_every": 0,
    "validate_every": 0,
    "seed": 3,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Two pictures with edges and texture."""
    pyvips = pytest.importorskip("pyvips")
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for index in range(2):
        rows, columns = np.mgrid[:128, :160]
        pixels = 120 + 60 * np.sign(np.sin(rows / 7 + index) * np.cos(columns / 9))
        picture = pixels[..., None] + generator.uniform(-20, 20, (128, 160, 3))
        pyvips.Image.new_from_array(picture.clip(0, 255).astype(np.uint8)).write_to_file(folder / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def vgg(tmp_path, monkeypatch) -> str:
    """A VGG16 of two channels a layer, as the stand-in is one of 64 to 512."""
    monkeypatch.setattr("fourpass.models.vgg.CHANNELS", (2, 3, 3, 3, 3))
    torch.manual_seed(0)
    numbers = {"depth": 16, "until": "conv5_3", "mean": [120.0] * 3, "std": [1.0] * 3}
    tensors = {name: value.numpy() for name, value in VGG(**numbers).state_dict().items()}
    file = tmp_path / "small-vgg16.safetensors"
    weights.save(weights.Weights(tensors, weights.Metadata("vgg", numbers, "test", "none", 0, "CC0-1.0")), file)
    return str(file)


def prepared(name: str, photos: Path, cache: Path, **settings):
    scales = METHODS[name].numbers["scales"]
    settings = {**TINY, "patches": [8] * len(scales), **settings}
    recipe = recipes.build(RECIPES[name], settings)
    return baselines.prepare(recipe, [photos], cache=cache, device="cpu", report=lambda line: None)


def trained(name: str, photos: Path, cache: Path, out: Path, **settings) -> list[dict[str, float]]:
    """Run a method through the loop and return the values of each step."""
    phase = prepared(name, photos, cache, **settings)
    seen: list[dict[str, float]] = []
    original = phase.step

    def step(batch, tools):
        values = original(batch, tools)
        seen.append({key: float(value) for key, value in values.items()})
        return values

    phase.step = step
    assert loop.train(phase, out).reason == "finished"
    return seen


@pytest.fixture(scope="module")
def start(photos, cache, tmp_path_factory) -> str:
    """Weights of a little srresnet-mse, as the adversarial methods start from."""
    out = tmp_path_factory.mktemp("start")
    trained("srresnet-mse", photos, cache, out)
    return str(out / "last.safetensors")


TERMS = {
    "srresnet-mse": {"pixel"},
    "srresnet-vgg22": {"feature"},
    "srgan-mse": {"pixel", "adversarial", "discrimination", "accuracy"},
    "srgan-vgg22": {"feature", "adversarial", "discrimination", "accuracy"},
    "srgan-vgg54": {"feature", "adversarial", "discrimination", "accuracy"},
    "cx": {"pixel", "contextual", "adversarial", "discrimination", "accuracy"},
    "edsr": {"pixel"},
    "mdsr": {"pixel"},
}


@pytest.mark.parametrize("name", TERMS)
def test_it_trains(name, photos, cache, vgg, tmp_path, request):
    method = METHODS[name]
    settings = {"init": request.getfixturevalue("start")} if method.start else {}
    values = trained(name, photos, cache, tmp_path / "run", vgg=vgg, steps=30 if not method.start else 12, **settings)
    assert all(set(each) == {"loss", *TERMS[name]} for each in values)
    losses = [each["loss"] for each in values]
    if not method.start:
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    else:
        assert np.isfinite(losses).all()
    result = weights.load(tmp_path / "run" / "last.safetensors")
    assert result.metadata.architecture == method.architecture
    assert result.metadata.steps == (24 if method.start else 30)
    assert result.metadata.note.startswith(method.title)
    assert ("small-vgg16" in result.metadata.note) == method.losses.needs_vgg
    before = prepared(name, photos, cache, vgg=vgg, **settings).networks["generator"].state_dict()
    changed = [key for key, value in before.items() if not np.array_equal(value.numpy(), result.tensors[key])]
    assert len(changed) > 0.8 * (len(before) - 4)  # the mean colours of EDSR and MDSR never change
    models.build(result)


def test_stand_ins_are_named(photos, cache, vgg, start):
    phase = prepared("srgan-vgg54", photos, cache, vgg=vgg, init=start)
    assert phase.layers == {"conv5_4": "conv5_3"}
    assert phase.metadata.note == "SRGAN-VGG54; features: small-vgg16, conv5_3 for conv5_4"
    phase = prepared("srresnet-vgg22", photos, cache, vgg=vgg)
    assert phase.metadata.note == "SRResNet-VGG22; features: small-vgg16, conv2_2"


def test_another_start_than_the_papers_is_named(photos, cache, vgg, start):
    """SRResNet-VGG22 has no reconstruction loss, not even before."""
    phase = prepared("srresnet-vgg22", photos, cache, vgg=vgg, init=start)
    assert phase.metadata.note.startswith("SRResNet-VGG22; started from SRResNet-MSE; features")
    assert prepared("srgan-mse", photos, cache, init=start).metadata.note == "SRGAN-MSE"


def test_an_adversarial_step_moves_both(photos, cache, start):
    phase = prepared("srgan-mse", photos, cache, init=start)
    before = {name: parameters(network) for name, network in phase.networks.items()}
    phase.step(phase.batch(0, (0, 0, 0)), loop.Tools(phase))
    for name, network in phase.networks.items():
        assert not any(torch.equal(before[name][key], value) for key, value in network.named_parameters())


def test_the_generators_update_leaves_the_discriminator_alone(photos, cache, start):
    phase = prepared("srgan-mse", photos, cache, init=start)
    generator, judge = phase.networks["generator"], phase.networks["discriminator"]
    before = parameters(generator), parameters(judge)
    low = torch.from_numpy(phase.batch(0, (0, 0, 0)).low).float()
    loop.Tools(phase).update("generator", judge(generator(low, 4)).mean())
    assert not torch.equal(before[0]["final_conv.weight"], generator.final_conv.weight)
    assert all(torch.equal(before[1][key], value) for key, value in judge.named_parameters())


def parameters(network):
    return {name: value.detach().clone() for name, value in network.named_parameters()}


@pytest.mark.slow
def test_edsr_of_the_papers_size_trains(photos, cache):
    """Ten steps of 43 million parameters at the paper's learning rate, on one batch, so that no noise hides it."""
    numbers = {key: value for key, value in METHODS["edsr"].numbers.items() if key != "scales"}
    phase = prepared("edsr", photos, cache, **numbers, batch=2, patches=[12], learning_rate=1e-4)
    tools, batch = loop.Tools(phase), phase.batch(0, (0, 0, 0))
    losses = [float(phase.step(batch, tools)["loss"]) for _ in range(10)]
    assert losses[-1] < 0.7 * losses[0]
    assert np.isfinite(losses).all()


def test_batch_norm_statistics_are_exported(photos, cache, start):
    stored = weights.load(start)
    assert np.abs(stored.tensors["blocks.0.norm1.running_mean"]).max() > 0
    assert not any("num_batches" in name for name in stored.tensors)


def test_start_weights_are_wanted_and_checked(photos, cache, vgg, start):
    with pytest.raises(ConfigError, match=r"srgan-mse starts from weights of srresnet-mse, .*; train that first"):
        prepared("srgan-mse", photos, cache)
    with pytest.raises(WeightsError, match="weights of vgg, but this phase trains srresnet"):
        prepared("srgan-mse", photos, cache, init=vgg)
    with pytest.raises(WeightsError, match="weights with blocks 1, but the recipe has 2"):
        prepared("srgan-mse", photos, cache, init=start, blocks=2)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("edsr", {"scales": [2, 4], "odds": [1, 1], "patches": [8, 8]}, "exactly one scale"),
        ("edsr", {"scales": [5]}, "scale 5 is neither"),
        ("mdsr", {"patches": [8]}, "must each have one value per scale"),
        ("srresnet-mse", {"pixel": 0.0}, "at least one must compare with the truth"),
        ("srresnet-mse", {"pixel_kind": "l3"}, "'l3' is not one of l1, mse, low-frequency"),
        ("srresnet-mse", {"pixel_kind": "low-frequency", "patches": [4]}, "smaller than the 21x21 blur"),
        ("srresnet-mse", {"adversarial": 1.0, "patches": [3]}, "patch 12 is smaller than the 16"),
        ("mdsr", {"adversarial": 1.0}, "needs a single scale"),
        ("edsr", {"blocks": 0}, "blocks is 0"),
        ("srresnet-vgg22", {"feature_layer": "conv9_1"}, "'conv9_1' is not one of VGG19's"),
    ],
)
def test_recipes_that_cannot_be_carried_out(photos, cache, vgg, name, settings, message):
    with pytest.raises(ConfigError, match=message):
        prepared(name, photos, cache, vgg=vgg, **settings)


def test_a_file_that_is_no_vgg(photos, cache, start):
    with pytest.raises(WeightsError, match="weights of srresnet, not of a VGG"):
        prepared("srresnet-vgg22", photos, cache, vgg=start)


def test_pictures_smaller_than_a_patch(photos, cache):
    with pytest.raises(DatasetError, match="x4 patches need 256x256"):
        prepared("edsr", photos, cache, patches=[64])


def test_the_defaults_are_the_papers():
    srresnet, srgan, edsr = (RECIPES[name]() for name in ("srresnet-mse", "srgan-vgg54", "edsr"))
    assert (srresnet.steps, srresnet.batch, srresnet.learning_rate, srresnet.patches) == (1_000_000, 16, 1e-4, (24,))
    assert (srgan.steps, srgan.learning_rate, srgan.schedule) == (200_000, 1e-4, "halving")
    assert (srgan.halve_every, srgan.decay) == (100_000, 0.1)  # from 1e-4 to 1e-5
    assert (srgan.adversarial, srgan.feature, srgan.feature_layer, srgan.pixel) == (1e-3, 1.0, "conv5_4", 0.0)
    assert (edsr.features, edsr.blocks, edsr.residual_scaling, edsr.patches, edsr.pixel_kind) == (
        256,
        32,
        0.1,
        (48,),
        "l1",
    )


@pytest.mark.parametrize("kind", ["paper", "cpu/published", "tiny"])
@pytest.mark.parametrize("name", TERMS)
def test_the_recipes_load(kind, name):
    recipe = recipes.load(RECIPES[name], ROOT / "recipes" / kind / f"{name}.toml")
    assert recipe.losses == METHODS[name].losses
    if kind == "paper":
        assert recipe == RECIPES[name]()


def test_the_comparison_is_fair():
    """The same photos a step for all, and as many steps, those of the start included."""
    folder = ROOT / "recipes" / "cpu" / "published"
    loaded = {name: recipes.load(RECIPES[name], folder / f"{name}.toml") for name in TERMS}
    assert len({(each.batch, each.candidates, each.optimizer) for each in loaded.values()}) == 1
    assert all(set(each.patches) == {24} for each in loaded.values())
    for name, recipe in loaded.items():
        assert recipe.steps + (8_000 if METHODS[name].start else 0) == 13_000
        assert not any((recipe.relativistic, recipe.weight_steadiness, recipe.grid, recipe.grain))


@pytest.mark.parametrize("name", [name for name in TERMS if METHODS[name].start])
def test_equal_aids_are_the_same_for_all(name):
    """Beside what is published a method has what 4PP-EUSR has beside its own terms, and nothing else."""
    folder = ROOT / "recipes" / "cpu"
    published, aided = (recipes.load(RECIPES[name], folder / kind / f"{name}.toml") for kind in ("published", "aided"))
    ours, theirs = (
        recipes.load(PerceptualRecipe, folder / kind / "perceptual.toml") for kind in ("published", "aided")
    )
    aids = ("relativistic", "weight_steadiness", "grain", "discriminator_warm_up", "momentum")
    assert replace(published, grid=aided.grid, **{aid: getattr(aided, aid) for aid in aids}) == aided
    assert replace(ours, weight_grid=theirs.weight_grid, **{aid: getattr(theirs, aid) for aid in aids}) == theirs
    assert [getattr(aided, aid) for aid in aids] == [getattr(theirs, aid) for aid in aids]
    assert aided.grid > 0 < theirs.weight_grid


def test_aids_count_where_they_are_asked_for(photos, cache, start):
    """The grid's term joins the loss, the discriminator compares and is steadied, and learns alone at first."""
    phase = prepared(
        "srgan-mse", photos, cache, init=start, grid=0.5, relativistic=True, weight_steadiness=0.3, grain=2.0
    )
    values = phase.step(phase.batch(0, (0, 0, 0)), loop.Tools(phase))
    terms = {"pixel", "adversarial", "grid"}
    assert set(values) == {"loss", *terms, "discrimination", "accuracy", "unsteadiness"}
    total = sum(getattr(phase.recipe, name) * float(values[name]) for name in terms)
    assert float(values["loss"]) == pytest.approx(total, rel=1e-5)
    waiting = prepared("srgan-mse", photos, cache, init=start, discriminator_warm_up=1)
    before = {name: parameters(network) for name, network in waiting.networks.items()}
    waiting.step(waiting.batch(0, (0, 0, 0)), loop.Tools(waiting))
    moved = {
        name: any(not torch.equal(before[name][key], value) for key, value in network.named_parameters())
        for name, network in waiting.networks.items()
    }
    assert moved == {"generator": False, "discriminator": True}


def test_grain_lies_on_the_truth(photos, cache):
    plain, grained = (prepared("srresnet-mse", photos, cache, grain=level).batch(0, (0, 0, 0)) for level in (0.0, 4.0))
    assert plain.low.shape == grained.low.shape
    difference = (grained.high.astype(float) - plain.high).std((1, 2, 3))
    assert 0.5 < difference.mean() < 8


def test_the_catalogue_has_4pp_eusrs_own_weights():
    ours = METHODS["4pp-eusr"].losses
    assert ours.pixel == PAPER["reconstruction"]
    assert ours.adversarial == PAPER["adversarial"]
    assert ours.feature == PAPER["aesthetic_representation"] == PAPER["subjective_representation"]
    assert ours.perceptual == PAPER["aesthetic_score"] == PAPER["subjective_score"]


def test_parameters_of_the_papers_table():
    assert {name: parameters_of(name) for name in ("srgan-mse", "edsr", "mdsr", "eusr")} == {
        "srgan-mse": 1_547_350,
        "edsr": 43_089_947,
        "mdsr": 7_954_011,
        "eusr": 6_295_689,
    }


def test_table_1_equals_the_papers():
    with (ROOT / "src" / "fourpass" / "evaluation" / "data" / "table1.csv").open() as file:
        expected = list(csv.DictReader(file))
    found = [
        {"method": method.title, "parameters_millions": f"{parameters_of(name) / 1e6:.1f}", **properties_of(name)}
        for name, method in METHODS.items()
    ]
    assert found == expected


def test_losses_that_ask_a_vgg():
    assert {name for name, method in METHODS.items() if method.losses.needs_vgg} == {
        "srresnet-vgg22",
        "srgan-vgg22",
        "srgan-vgg54",
        "cx",
    }
    assert not replace(METHODS["cx"].losses, contextual=0.0).needs_vgg


def test_gradients_of_a_methods_terms(photos, cache, start):
    """Mean squares on -1..1: the slope on each value is 2 * difference / 127.5 ** 2 / count."""
    phase = prepared("srgan-mse", photos, cache, init=start, grid=0.1)
    found = weighted_gradients(phase)
    assert list(found) == ["pixel", "adversarial", "grid"]
    batch = phase.batch(0, (3, 0, 0))
    low, truth = (torch.from_numpy(array).float() for array in (batch.low, batch.high))
    with torch.no_grad():
        difference = phase.networks["generator"](low, 4) - truth
    expected = float((2 * difference / 127.5**2 / difference.numel()).norm())
    assert found["pixel"] == pytest.approx(expected, rel=0.02)  # batch norms move a little with every look
