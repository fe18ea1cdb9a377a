"""Which files become which: inputs, folders and ``-o`` turned into pairs of names, before any picture is read."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fourpass.disk import overwriting
from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import formats
from fourpass.jobs import inputs as found_in
from fourpass.jobs import stores

STANDARD = "-"  # in place of a file: standard input or output


@dataclass(frozen=True)
class FilePair:
    """One input and where its output goes; `STANDARD` for a stream.

    Attributes:
        source: the input, a path or a URL.
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
    tag: str = "",
    suffix: str | None = None,
    ext: str = "auto",
    recursive: bool = False,
    made: Collection[Hashable] = (),
    into_folder: bool = False,
) -> list[FilePair]:
    """Pair every input with its output.

    Args:
        inputs: files, folders, or ``-``; of files and folders also URLs.
        output: a file or a folder, or ``-``; None: beside each input.
        tag: what to append to a name where neither `output` nor `suffix` tells it from the input, such as ``x4``.
        suffix: what to append to every name, after an underscore; None: nothing, or the tag.
        ext: format of every output, by its suffix; ``auto``: each input's own.
        recursive: go into folders inside folders; the tree is kept.
        made: identities of the outputs of earlier runs, which are no inputs.
        into_folder: output is a folder whatever it is called.

    Raises:
        ConfigError: inputs and output do not fit together, two outputs would be one file, or an output is an input.
    """
    if not inputs:
        raise ConfigError("no input; name pictures or folders, or - for standard input")
    if "" in inputs or output == "":
        which = "the output" if output == "" else "an input"
        raise ConfigError(f"{which} is an empty text, say of a variable that is not set; name a file or a folder")
    inputs = [each if stores.is_url(each) else overwriting.local(each) for each in inputs]
    output = output if output is None or stores.is_url(output) else overwriting.local(output)
    key = _wished(ext)
    many = into_folder or len(inputs) > 1 or any(found_in.is_folder(each) for each in inputs)
    if STANDARD in inputs or output == STANDARD:
        return checked([_stream(inputs, output, key, many)])
    if output is None:
        folders = [each for each in inputs if found_in.is_folder(each) or stores.is_url(each)]
        if folders:
            raise ConfigError(f"{folders[0]}: is a folder; say with -o in which folder to write")
        found = [found_in.FoundInput(each, Path(each).name, str(Path(each).parent)) for each in inputs]
    elif many or _means_folder(output):
        if not stores.is_url(output):
            _refuse_file(output, inputs, many and not into_folder)
        found = [
            found_in.FoundInput(each.source, each.place, output)
            for each in found_in.expand(inputs, recursive=recursive, made=made)
        ]
    else:
        return checked([FilePair(inputs[0], output, _of_file(output, key, ext))])
    appended = f"_{suffix}" if suffix else f"_{tag}" if output is None else ""
    return checked([_pair(each, appended, key) for each in found])


def checked(found: list[FilePair]) -> list[FilePair]:
    """Make sure that no output is an input, and no two are one.

    Raises:
        ConfigError: it is so.
    """
    targets: dict[Hashable, FilePair] = {}
    for pair in found:
        spot = overwriting.place(pair.target) if pair.target != STANDARD else STANDARD
        if spot in targets:
            raise ConfigError(
                f"{targets[spot].source} and {pair.source} would both become {pair.target}; upscale them apart, or "
                "without --ext"
            )
        targets[spot] = pair
    overwriting.check(reads(found), writes(found), way_out="write to another folder with -o, or add --suffix")
    return found


def reads(found: Sequence[FilePair]) -> list[overwriting.Name]:
    """Return the inputs as `overwriting.check` takes them; standard input may be a file too."""
    return [0 if pair.source == STANDARD else pair.source for pair in found]


def writes(found: Sequence[FilePair]) -> list[overwriting.Name]:
    """Return the outputs as `overwriting.check` takes them; standard output may be a file too."""
    return [1 if pair.target == STANDARD else pair.target for pair in found]


def _pair(found: found_in.FoundInput, appended: str, key: str | None) -> FilePair:
    """Name an output; its suffix stays as it is where its format does."""
    head, name = posixpath.split(found.place.replace(os.sep, "/"))
    stem, ending = os.path.splitext(name)
    own = formats.SUFFIXES.get(ending.lower())
    if key is None and own is None:  # no suffix that says anything: the contents will
        return FilePair(found.source, _in_folder(found.folder, posixpath.join(head, name + appended)), None)
    if key is None:
        key = own if own in formats.WRITTEN else "avif"
    if own is None:
        stem = name
    ending = ending if own == key else formats.FORMATS[key].suffixes[0]
    return FilePair(found.source, _in_folder(found.folder, posixpath.join(head, stem + appended + ending)), key)


def _in_folder(folder: str, place: str) -> str:
    return stores.join(folder, place) if stores.is_url(folder) else str(Path(folder) / place)


def _refuse_file(output: str, inputs: Sequence[str], many: bool) -> None:
    folder = Path(output)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"{output}: is a file, and {_count(inputs)} need a folder for -o")
    if many and not os.path.exists(folder) and folder.suffix.lower() in formats.SUFFIXES:
        raise ConfigError(f"{output}: names one file, and {_count(inputs)} need a folder for -o")


def _stream(inputs: Sequence[str], output: str | None, key: str | None, many: bool) -> FilePair:
    if many:
        raise ConfigError("- stands for one picture; give it alone, and one file or - for -o")
    if output is None:
        raise ConfigError("a picture from standard input needs -o FILE, or -o - for standard output")
    if output == STANDARD:
        return FilePair(inputs[0], STANDARD, key)
    if _means_folder(output):
        raise ConfigError(f"{output}: a picture from standard input has no name; give a file, or -, for -o")
    return FilePair(inputs[0], output, _of_file(output, key, "auto" if key is None else key))


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


def _means_folder(output: str) -> bool:
    return os.path.isdir(output) or output.endswith(("/", os.sep)) or not os.path.splitext(output)[1]


def _count(inputs: Sequence[str]) -> str:
    return f"{len(inputs)} inputs" if len(inputs) > 1 else "the pictures of a folder"
