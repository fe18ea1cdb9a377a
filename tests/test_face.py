"""The project's face: one version, one address, workflows that run the Makefile, a release that is checked."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import fourpass

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release_check", ROOT / "tools" / "release_check.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_is_in_one_place() -> None:
    assert PROJECT["dynamic"] == ["version"]
    for name in ("pyproject.toml", "CITATION.cff", "mkdocs.yml", "Dockerfile", "README.md"):
        assert fourpass.__version__ not in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_address_is_in_one_place() -> None:
    host = re.sub(r"^https://([^/]+).*", r"\1", PROJECT["urls"]["Homepage"])
    for name in ("README.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CITATION.cff", "mkdocs.yml", "CONTRIBUTING.md"):
        assert host not in (ROOT / name).read_text(encoding="utf-8"), name


def test_workflows_run_commands_of_the_makefile() -> None:
    yaml = pytest.importorskip("yaml")
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    ran = set()
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
        steps = [step for job in jobs.values() for step in job.get("steps", [])]
        ran |= {step["run"].removeprefix("make ") for step in steps if step.get("run", "").startswith("make ")}
    assert ran == {"check", "actions", "test", "package", "docs"}
    assert ran <= targets


def test_every_supported_python_is_tested() -> None:
    yaml = pytest.importorskip("yaml")
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    matrix = yaml.safe_load(text)["jobs"]["test"]["strategy"]["matrix"]
    stated = [each.rsplit(" ", 1)[1] for each in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", each)]
    assert matrix["python"] == stated
    assert {each.split("-")[0] for each in matrix["os"]} == {"ubuntu", "macos", "windows"}


@pytest.mark.parametrize(
    "file",
    ["CITATION.cff", ".github/dependabot.yml", *(str(file.relative_to(ROOT)) for file in ROOT.glob(".github/*/*.yml"))],
)
def test_yaml_is_sound(file: str) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def test_what_a_release_lacks_is_said(release: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "src" / "fourpass").mkdir(parents=True)
    (tmp_path / "src/fourpass/__init__.py").write_text('__version__ = "1.2.0"\n')
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\n[project.urls]\nHomepage = "https://fourpass.example"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (unreleased)\n")
    placeholder, heading, tag = release.problems(tmp_path, "v1.1.0")
    assert "placeholder" in placeholder
    assert "CHANGELOG.md" in heading
    assert tag == "the tag is v1.1.0, and the version is 1.2.0"
    project.write_text('[project]\n[project.urls]\nHomepage = "https://home.test"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.0 (2026-01-31)\n")
    assert release.problems(tmp_path, "v1.2.0") == []
