"""Recipes: the paper's numbers by default, and every mistake named."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from fourpass.data.wear import Wear
from fourpass.errors import ConfigError
from fourpass.training.recipes import EusrRecipe, build, load, parse_override

RECIPES = Path(__file__).parents[2] / "recipes"


def test_the_defaults_are_the_papers():
    recipe = load(EusrRecipe, RECIPES / "paper" / "eusr.toml")
    assert recipe == EusrRecipe()
    assert (recipe.features, recipe.shared_blocks, recipe.upscale_blocks, recipe.scales) == (64, 32, 1, (2, 4, 8))
    assert (recipe.steps, recipe.batch, recipe.patches) == (1_000_000, 16, (48, 48, 48))
    assert (recipe.learning_rate, recipe.schedule, recipe.halve_every, recipe.decay) == (1e-4, "halving", 200_000, 0.5)
    assert len(set(recipe.odds)) == 1
    assert (recipe.ema, recipe.clip, recipe.warm_up, recipe.candidates, recipe.init) == (0, 0, 0, 1, "")


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*/eusr.toml")), ids=lambda file: "/".join(file.parts[-2:]))
def test_what_a_file_says_differs_from_the_defaults(file):
    recipe, defaults = load(EusrRecipe, file), EusrRecipe()
    keys = re.findall(r"^(\w+) *=", file.read_text(), re.MULTILINE)
    needless = [
        key for key in keys if getattr(recipe, key) == getattr(defaults, key) and key not in ("patches", "steps")
    ]
    assert not needless


def test_the_recipe_that_ships():
    recipe = load(EusrRecipe, RECIPES / "cpu" / "eusr.toml")
    assert recipe.odds == (0.25, 0.6, 0.15)
    assert recipe.patches == (48, 48, 24)
    assert (recipe.learning_rate, recipe.schedule, recipe.ema, recipe.batch) == (2e-4, "cosine", 0.999, 16)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop_boarder": 4}, "unknown key 'crop_boarder'; known keys are batch"),
        ({"learning_rate": -1e-4}, "learning_rate = -0.0001 is negative"),
        ({"learning_rate": float("nan")}, "learning_rate = nan is negative or not finite"),
        ({"odds": [1, -1, 1]}, "odds = -1.0 is negative"),
        ({"batch": 0}, "batch is 0; it must be positive"),
        ({"batch": 1.5}, "batch = 1.5 is not of type int"),
        ({"batch": True}, "batch = True is not of type int"),
        ({"steps": "many"}, "steps = 'many' is not of type int"),
        ({"scales": 4}, r"scales = 4 is not of type tuple"),
        ({"scales": [2, 3, 4]}, r"scales \[2, 3, 4\] must be chosen from 2, 4 and 8"),
        ({"scales": [2, 2, 4]}, "must be chosen from 2, 4 and 8, each at most once"),
        ({"patches": [48]}, "patches has 1 values for 3 scales"),
        ({"odds": [0, 0, 0]}, "odds must not all be 0"),
        ({"schedule": "linear"}, "schedule 'linear' is not one of constant, halving, cosine"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of auto, fp32, bf16"),
        ({"halve_every": 0}, "schedule 'halving' needs halve_every"),
        ({"ema": 1.0}, "ema 1.0 is not below 1"),
        ({"features": 0}, "features is 0"),
        ({"wear": 0.5}, r"wear = 0.5 is not a table; write its keys below a line \[wear\]"),
    ],
)
def test_a_mistake_is_named(values, message):
    with pytest.raises(ConfigError, match=rf"^x\.toml: .*{message}") as caught:
        build(EusrRecipe, values, source="x.toml")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        load(EusrRecipe, tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("steps = = 3")
    with pytest.raises(ConfigError, match=r"bad\.toml: not TOML"):
        load(EusrRecipe, tmp_path / "bad.toml")


def test_the_command_line_is_stronger_than_the_file(tmp_path):
    (tmp_path / "r.toml").write_text("steps = 3\nbatch = 2")
    recipe = load(EusrRecipe, tmp_path / "r.toml", dict(map(parse_override, ("steps=5", "init=eusr", "odds=[1,2,3]"))))
    assert (recipe.steps, recipe.batch, recipe.init, recipe.odds) == (5, 2, "eusr", (1.0, 2.0, 3.0))
    with pytest.raises(ConfigError, match="not of the form key=value"):
        parse_override("steps")


def test_a_table_of_its_own(tmp_path):
    (tmp_path / "r.toml").write_text("steps = 3\n[wear]\nnoise = 1\nnoise_sigma = [2, 5.5]\nquality_mild = [80, 90]\n")
    recipe = load(EusrRecipe, tmp_path / "r.toml")
    assert recipe == EusrRecipe(steps=3, wear=Wear(noise=1.0, noise_sigma=(2.0, 5.5), quality_mild=(80, 90)))
    assert EusrRecipe().wear is None
    (tmp_path / "r.toml").write_text("[wear]\n")
    assert load(EusrRecipe, tmp_path / "r.toml").wear == Wear()
    for text, message in (
        ("noise = 2.0", r"r\.toml, table wear: noise = 2.0 is not within 0..1"),
        ("grain = 2.0", r"r\.toml, table wear: unknown key 'grain'; known keys are blur, "),
        ("saved = 'yes'", r"r\.toml, table wear: saved = 'yes' is not of type float"),
    ):
        (tmp_path / "r.toml").write_text(f"[wear]\n{text}\n")
        with pytest.raises(ConfigError, match=message):
            load(EusrRecipe, tmp_path / "r.toml")


def test_a_recipe_extends_others(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.toml").write_text("steps = 1\nbatch = 1\nseed = 1")
    (tmp_path / "b.toml").write_text("batch = 2")
    (tmp_path / "deep" / "c.toml").write_text('extends = ["../a.toml", "../b.toml"]\nseed = 3')
    (tmp_path / "deep" / "d.toml").write_text('extends = "c.toml"\nema = 0.5')
    recipe = load(EusrRecipe, tmp_path / "deep" / "d.toml", {"clip": 2.0})
    assert (recipe.steps, recipe.batch, recipe.seed, recipe.ema, recipe.clip) == (1, 2, 3, 0.5, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extends = "x.toml"', r"x\.toml: extends itself"),
        ('extends = "y.toml"', r"x\.toml: extends itself through y\.toml"),
        ('extends = "none.toml"', r"none\.toml: cannot be read"),
        ("extends = [3]", r"x\.toml: extends = \[3\] is not the name of a recipe file"),
    ],
)
def test_what_cannot_be_extended(tmp_path, text, message):
    (tmp_path / "x.toml").write_text(text)
    (tmp_path / "y.toml").write_text('extends = "x.toml"')
    with pytest.raises(ConfigError, match=message):
        load(EusrRecipe, tmp_path / "x.toml")


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EusrRecipe().steps = 3
