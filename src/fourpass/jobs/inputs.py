"""Find the input pictures: turn files, folders, lists and object stores into names and output places."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fourpass.disk import overwriting
from fourpass.errors import ConfigError
from fourpass.imaging import formats
from fourpass.jobs import stores


@dataclass(frozen=True)
class FoundInput:
    """One input and where its output goes.

    Attributes:
        source: path or URL.
        place: of the output in its folder, as if it had the input's format.
        folder: the output's folder; empty while that is not known.
    """

    source: str
    place: str
    folder: str = ""


def expand(inputs: Sequence[str], *, recursive: bool, made: Collection[Hashable] = ()) -> Iterator[FoundInput]:
    """Yield each input file, those of folders in order.

    Of a folder count the files whose suffix is that of a picture; hidden ones do not. What cannot be opened, named
    pipes and folders that are closed to us for example, is yielded as if it were a picture, so that it is reported and
    does not stop the others.

    Args:
        inputs: files and folders, paths or URLs.
        recursive: go into folders inside folders.
        made: identities of files that are no inputs, as they are outputs of an earlier run.

    Raises:
        ConfigError: a folder holds no picture.
    """
    for each in inputs:
        if not is_folder(each):
            yield FoundInput(each, posixpath.basename(each.split("::")[0]) if stores.is_url(each) else Path(each).name)
            continue
        count = 0
        for found in _of_store(each, recursive) if stores.is_url(each) else _of_folder(each, recursive):
            count += 1
            if not made or overwriting.identity(found.source) not in made:
                yield found
        if not count:
            known = f"suffixes are {', '.join(sorted(formats.SUFFIXES))}"
            deeper = "search its subfolders too"
            raise ConfigError(
                "this folder contains no pictures",
                subject=each,
                hint=known if recursive else deeper,
                key="" if recursive else "recursive",
            )


def of_list(path: str) -> list[str]:
    """Return the names in a list, one per line.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    if stores.is_url(path):
        if stores.size(path) is None:
            raise ConfigError("no such list", subject=path)
        text = stores.read(path).decode("utf-8", "surrogateescape")
    else:
        try:
            text = Path(overwriting.local(path)).read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            raise ConfigError("no such list", subject=path) from None
        except OSError as error:
            raise ConfigError(f"the list cannot be read ({error.strerror or error})", subject=path) from None
    if "\0" in text:
        raise ConfigError("has NUL characters, so it is no list of names", subject=path, hint="write it as UTF-8")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise ConfigError("the list is empty", subject=path, hint="write a picture's path or URL on each line")
    return names


def is_folder(name: str) -> bool:
    """Whether a name means a folder; a URL does unless its suffix is that of a picture."""
    if stores.is_url(name):
        return posixpath.splitext(name.split("::")[0])[1].lower() not in formats.SUFFIXES
    return os.path.isdir(name)


def _of_folder(folder: str, recursive: bool) -> Iterator[FoundInput]:
    closed: list[str] = []
    for at, folders, names in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        folders[:] = [name for name in sorted(folders) if recursive and not name.startswith(".")]
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in formats.SUFFIXES:
                path = os.path.join(at, name)
                yield FoundInput(path, os.path.relpath(path, folder))
    for path in closed:
        yield FoundInput(path, os.path.relpath(path, folder))


def _of_store(folder: str, recursive: bool) -> Iterator[FoundInput]:
    for url, place in stores.listed(folder):
        hidden = any(part.startswith(".") for part in place.split("/"))
        picture = posixpath.splitext(place)[1].lower() in formats.SUFFIXES
        if picture and not hidden and (recursive or "/" not in place):
            yield FoundInput(url, place)
