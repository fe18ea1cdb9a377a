"""Pair inputs with outputs: turn inputs, folders and ``-o`` into pairs of names before any picture is read."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fourpass.disk import overwriting
from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import formats
from fourpass.jobs import inputs as found_in
from fourpass.jobs import stores

STANDARD = "-"  # in place of a file: a stream


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
    streams: Mapping[int, str] | None = None,
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
        streams: what messages call the numbers 0 and 1, the streams that ``-`` stands for.

    Raises:
        ConfigError: inputs and output do not fit together, two outputs would be one file, or an output is an input.
    """
    if not inputs:
        raise ConfigError("no input", hint="name pictures or folders", key="no-input")
    if "" in inputs or output == "":
        which = "the output" if output == "" else "an input"
        raise ConfigError(f"{which} is empty, perhaps because a variable is not set", hint="name a file or a folder")
    inputs = [each if stores.is_url(each) else overwriting.local(each) for each in inputs]
    output = output if output is None or stores.is_url(output) else overwriting.local(output)
    if output is not None and stores.is_url(output):
        stores.check_target(output)
    key = _wished(ext)
    many = into_folder or len(inputs) > 1 or any(found_in.is_folder(each) for each in inputs)
    if STANDARD in inputs or output == STANDARD:
        return checked([_stream(inputs, output, key, many)], streams)
    if output is None:
        folders = [each for each in inputs if found_in.is_folder(each) or stores.is_url(each)]
        if folders:
            raise ConfigError("is a folder", subject=folders[0], hint="name an output folder", key="output-folder")
        found = [found_in.FoundInput(each, Path(each).name, str(Path(each).parent)) for each in inputs]
    elif many or _means_folder(output):
        if not stores.is_url(output):
            _refuse_file(output, inputs, many and not into_folder)
        found = [
            found_in.FoundInput(each.source, each.place, output)
            for each in found_in.expand(inputs, recursive=recursive, made=made)
        ]
    else:
        return checked([FilePair(inputs[0], output, _of_file(output, key, ext))], streams)
    appended = f"_{suffix}" if suffix else f"_{tag}" if output is None else ""
    return checked([_pair(each, appended, key) for each in found], streams)


def checked(found: list[FilePair], streams: Mapping[int, str] | None = None) -> list[FilePair]:
    """Make sure that no output is an input, and no two are one; streams: as `overwriting.check` takes them.

    Raises:
        ConfigError: it is so.
    """
    targets: dict[Hashable, FilePair] = {}
    for pair in found:
        spot = overwriting.place(pair.target) if pair.target != STANDARD else STANDARD
        if spot in targets:
            raise ConfigError(
                f"{targets[spot].source} and {pair.source} would both become {pair.target}",
                hint="upscale them separately, or keep each one's format",
                key="one-target",
            )
        targets[spot] = pair
    overwriting.check(
        reads(found),
        writes(found),
        way_out="write to another folder, or add a suffix",
        key="other-target",
        streams=streams,
    )
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
        assert own is not None
        key = formats.written_as(own)
    if own is None:
        stem = name
    ending = ending if own == key else formats.FORMATS[key].suffixes[0]
    return FilePair(found.source, _in_folder(found.folder, posixpath.join(head, stem + appended + ending)), key)


def _in_folder(folder: str, place: str) -> str:
    return stores.join(folder, place) if stores.is_url(folder) else str(Path(folder) / place)


def _refuse_file(output: str, inputs: Sequence[str], many: bool) -> None:
    folder = Path(output)
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ConfigError(f"is a file, and {_count(inputs)} need a folder", subject=output, key="need-folder")
    if many and not os.path.exists(folder) and folder.suffix.lower() in formats.SUFFIXES:
        raise ConfigError(f"names one file, and {_count(inputs)} need a folder", subject=output, key="need-folder")


def _stream(inputs: Sequence[str], output: str | None, key: str | None, many: bool) -> FilePair:
    if many:
        raise ConfigError(
            "- stands for a single picture", hint="give it as the only input, with one output", key="stream-alone"
        )
    if output is None:
        raise ConfigError("a picture from a stream needs an output", key="stream-output")
    if output == STANDARD:
        return FilePair(inputs[0], STANDARD, key)
    if _means_folder(output):
        raise ConfigError("a picture from a stream has no name", subject=output, hint="give a file", key="stream-name")
    return FilePair(inputs[0], output, _of_file(output, key, "auto" if key is None else key))


def _wished(ext: str) -> str | None:
    try:
        return None if ext == "auto" else formats.of_suffix(ext)
    except ImageError as error:
        raise ConfigError(
            error.reason, subject=f"format {ext}", hint=error.hint, key="ext", values={"ext": ext}
        ) from None


def _of_file(output: str, key: str | None, ext: str) -> str:
    try:
        own = formats.of_path(output)
    except ImageError as error:
        hint = f"{error.hint}; for a folder, end its name with {os.sep}"
        raise ConfigError(error.reason, subject=error.subject, hint=hint) from None
    if key is not None and key != own:
        raise ConfigError(
            f"does not have the requested format, {ext}",
            subject=output,
            hint="leave one of them out",
            key="ext-or-name",
            values={"ext": ext},
        )
    return own


def _means_folder(output: str) -> bool:
    return os.path.isdir(output) or output.endswith(("/", os.sep)) or not os.path.splitext(output)[1]


def _count(inputs: Sequence[str]) -> str:
    return f"{len(inputs)} inputs" if len(inputs) > 1 else "the pictures of a folder"
