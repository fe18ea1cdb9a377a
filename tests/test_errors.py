"""Errors have parts, and only the command line gives them its flags."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import fourpass
from fourpass import errors
from fourpass.cli import words
from fourpass.errors import FourpassError, ImageError

SOURCE = Path(fourpass.__file__).parent
ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, FourpassError)]
FLAG = re.compile(r"(?<![\w-])(--[a-z]|-[a-z]\b)")
LOWER = sorted(file for file in SOURCE.rglob("*.py") if "cli" not in file.relative_to(SOURCE).parts)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield what looks like the making of an error: by its class, or by a function that takes hints or keys."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name.endswith("Error") or name == "told" or {"hint", "way_out"} & {each.arg for each in node.keywords}:
                yield name, node


def texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def documentation(tree: ast.AST) -> set[int]:
    """The places of docstrings."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def with_command_line(source: str) -> list[str]:
    """Return the texts of a module that speak of the command line: of errors, and whatever has words in it."""
    tree = ast.parse(source)
    skipped = documentation(tree)
    found = [text for _, call in calls(tree) for text in texts(call) if FLAG.search(text)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            sentence = re.search(r"[a-z] [a-z]", node.value)
            if (
                "standard input" in node.value
                or "standard output" in node.value
                or (sentence and FLAG.search(node.value))
            ):
                found.append(node.value)
    return sorted(set(found))


@pytest.mark.parametrize("file", LOWER, ids=lambda file: str(file.relative_to(SOURCE)))
def test_only_the_command_line_speaks_of_its_flags(file: Path) -> None:
    assert with_command_line(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        'raise ImageError(f"{name}: too large; raise --max-pixels")',
        'raise ImageError("too large", hint=f"write it with -o {name}")',
        'raise ConfigError(\n    "--ext"\n)',
        'way_out = "choose another folder with --out"',
        'name = "standard input"',
        'check(files, way_out="add --suffix")',
    ],
)
def test_a_flag_in_a_lower_layer_would_be_found(line: str) -> None:
    assert with_command_line(f'"""Takes --this."""\n{line}') != []


def test_what_is_no_flag_is_left_alone() -> None:
    harmless = 'raise ImageError("an 8-bit x-ray - or two"); run(["evaluate", "--data"]); wide = "a--b"'
    assert with_command_line(harmless) == []


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_parts_and_the_line_that_they_make(kind: type[FourpassError]) -> None:
    error = kind("is empty\n (0 bytes)", subject=Path("a  b.png"), hint="get it\tagain", key="memory", values={"n": 1})
    assert (error.subject, error.reason, error.hint) == ("a  b.png", "is empty\n (0 bytes)", "get it\tagain")
    assert str(error) == "a  b.png: is empty (0 bytes); get it again"
    assert str(kind("is empty", hint="get it again")) == "is empty; get it again"
    assert str(kind("is empty", subject="a.png")) == "a.png: is empty"
    assert str(kind("is empty")) == "is empty"
    for other in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert type(other) is kind
        assert vars(other) == vars(error)
    moved = error.about("b.png")
    assert (type(moved), str(moved), error.subject) == (kind, "b.png: is empty (0 bytes); get it again", "a  b.png")


def test_a_missing_extra_has_its_pip_line_as_hint() -> None:
    error = errors.missing_extra("train", "torch")
    assert error.reason == "torch is not installed"
    assert error.hint == "install it with: pip install 'fourpass[train]'"


def test_errors_from_below_have_parts(tmp_path: Path) -> None:
    from fourpass.imaging import files

    (tmp_path / "odd; name: of.png").write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        files.read(tmp_path / "odd; name: of.png")
    error = caught.value
    assert error.subject == str(tmp_path / "odd; name: of.png")
    assert (error.reason, error.hint) == ("is empty (0 bytes)", "get the file again")
    with pytest.raises(FourpassError) as caught_too:
        fourpass.Upscaler("nothing.safetensors")
    assert caught_too.value.subject == "nothing.safetensors"
    assert str(caught_too.value) == f"nothing.safetensors: {caught_too.value.reason}"


def test_the_command_line_has_words_for_every_key() -> None:
    """And every key that it has words for is one that is raised, with the values that the words need."""
    used: dict[str, set[str]] = {}
    everything: set[str] = set()
    for file in LOWER:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        everything |= set(texts(tree))
        for _, call in calls(tree):
            given = {each.arg: each.value for each in call.keywords}
            key, values = given.get("key"), given.get("values")
            names = {text for each in getattr(values, "keys", []) for text in texts(each)}
            for name in set(texts(key) if key is not None else ()) - {""}:
                used[name] = names & used.get(name, names)
    assert used.keys() <= words.WORDS.keys()
    assert words.WORDS.keys() <= everything
    for key, said in words.WORDS.items():
        wanted = {field for part in said if part for _, field, _, _ in string.Formatter().parse(part) if field}
        assert wanted <= used.get(key, set()) | {"reason"}, key


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ImageError("too large; the limit is 1", subject="a.png", hint="-", key="max-pixels", values={"pixels": 9}),
            "a.png: too large; the limit is 1; if you trust it, raise the limit with --max-pixels 9",
        ),
        (ImageError("is a file", subject="{out}", key="need-folder"), "{out}: is a file for -o"),
        (
            ImageError("no", subject="format x", hint="take y", key="ext", values={"ext": "{x}"}),
            "--ext {x}: no; take y",
        ),
        (ImageError("strange", hint="a way", key="of nobody"), "strange; a way"),
        (ImageError("a {b} c", subject="s", hint="{d}"), "s: a {b} c; {d}"),
    ],
)
def test_words_of_the_command_line(error: FourpassError, line: str) -> None:
    assert words.line(error) == line
