"""The three standard streams in any state: closed, in another character set, on a full disk, or a broken pipe."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unicodedata
from typing import BinaryIO

from fourpass.errors import ConfigError

# Turn the direction of writing, so that a name looks like another.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def prepare() -> None:
    """Make printing work on every terminal, and keep files from getting the number of a stream that is closed."""
    for number, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is what the next file would get
            with contextlib.suppress(OSError):
                os.open(os.devnull, flags)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # names that are not of its character set
        sys.stdout.reconfigure(errors="backslashreplace")


def standard_input() -> BinaryIO:
    """Return standard input as bytes.

    Raises:
        ConfigError: it is closed, or a terminal.
    """
    if sys.stdin is None:
        raise ConfigError("standard input is closed", hint="pipe a picture into it")
    if sys.stdin.isatty():
        raise ConfigError("standard input is a terminal", hint="pipe a picture into it")
    return sys.stdin.buffer


def standard_output() -> BinaryIO:
    """Return standard output as a stream of bytes.

    Raises:
        ConfigError: it is closed.
    """
    if sys.__stdout__ is None:
        raise ConfigError("standard output is closed", hint="name a file with -o")
    return sys.stdout.buffer


def printable(text: str) -> str:
    """Escape what a terminal would obey or cannot show (control characters, odd bytes), as Python does in a string."""
    return "".join(each if _shows(each) else _escaped(each) for each in text)


def _shows(character: str) -> bool:
    return character not in _TURNING and unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
