"""Pages of the documentation site that are made from the code: commands, recipes, modules, model cards, the notebook.

mkdocs loads this file as a hook (mkdocs.yml), so that the reference cannot fall behind the code.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "fourpass"
INTERNAL = {"cli", "server"}  # the commands and the HTTP API have pages of their own
COPIES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_config(config: Any) -> Any:
    """Take the address of the site from pyproject.toml, the one place that knows it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    config["site_url"] = project["urls"]["Documentation"]
    config["site_description"] = project["description"]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for path, content in pages():
        files.append(File.generated(config, path, content=content))
    return files


def on_post_build(config: Any) -> None:
    """Fail if a page of the site would load anything from another server."""
    from mkdocs.exceptions import PluginError

    found = []
    for page in sorted(Path(config["site_dir"]).rglob("*.html")):
        found += [f"{page.name}: {each}" for each in loaded_from_elsewhere(page.read_text(encoding="utf-8"))]
    for sheet in sorted(Path(config["site_dir"]).rglob("*.css")):
        found += [f"{sheet.name}: {each}" for each in _ELSEWHERE_CSS.findall(sheet.read_text(encoding="utf-8"))]
    if found:
        raise PluginError(f"the site loads from other servers: {'; '.join(found[:5])}")


_ELSEWHERE_CSS = re.compile(r"""(?:url\(|@import )\s*["']?((?:https?:)?//[^"')\s]+)""")
_ELSEWHERE = re.compile(
    r"""<(?:script|img|source|iframe|video|audio|embed|object|input)\b[^>]*?\b(?:src|srcset|data)\s*=\s*"""
    r"""["']?((?:https?:)?//[^"'\s>]+)"""
)
_LINK = re.compile(r"<link\b[^>]*>")


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the addresses on other servers that a browser would load for a page. Links to click do not count."""
    found = _ELSEWHERE.findall(html) + _ELSEWHERE_CSS.findall(html)
    for link in _LINK.findall(html):
        if not re.search(r"""rel=["']?(canonical|prev|next|alternate)\b""", link):
            found += re.findall(r"""href=["']?((?:https?:)?//[^"'\s>]+)""", link)
    return found


def pages() -> Iterator[tuple[str, str | bytes]]:
    """Yield the path and content of every generated page."""
    yield "reference/commands.md", commands()
    yield "reference/recipes.md", recipes()
    yield from modules()
    yield from notebook(ROOT / "docs" / "tutorials" / "python.ipynb", "tutorials/python.md")
    yield from cards()
    for name, path in COPIES.items():
        yield path, re.sub(r"`docs/([\w/.-]+\.md)`", r"[`\1`](\1)", (ROOT / name).read_text(encoding="utf-8"))


def cards() -> Iterator[tuple[str, str]]:
    """Yield the model card of each packaged network, and their index."""
    index = ["# Models", "", "The networks that come with fourpass. Each has a card: training, results, limits.", ""]
    for card in sorted((PACKAGE / "packaged").glob("*.md")):
        text = card.read_text(encoding="utf-8")
        title = next(line for line in text.splitlines() if line.startswith("# "))
        index.append(f"- [{title.removeprefix('# ')}]({card.name})")
        yield f"reference/models/{card.name}", text
    yield "reference/models/index.md", "\n".join(index) + "\n"


def commands() -> str:
    """Return the page of every command and option, from the parser itself."""
    import typer

    from fourpass.cli import help as groups
    from fourpass.cli.app import app

    root = typer.main.get_command(app)
    context: Any = root.make_context("fourpass", [], resilient_parsing=True)
    lines = [
        "# Commands",
        "",
        "This page is generated from the command-line parser. `fourpass COMMAND --help` shows the same.",
        "",
        "Exit codes: 0, all is well; 1, some files failed and the others are done; 2, nothing was started, "
        "and one line of standard error says why.",
    ]
    for group, names in groups.COMMANDS.items():
        lines += ["", f"## {group}"]
        for name in names:
            command: Any = root.get_command(context, name)  # type: ignore[attr-defined]
            inner = type(context)(command, info_name=name, parent=context)
            lines += ["", f"### fourpass {name}", "", *command.help.split("\n")]
            usage = " ".join(command.get_usage(inner).split()).removeprefix("Usage: ")
            lines += ["", f"    {usage}"]
            for heading, rows in options(command, inner).items():
                term = "argument" if heading == "Arguments" else "option"
                lines += ["", f"**{heading}**", "", f"| {term} | meaning |", "| --- | --- |"]
                lines += [f"| `{_cell(term)}` | {_cell(text, prose=True)} |" for term, text in rows]
    return "\n".join(lines) + "\n"


def options(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Return what ``--help`` of a command shows, by group: the words of each option and its help."""

    class Recorder:
        def __init__(self) -> None:
            self.groups: dict[str, list[tuple[str, str]]] = {}
            self._heading = ""

        def section(self, heading: str) -> Recorder:
            self._heading = heading
            return self

        def __enter__(self) -> None:
            self.groups[self._heading] = []

        def __exit__(self, *_: object) -> None:
            pass

        def write_dl(self, rows: list[tuple[str, str]]) -> None:
            self.groups[self._heading] += rows

    recorder = Recorder()
    command.format_options(context, recorder)
    return recorder.groups


def _cell(text: str, prose: bool = False) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[") if prose else text


def recipes() -> str:
    """Return the page of the packaged recipes."""
    from fourpass.training import recipe_files

    lines = [
        "# Recipes",
        "",
        "Every packaged recipe, as `fourpass recipes` lists them. Use one by name, or copy it and edit it:",
        "",
        "    fourpass train eusr --recipe cpu/eusr --data PHOTOS --out RUN",
        "    fourpass recipes cpu/eusr -o my.toml",
        "",
        "A recipe contains only the settings that differ from the defaults, which are the paper's. `extends` in a",
        "recipe names the recipes that it starts from.",
        "",
        "| recipe | what it is for |",
        "| --- | --- |",
    ]
    lines += [f"| `{name}` | {_cell(recipe_files.summary(name), prose=True)} |" for name in recipe_files.names()]
    return "\n".join(lines) + "\n"


def modules() -> Iterator[tuple[str, str]]:
    """Yield a page for each part of the package, and their index."""
    index = ["# Modules", "", "Every module of the package, generated from its docstrings.", "", "| part | what |"]
    index.append("| --- | --- |")
    parts = sorted(each for each in PACKAGE.iterdir() if _is_part(each))
    for part in parts:
        files = sorted(part.rglob("*.py")) if part.is_dir() else [part]
        names = [_module(file) for file in files if file.stem == "__init__" or not file.stem.startswith("_")]
        summary = _first_line(files[0])
        index.append(f"| [`fourpass.{part.stem}`]({part.stem}.md) | {summary} |")
        lines = [f"# fourpass.{part.stem}", ""]
        for name in names:
            if part.is_dir() and name == f"fourpass.{part.stem}" and not _has_names(files[0]):
                lines += [summary, ""]
                continue
            lines += [f"::: {name}", ""]
        yield f"reference/api/{part.stem}.md", "\n".join(lines)
    yield "reference/api/index.md", "\n".join(index) + "\n"


def _is_part(path: Path) -> bool:
    if path.stem.startswith("_") or path.stem in INTERNAL:
        return False
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _module(file: Path) -> str:
    name = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _first_line(file: Path) -> str:
    match = re.match(r'"""(.+?)(?:"""|\n)', file.read_text(encoding="utf-8"))
    return match[1].replace("``", "`") if match else ""


def _has_names(file: Path) -> bool:
    return bool(re.search(r"^(def|class|[A-Za-z]\w* *[:=])", file.read_text(encoding="utf-8"), re.MULTILINE))


def notebook(source: Path, path: str) -> Iterator[tuple[str, str | bytes]]:
    """Yield a notebook as a page, as it was run, and the pictures in it."""
    from nbconvert import MarkdownExporter

    body, resources = MarkdownExporter().from_filename(str(source))
    folder = posixpath.splitext(path)[0] + "_files"
    for name, content in resources["outputs"].items():
        body = body.replace(f"]({name})", f"]({posixpath.basename(folder)}/{name})")
        yield f"{folder}/{name}", content
    yield path, body
