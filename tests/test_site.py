"""The documentation: its reference is whole, its notebook runs, and its pages load nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from fourpass.cli import app

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "tutorials" / "python.ipynb"


@pytest.fixture(scope="module")
def site() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "tools" / "site_pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_has_every_option_of_every_command(site: ModuleType) -> None:
    text = site.commands()
    sections = dict(re.findall(r"^### fourpass (\w+)\n(.*?)(?=^##|\Z)", text, re.M | re.S))
    assert sections.keys() == app.COMMANDS.keys()
    for name, target in app.COMMANDS.items():
        module, function = target.split(":")
        signature = inspect.signature(getattr(importlib.import_module(module), function))
        for parameter in signature.parameters.values():
            declared = getattr(parameter.default, "param_decls", None) or ()
            long = "--" + parameter.name.rstrip("_").replace("_", "-")
            if hasattr(parameter.default, "is_flag") and not declared:  # an option
                declared = (long,)
            for flag in declared:
                assert re.search(rf"^\| `[^`]*{re.escape(flag)}\b", sections[name], re.M), f"{name} {flag}"


def test_the_reference_has_every_module(site: ModuleType) -> None:
    pages = dict(site.modules())
    documented = {line[4:] for page in pages.values() for line in page.splitlines() if line.startswith("::: ")}
    package = ROOT / "src" / "fourpass"
    for file in package.rglob("*.py"):
        parts = file.relative_to(package).parts
        if parts[0] in ("cli", "server") or file.stem.startswith("_"):
            continue
        assert ".".join(("fourpass", *parts)).removesuffix(".py") in documented


def test_public_names_have_a_place_in_the_reference() -> None:
    import fourpass

    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    for name in fourpass.__all__:
        assert f"fourpass.{name}" in page


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://cdn.example/a.js">', ["https://cdn.example/a.js"]),
        ("<img alt='' src=//cdn.example/a.png>", ["//cdn.example/a.png"]),
        ('<link rel="stylesheet" href="https://fonts.example/css">', ["https://fonts.example/css"]),
        ('<link href="http://x.example/" rel="preconnect">', ["http://x.example/"]),
        ("<style>a{background:url('https://x.example/a.png')}</style>", ["https://x.example/a.png"]),
        ('<a href="https://x.example/">read</a><img src="a.png"><script src="../a.js"></script>', []),
        ('<link rel="canonical" href="https://x.example/page.html">', []),
    ],
)
def test_what_a_page_would_load_from_elsewhere(html: str, found: list[str], site: ModuleType) -> None:
    assert site.loaded_from_elsewhere(html) == found


def test_nothing_makes_the_theme_ask_other_servers() -> None:
    """The theme's script loads a library for mermaid blocks, and asks GitHub about a repo_url."""
    assert not re.search(r"^repo_url", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    for page in (ROOT / "docs").rglob("*.md"):
        assert "```mermaid" not in page.read_text(encoding="utf-8"), page.name


def test_commands_in_the_documentation_exist() -> None:
    """Every ``fourpass COMMAND --option`` in a code block names a command and options that the parser knows."""
    known: dict[str, set[str]] = {}
    for name, target in app.COMMANDS.items():
        module, function = target.split(":")
        signature = inspect.signature(getattr(importlib.import_module(module), function))
        known[name] = {"--help"}
        for parameter in signature.parameters.values():
            declared = getattr(parameter.default, "param_decls", None) or ()
            known[name] |= set(declared) | {"--" + parameter.name.rstrip("_").replace("_", "-")}
    checked = 0
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        fenced = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
        blocks = [body for language, body in fenced.findall(text) if language in ("", "sh")]
        lines = "\n".join([*blocks, *re.findall(r"^    .*$", fenced.sub("", text), re.M)])
        for command, rest in re.findall(r"^ *(?:[A-Z_]+=\S+ )?fourpass ([a-z]+)((?: [^\n#|]*)?)", lines, re.M):
            assert command in known, f"{page.name}: fourpass {command}"
            plain = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)
            for option in re.findall(r"(?<= )(-{1,2}[a-zA-Z][\w-]*)", plain):
                assert option in known[command], f"{page.name}: fourpass {command} {option}"
                checked += 1
    assert checked > 50


def test_the_notebook_runs_and_says_what_it_shows(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    shown = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(run, timeout=200, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()

    def words(notebook: object) -> list[str]:
        # Joined by cell: what is printed arrives in one piece or in several.
        cells = [cell.get("outputs", []) for cell in notebook.cells]  # type: ignore[attr-defined]
        return ["".join(each.get("text") or each["data"]["text/plain"] for each in outputs) for outputs in cells]

    assert len(words(shown)) >= 6
    assert words(run) == words(shown)
