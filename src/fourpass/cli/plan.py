"""Which files become which: inputs, folders and ``-o`` turned into pairs of paths, before any picture is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import formats

STANDARD = "-"  # in place of a file: standard input or output
MANIFEST = ".fourpass-manifest.jsonl"


@dataclass(frozen=True)
class Pair:
    """One input and where its output goes; `STANDARD` for a stream.

    Attributes:
        source: the input.
        target: the output, its suffix decided.
        key: format of the output, in `formats.FORMATS`; None: that of the input, which only its contents tell.
    """

    source: str
    target: str
    key: str | None


def pairs(
    inputs: Sequence[str],
    output: str | None,
    *,
    tag: str,
    suffix: str | None = None,
    ext: str = "auto",
    recursive: bool = False,
    made: Iterable[str] = (),
) -> list[Pair]:
    """Pair every input with its output.

    Args:
        inputs: files, folders, or ``-``.
        output: a file or a folder, or ``-``; None: beside each input.
        tag: what to append to a name where neither `output` nor `suffix` tells it from the input, such as ``x4``.
        suffix: what to append to every name, after an underscore; None: nothing, or the tag.
        ext: format of every output, by its suffix; ``auto``: each input's own.
        recursive: go into folders inside folders; the tree is kept.
        made: outputs of earlier runs, which are no inputs.

    Raises:
        ConfigError: inputs and output do not fit together, two outputs would be one file, or an output is an input.
    """
    if not inputs:
        raise ConfigError("no input; name pictures or folders, or - for standard input")
    key = _wished(ext)
    many = len(inputs) > 1 or any(_is_folder(each) for each in inputs)
    if STANDARD in inputs or output == STANDARD:
        return [_stream(inputs, output, key, many)]
    if output is None:
        folders = [each for each in inputs if _is_folder(each)]
        if folders:
            raise ConfigError(f"{folders[0]}: is a folder; say with -o in which folder to write")
        found = [(each, Path(each).name, Path(each).parent) for each in inputs]
    elif many or _means_folder(output):
        folder = Path(output)
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{output}: is a file, and {_count(inputs)} need a folder for -o")
        if many and not folder.exists() and folder.suffix.lower() in formats.SUFFIXES:
            raise ConfigError(f"{output}: names one file, and {_count(inputs)} need a folder for -o")
        found = [(source, name, folder) for source, name in _expand(inputs, folder, recursive, set(made))]
    else:
        return _checked([Pair(inputs[0], output, _of_file(output, key, ext))])
    appended = f"_{suffix}" if suffix else f"_{tag}" if output is None else ""
    return _checked([_pair(source, folder / name, appended, key) for source, name, folder in found])


def _pair(source: str, target: Path, appended: str, key: str | None) -> Pair:
    """Name an output; its suffix stays as it is where its format does."""
    own = formats.SUFFIXES.get(target.suffix.lower())
    if key is None and own is None:  # no suffix that says anything: the contents will
        return Pair(source, str(target.with_name(target.name + appended)), None)
    if key is None:
        key = own if own in formats.WRITTEN else "avif"
    ending = target.suffix if own == key else formats.FORMATS[key].suffixes[0]
    stem = target.stem if own is not None else target.name
    return Pair(source, str(target.with_name(stem + appended + ending)), key)


def _stream(inputs: Sequence[str], output: str | None, key: str | None, many: bool) -> Pair:
    if many:
        raise ConfigError("- stands for one picture; give it alone, and one file or - for -o")
    if output is None:
        raise ConfigError("a picture from standard input needs -o FILE, or -o - for standard output")
    if output == STANDARD:
        return Pair(inputs[0], STANDARD, key)
    if _means_folder(output):
        raise ConfigError(f"{output}: a picture from standard input has no name; give a file, or -, for -o")
    return Pair(inputs[0], output, _of_file(output, key, "auto" if key is None else key))


def _wished(ext: str) -> str | None:
    try:
        return None if ext == "auto" else formats.of_suffix(ext)
    except ImageError as error:
        raise ConfigError(f"--ext {error}") from None


def _of_file(output: str, key: str | None, ext: str) -> str:
    try:
        own = formats.of_path(output)
    except ImageError as error:
        raise ConfigError(f"{error}; for a folder, end its name with {os.sep}") from None
    if key is not None and key != own:
        raise ConfigError(f"{output}: is not what --ext {ext} asks for; leave one of them out")
    return own


def _is_folder(path: str) -> bool:
    return path != STANDARD and os.path.isdir(path)


def _means_folder(output: str) -> bool:
    return os.path.isdir(output) or output.endswith(("/", os.sep)) or not Path(output).suffix


def _expand(inputs: Sequence[str], output: Path, recursive: bool, made: set[str]) -> Iterator[tuple[str, str]]:
    """Yield each input file and its place in the output folder."""
    for each in inputs:
        if not _is_folder(each):
            yield each, Path(each).name
            continue
        count = 0
        for source in _pictures(each, output, recursive):
            count += 1
            if os.path.realpath(source) not in made:
                yield source, os.path.relpath(source, each)
        if not count:
            deeper = "" if recursive else "; for those in folders inside it, add --recursive"
            raise ConfigError(f"{each}: no picture in this folder{deeper}")


def _pictures(folder: str, output: Path, recursive: bool) -> Iterator[str]:
    """Yield the files of a folder whose suffix is that of a picture, in order; hidden ones and the output's not."""
    own = os.path.realpath(output)
    closed: list[str] = []  # named as if they were pictures, so that they are reported and do not stop the others
    for place, folders, names in os.walk(folder, onerror=lambda error: closed.append(str(error.filename))):
        kept = [
            name
            for name in sorted(folders)
            if recursive and not name.startswith(".") and os.path.realpath(os.path.join(place, name)) != own
        ]
        folders[:] = kept
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in formats.SUFFIXES:
                yield os.path.join(place, name)
    yield from closed


def _checked(found: list[Pair]) -> list[Pair]:
    """Make sure that no output is an input, and no two are one.

    Raises:
        ConfigError: it is so.
    """
    sources = {}
    for pair in found:
        if pair.source != STANDARD:
            sources[os.path.realpath(pair.source)] = pair.source
            identity = _identity(pair.source)
            if identity:
                sources[identity] = pair.source
    targets: dict[str, Pair] = {}
    for pair in found:
        place = os.path.realpath(pair.target)
        if place in sources or _identity(pair.target) in sources:
            raise ConfigError(
                f"{pair.target}: is an input, and inputs are never overwritten; write to another folder with -o, or "
                "add --suffix"
            )
        if place in targets:
            raise ConfigError(
                f"{targets[place].source} and {pair.source} would both become {pair.target}; upscale them apart, or "
                "without --ext"
            )
        targets[place] = pair
    return found


def _identity(path: str) -> str:
    """What tells a file from others by whatever name; empty where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    return f"{status.st_dev}:{status.st_ino}" if status.st_ino else ""


def _count(inputs: Sequence[str]) -> str:
    return f"{len(inputs)} inputs" if len(inputs) > 1 else "the pictures of a folder"
