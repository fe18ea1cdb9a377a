"""The recipes that come with fourpass: their folder, their names, and how to copy one."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path

from fourpass.errors import ConfigError

_EXTENDS = re.compile(r"^extends *=.*$", re.MULTILINE)


def folder() -> Path:
    """Return the folder of the packaged recipes: inside the installed package, or beside the sources of a checkout.

    Raises:
        ConfigError: there is none.
    """
    package = Path(__file__).parents[1]
    for place in (package / "recipes", package.parents[1] / "recipes"):
        if (place / "paper" / "eusr.toml").is_file():
            return place
    raise ConfigError("the packaged recipes are missing; install fourpass again")


def names() -> list[str]:
    """Return the names of the packaged recipes, such as ``cpu/eusr``, in alphabetical order."""
    root = folder()
    return sorted(file.relative_to(root).with_suffix("").as_posix() for file in root.rglob("*.toml"))


def packaged(name: str) -> Path | None:
    """Return the file of a packaged recipe, named with or without ``.toml``; None if there is none of this name."""
    key = name.removesuffix(".toml")
    return folder() / f"{key}.toml" if key in names() else None


def find(name: str | os.PathLike[str]) -> Path:
    """Return the recipe file that a name means: a file of your own, or else a packaged recipe such as ``cpu/eusr``.

    Raises:
        ConfigError: it is neither.
    """
    own = Path(name)
    if own.is_file():
        return own
    found = packaged(own.as_posix())
    if found:
        return found
    raise ConfigError(_unknown(own.as_posix(), "no such recipe file or packaged recipe"))


def _unknown(name: str, problem: str) -> str:
    key = name.removesuffix(".toml").removeprefix("recipes/")
    close = difflib.get_close_matches(key, names(), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{name}: {problem}; {hint}fourpass recipes lists them"


def summary(name: str) -> str:
    """Return what a packaged recipe is for: the first sentence of the comment at its top."""
    words = []
    for line in (folder() / f"{name}.toml").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words.append(line.lstrip("# ").rstrip())
    return re.split(r"(?<=\.)\s", " ".join(words), maxsplit=1)[0]


def text(name: str) -> str:
    """Return a packaged recipe as it can be copied anywhere: what it extends is named as packaged recipes.

    Raises:
        ConfigError: there is no packaged recipe of this name.
    """
    root = folder()
    file = packaged(name)
    if file is None:
        raise ConfigError(_unknown(name, "no such packaged recipe"))

    def absolute(base: re.Match[str]) -> str:
        target = Path(os.path.normpath(file.parent / base[1]))
        return f'"{target.relative_to(root).with_suffix("").as_posix()}"'

    return _EXTENDS.sub(lambda line: re.sub(r'"([^"]+)"', absolute, line[0]), file.read_text(encoding="utf-8"), count=1)
