"""What ``--resume`` remembers: one line of JSON for each finished file, in the folder that it was written to."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from fourpass.cli.plan import MANIFEST
from fourpass.errors import ConfigError


class Manifest:
    """The finished files of one output folder; lines are only ever added, so that a crash loses no more than one.

    Args:
        folder: the output folder.
        settings: everything besides the input that the output depends on; plain values.

    Raises:
        ConfigError: the file is there but cannot be read.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder = folder
        self._file = folder / MANIFEST
        self._settings = json.loads(json.dumps(settings))
        self._entries: dict[str, dict[str, Any]] = {}
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise ConfigError(f"{self._file}: cannot be read ({error.strerror or error}); delete it") from None
        for line in lines:
            try:
                entry = json.loads(line)
                self._entries[entry["output"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # a line that a crash cut short: its file is done again

    def outputs(self) -> list[str]:
        """The outputs that are listed, as absolute paths."""
        return [os.path.realpath(self._folder / output) for output in self._entries]

    def is_done(self, source: Path, target: Path) -> bool:
        """Whether a target was made of this very input with these settings, and lies there as it was written."""
        entry = self._entries.get(self._key(target))
        if entry is None or entry.get("settings") != self._settings:
            return False
        try:
            return target.stat().st_size == entry.get("bytes") and digest(source) == entry.get("input_sha256")
        except OSError:
            return False

    def add(self, source: Path, target: Path) -> None:
        """Remember a finished file.

        Raises:
            ConfigError: the manifest cannot be written.
        """
        key = self._key(target)
        try:
            entry = {
                "output": key,
                "bytes": target.stat().st_size,
                "input": str(source),
                "input_sha256": digest(source),
                "settings": self._settings,
            }
            with self._file.open("a", encoding="utf-8") as stream:
                if stream.tell() and not self._ends_a_line():
                    stream.write("\n")
                stream.write(json.dumps(entry, sort_keys=True) + "\n")
        except OSError as error:
            raise ConfigError(f"{self._file}: cannot be written ({error.strerror or error})") from None
        self._entries[key] = entry

    def _ends_a_line(self) -> bool:
        with self._file.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"

    def _key(self, target: Path) -> str:
        return Path(os.path.relpath(target, self._folder)).as_posix()


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's contents, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            total.update(block)
    return total.hexdigest()
