"""``fourpass recipes``, and recipes named without their files."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fourpass.errors import ConfigError
from fourpass.training import recipe_files
from fourpass.training.perceptual import RECIPE as PERCEPTUAL
from fourpass.training.recipes import EusrRecipe, load

ROOT = Path(__file__).parents[2] / "recipes"
Run = Callable[..., tuple[int, bytes, list[str]]]


def test_all_are_listed_with_what_they_are_for(fourpass: Run) -> None:
    code, out, err = fourpass("recipes")
    assert (code, err) == (0, [])
    lines = dict(line.split(maxsplit=1) for line in out.decode().splitlines())
    assert lines.keys() == {str(file.relative_to(ROOT).with_suffix("").as_posix()) for file in ROOT.rglob("*.toml")}
    assert all(line.endswith(".") and len(line) < 160 for line in lines.values())
    assert lines["cpu/eusr_muon"] == "The last run of the packaged eusr: EUSR with Muon, in hours on one core."
    assert lines["cpu/ablation/without_l_g"] == "Table 4: without l_g; no discriminator runs."


def test_one_is_shown_and_copied(fourpass: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    original = (ROOT / "cpu" / "eusr.toml").read_bytes()
    assert fourpass("recipes", "cpu/eusr") == (0, original, [])
    assert fourpass("recipes", "cpu/eusr", "-o", "my.toml").code == 0
    assert Path("my.toml").read_bytes() == original
    assert fourpass("recipes", "cpu/eusr", "-o", ".").code == 0
    assert Path("eusr.toml").read_bytes() == original


@pytest.mark.parametrize("name", ["cpu/ablation/without_l_g", "cpu/aided/perceptual", "authors/ablation/all_losses"])
def test_a_copy_means_what_the_original_means(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.toml"
    copy.write_text(recipe_files.text(name), encoding="utf-8")
    assert load(PERCEPTUAL, copy) == load(PERCEPTUAL, ROOT / f"{name}.toml")


def test_a_recipe_of_ones_own_extends_a_packaged_one(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('extends = "cpu/eusr"\nbatch = 3\n')
    assert load(EusrRecipe, own) == dataclasses.replace(load(EusrRecipe, ROOT / "cpu" / "eusr.toml"), batch=3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cpu/esr"], "cpu/esr: no such packaged recipe; did you mean cpu/eusr? fourpass recipes lists them"),
        (["cpu/eusr", "-o", "my.toml"], "my.toml: already exists; delete it, or name another file with -o"),
        (["-o", "x.toml"], "-o copies one recipe; name it, for example: fourpass recipes cpu/eusr -o my.toml"),
    ],
)
def test_mistakes(
    arguments: list[str], says: str, fourpass: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.toml").write_text("steps = 1\n")
    assert fourpass("recipes", *arguments) == (2, b"", [f"fourpass: {says}"])
    assert Path("my.toml").read_text() == "steps = 1\n"


def test_a_file_of_ones_own_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert recipe_files.find("cpu/eusr") == ROOT / "cpu" / "eusr.toml"
    assert recipe_files.find("cpu/eusr.toml") == ROOT / "cpu" / "eusr.toml"
    monkeypatch.chdir(tmp_path)
    Path("cpu").mkdir()
    Path("cpu/eusr.toml").write_text("steps = 1\n")
    assert recipe_files.find("cpu/eusr.toml") == Path("cpu/eusr.toml")
    with pytest.raises(ConfigError, match="did you mean cpu/swift"):
        recipe_files.find("recipes/cpu/swfit.toml")


def test_train_takes_a_packaged_name(fourpass: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    photos = tmp_path / "photos"
    photos.mkdir()
    arguments = ["train", "eusr", "--data", photos, "--out", tmp_path / "run", "--cache", tmp_path / "cache"]
    result = fourpass(*arguments, "--recipe", "tiny/eusr", "--set", "steps=0")
    assert result.err == [f"fourpass: {ROOT / 'tiny' / 'eusr.toml'}: steps is 0; it must be positive"]
    result = fourpass(*arguments, "--recipe", "tny/eusr")
    assert result.err[0].startswith(
        "fourpass: tny/eusr: no such recipe file or packaged recipe; did you mean tiny/eusr?"
    )


def test_they_are_found_in_an_installed_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "fourpass"
    shutil.copytree(ROOT, package / "recipes")
    monkeypatch.setattr(recipe_files, "__file__", str(package / "training" / "recipe_files.py"))
    assert recipe_files.find("cpu/eusr") == package / "recipes" / "cpu" / "eusr.toml"
    shutil.rmtree(package / "recipes")
    with pytest.raises(ConfigError, match="packaged recipes are missing"):
        recipe_files.folder()
