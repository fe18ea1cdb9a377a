"""The record of finished work: one line of JSON per finished file, in its output folder."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import posixpath
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourpass.disk import overwriting
from fourpass.errors import ConfigError, ImageError
from fourpass.jobs import stores

RECORD = ".fourpass-manifest.jsonl"
RecordEntry = Mapping[str, Any]


@dataclass(frozen=True)
class Keeping:
    """Where a run records what is done.

    Attributes:
        record: of the output folder.
        settings: digest of all that outputs depend on besides their inputs.
        skip: leave out what is done already.
        begun: also remember that a file is begun, for an output folder among the inputs: after a crash, what was
            written and not yet remembered would be taken for an input.
    """

    record: Record
    settings: str
    skip: bool = True
    begun: bool = False


def keep(output: str | None, inputs: Sequence[str], settings: str, *, resume: bool) -> Keeping | None:
    """Return what a run into a folder must record; None if nothing.

    An output folder that lies in an input folder has a record in any case: by it the next run tells outputs from
    pictures that were there before.

    Args:
        output: the output folder; None, ``-`` or a file have no record.
        inputs: files and folders.
        settings: see `Keeping`.
        resume: what is done already is to be left out.
    """
    among = output not in (None, "", "-") and overwriting.inside(
        output, [each for each in inputs if _holds_files(each)]
    )
    if output is None or not (resume or among):
        return None
    return Keeping(Record(output), settings, skip=resume, begun=among)


class Record:
    """The files that are over in one output folder; lines are only ever added, so that a crash loses no more than one.

    Object stores cannot append, so there the file is written again after each picture.

    Args:
        folder: the output folder, a path or a URL.

    Raises:
        ConfigError: the file is there but cannot be read.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder if stores.is_url(folder) else overwriting.local(folder)
        self.file = stores.join(self._folder, RECORD)
        self._entries: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            try:
                entry = json.loads(line)
                self._entries[entry["output"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # a line that a crash cut short: its file is done again

    def made(self) -> set[Hashable]:
        """Identities of the files here that runs wrote, as `overwriting.identity` returns them.

        A file of another size than was written is somebody's own by now.
        """
        found = set()
        for key, entry in self._entries.items():
            name = stores.join(self._folder, key)
            if entry.get("status") == "begun" or stores.size(name) == entry.get("bytes", -1):
                found.add(overwriting.identity(name))
        return found - {None}

    def entry(self, target: str) -> RecordEntry | None:
        """Return what is recorded about an output."""
        return self._entries.get(self._key(target))

    def add(self, target: str, entry: RecordEntry) -> None:
        """Record the outcome of a file.

        Raises:
            ConfigError: the record cannot be written.
        """
        key = self._key(target)
        self._entries[key] = {**entry, "output": key}
        if stores.is_url(self._folder):
            self._write()
            return
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            with open(self.file, "a+b") as stream:
                if stream.seek(0, os.SEEK_END):
                    stream.seek(-1, os.SEEK_END)
                    if stream.read(1) != b"\n":
                        stream.write(b"\n")
                stream.write(_line(self._entries[key]))
        except OSError as error:
            raise ConfigError(f"cannot be written ({error.strerror or error})", subject=self.file) from None

    def begin(self) -> None:
        """Check that the folder can be written before any work starts.

        Raises:
            ConfigError: it cannot.
        """
        if stores.is_url(self._folder):
            self._write()
            return
        try:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot be created ({error.strerror or error})", subject=self._folder) from None

    def _write(self) -> None:
        try:
            stores.put(self.file, b"".join(map(_line, self._entries.values())))
        except ImageError as error:
            raise ConfigError(error.reason, subject=error.subject, hint=error.hint) from None

    def _lines(self) -> list[str]:
        if stores.is_url(self._folder):
            if stores.size(self.file) is None:
                return []
            return stores.read(self.file).decode("utf-8", "replace").splitlines()
        try:
            return Path(self.file).read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ConfigError(
                f"cannot be read ({error.strerror or error})", subject=self.file, hint="delete it"
            ) from None

    def _key(self, target: str) -> str:
        if stores.is_url(target):
            head, folder = target.split("::")[0], self._folder.split("::")[0]
            return posixpath.relpath(head.split("://", 1)[1], folder.split("://", 1)[1])
        return Path(os.path.relpath(overwriting.local(target), self._folder)).as_posix()


def is_done(entry: RecordEntry | None, input_sha256: str, settings: str, size: int | None) -> bool:
    """Whether an output was made of this very input with these settings, and lies there as it was written.

    Args:
        entry: what the record knows of the output.
        input_sha256: of the input's contents.
        settings: digest of the settings, see `fourpass.jobs.settings`.
        size: bytes of the output that is there; None where there is none.
    """
    if entry is None or entry.get("status") != "done" or size is None:
        return False
    return (entry.get("input_sha256"), entry.get("settings"), entry.get("bytes")) == (input_sha256, settings, size)


def digest(source: str | os.PathLike[str] | bytes) -> str:
    """Return the SHA-256 of a file's contents, or of bytes, in hexadecimal.

    Raises:
        OSError: the file cannot be read, or is none: a pipe would have us wait.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if not os.path.isfile(source):
        os.stat(source)
        raise OSError(errno.EINVAL, "is not a regular file", os.fspath(source))
    total = hashlib.sha256()
    with open(source, "rb") as stream:
        while block := stream.read(2**20):
            total.update(block)
    return total.hexdigest()


def _holds_files(name: str) -> bool:
    return stores.is_url(name) or os.path.isdir(overwriting.local(name))


def _line(entry: RecordEntry) -> bytes:
    return (json.dumps(entry, sort_keys=True) + "\n").encode()
