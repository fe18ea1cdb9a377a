"""No command writes over what it reads: the one place that decides whether two names mean one file."""

from __future__ import annotations

import itertools
import os
import posixpath
import stat
import unicodedata
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from fourpass.errors import ConfigError

Name = str | os.PathLike[str] | int  # a path, a URL, or the number of an open file
_FILE = ("file://", "local://")  # both mean this machine's files to fsspec


def check(
    reads: Iterable[Name],
    writes: Sequence[Name],
    *,
    suffixes: Collection[str] | None = None,
    way_out: str = "name another file",
    key: str = "",
    streams: Mapping[int, str] | None = None,
) -> None:
    """Refuse to write over a file that is read, or two outputs into one file.

    Files are compared by identity and not by the spelling of their paths: links of both kinds, relative and absolute
    paths, ``file://`` and ``local://``, folders under several names, and upper and lower case where the file system
    takes them for one. ``zip://a.png::photos.zip`` reads ``photos.zip``.

    Args:
        reads: files that are going to be read; of a folder, every file in it and below. Missing ones are ignored.
        writes: files that are going to be written.
        suffixes: of a folder, only files with one of these, in lower case, are read; None: all.
        way_out, key: what to do, for the message; see `fourpass.errors.FourpassError`.
        streams: what messages call open files, by their number.

    Raises:
        ConfigError: an output is an input, or two outputs are one file.
    """

    def shown(name: Name) -> str:
        return os.fspath(name) if not isinstance(name, int) else (streams or {}).get(name, f"open file {name}")

    taken: dict[Hashable, Name] = {}
    existing: dict[Hashable, Name] = {}
    for each in writes:
        if not isinstance(each, int) and "\0" in os.fspath(each):
            raise ConfigError("has a NUL character, which no name may have", subject=shown(each), hint=way_out, key=key)
        spot = place(each)
        if spot in taken:
            first = shown(taken[spot])
            both = "named twice" if first == shown(each) else f"the same file as {first}"
            raise ConfigError(
                f"is {both}, and each output needs a file of its own", subject=shown(each), hint=way_out, key=key
            )
        taken[spot] = each
        known = identity(each)
        if known is not None:
            existing[known] = each
    if not existing:  # a missing file cannot be an input
        return
    for read in _files(reads, suffixes):
        known = identity(read)
        if known in existing:
            name, source = shown(existing[known]), shown(read)
            same = "" if name == source else f" ({source})"
            raise ConfigError(
                f"is an input{same}, and inputs are never overwritten", subject=name, hint=way_out, key=key
            )


def local(path: str) -> str:
    """Return the path that a ``file://`` or ``local://`` URL means; other names as they are."""
    if not path.lower().startswith(_FILE) or "::" in path:
        return path
    bare = path.split("://", 1)[1]
    bare = bare.removeprefix("localhost") if bare.startswith("localhost/") else bare
    # Programs that make URLs write %20 for a space; people who write them by hand do not.
    return bare if os.path.exists(bare) else unquote(bare)


def identity(name: Name) -> Hashable | None:
    """Return what tells an existing file or folder from all others, whatever it is called; None where there is none.

    Of a URL that names no file here, whether or not something is there: the URL without needless slashes.
    """
    if not isinstance(name, int) and "://" in local(os.fspath(name)):
        protocol, rest = os.fspath(name).split("://", 1)
        return (protocol.lower(), posixpath.normpath(rest))
    try:
        status = os.stat(name if isinstance(name, int) else local(os.fspath(name)))
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return None
    if isinstance(name, int) and not stat.S_ISREG(status.st_mode):
        return None  # a terminal or a pipe
    if not status.st_ino:  # some network file systems of Windows
        return os.path.normcase(os.path.realpath(name)) if not isinstance(name, int) else None
    return (status.st_dev, status.st_ino)


def place(name: Name) -> Hashable:
    """Identify where a file is or will be: its deepest existing folder, and the names from there on."""
    if isinstance(name, int):
        return identity(name) or name
    path = local(os.fspath(name))
    if "://" in path:
        return identity(path) or path
    folder = os.path.realpath(path)
    names: list[str] = []
    known = None
    while known is None:
        folder, last = os.path.split(folder)
        names.insert(0, last)
        known = identity(folder) or (folder if not last or os.path.dirname(folder) == folder else None)
    if _ignores_case(folder):
        names = [unicodedata.normalize("NFC", each).casefold() for each in names]
    return (known, *names)


def inside(folder: Name, others: Iterable[Name]) -> bool:
    """Whether a folder, which need not exist, is one of the others or inside one of them."""
    if not isinstance(folder, int) and "://" in local(os.fspath(folder)):
        spot = "/".join(map(str, identity(folder) or ())) + "/"  # type: ignore[call-overload]
        return any(spot.startswith("/".join(map(str, identity(other) or ("?",))) + "/") for other in others)  # type: ignore[call-overload]
    wanted = {known for other in others if (known := identity(other)) is not None}
    path = os.path.realpath(local(os.fspath(folder))) if not isinstance(folder, int) else ""
    while path:
        if identity(path) in wanted:
            return True
        above = os.path.dirname(path)
        path = above if above != path else ""
    return False


def _files(names: Iterable[Name], suffixes: Collection[str] | None) -> Iterator[Name]:
    """Yield files, those of folders and of folders in them too, through links; a circle of links ends.

    Of a file inside others, ``zip://a.png::photos.zip``, those are yielded too.
    """
    around: set[str] = set()
    for name in names:
        if isinstance(name, str) and "://" in name and "::" in name:
            fresh_links = [link for link in name.split("::")[1:] if link and link not in around]
            around.update(fresh_links)
            yield from _files(fresh_links, None)
        path = name if isinstance(name, int) else local(os.fspath(name))
        if isinstance(path, int) or not os.path.isdir(path):
            yield name
            continue
        seen = {identity(path)}
        for folder, below, files in os.walk(path, followlinks=True):
            for file in files:
                if suffixes is None or os.path.splitext(file)[1].lower() in suffixes:
                    yield os.path.join(folder, file)
            fresh = {each: identity(os.path.join(folder, each)) for each in below}
            below[:] = [each for each, known in fresh.items() if known not in seen]
            seen |= set(fresh.values())


def _ignores_case(folder: str) -> bool:
    """Whether a folder ignores case, found by looking up an existing name in the other case."""
    try:
        with os.scandir(folder) as entries:
            there = [entry.path for entry in itertools.islice(entries, 50) if entry.name.swapcase() != entry.name]
    except OSError:
        there = []
    for path in [*there[:3], folder]:
        head, name = os.path.split(path)
        if name.swapcase() != name:
            known = identity(path)
            return known is not None and identity(os.path.join(head, name.swapcase())) == known
    return False
