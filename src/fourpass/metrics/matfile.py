"""Read MATLAB's MAT-file level 5 (``save -v6`` and ``-v7``): numbers, cells and structs. No more than that."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from fourpass.errors import MetricError

_COMPRESSED, _MATRIX = 15, 14
# Types of stored elements, and classes of arrays, by MATLAB's numbers (MAT-File Format, tables 1-1 and 1-3).
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_STORED |= {16: "u1", 17: "u2", 18: "u4"}  # characters: UTF-8, UTF-16, UTF-32
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_CELL, _STRUCT, _CHARACTERS = 1, 2, 4
_LARGEST = 1 << 30  # bytes that one compressed variable may unfold to
_DEEPEST = 16


def read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a MAT-file.

    Args:
        path: a file of level 5, of either byte order, compressed or not.

    Returns:
        name -> numeric array (MATLAB's shape); str for characters; list for a cell, in MATLAB's column order; dict
        for a struct, or a list of dicts for an array of them; None for what is not read (complex and sparse numbers,
        objects, functions).

    Raises:
        MetricError: missing, of another format (with the way out), or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MetricError(f"cannot be read ({error.strerror})", subject=path) from None
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[:19] == b"MATLAB 7.3 MAT-file":
        raise MetricError(f"{path} is a MAT-file of version 7.3 (HDF5)", hint="save it in MATLAB or Octave with -v7")
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise MetricError(f"{path} is not a MAT-file of level 5", hint="fetch it again")
    order = "<" if data[126:128] == b"IM" else ">"
    try:
        return _variables(memoryview(data)[128:], order)
    except (struct.error, ValueError, KeyError, IndexError, TypeError, zlib.error) as error:
        raise MetricError(f"{path} is damaged or not a plain MAT-file ({error})", hint="fetch it again") from None


def _variables(data: memoryview, order: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while len(data) >= 8:
        kind, content, data = _element(data, order)
        if kind == _COMPRESSED:
            unfolder = zlib.decompressobj()
            unfolded = unfolder.decompress(content, _LARGEST)
            if not unfolder.eof:
                raise ValueError("a compressed variable is cut short, or larger than 1 GiB")
            kind, content, _ = _element(memoryview(unfolded), order)
        if kind != _MATRIX:
            raise ValueError(f"element of type {kind} where a variable should be")
        name, value = _matrix(content, order, 0)
        found[name] = value
    return found


def _element(data: memoryview, order: str) -> tuple[int, memoryview, memoryview]:
    """Return type and content of the first element, and what follows it."""
    first, size = struct.unpack_from(order + "II", data)
    if first >> 16:  # small form: size and type share four bytes, up to four bytes of content follow
        kind, size, start, end = first & 0xFFFF, first >> 16, 4, 8
    else:
        kind, start = first, 8
        end = 8 + size if kind == _COMPRESSED else 8 + (size + 7) // 8 * 8
    if start + size > len(data):
        raise ValueError("cut short")
    return kind, data[start : start + size], data[end:]


def _numbers(data: memoryview, order: str) -> tuple[np.ndarray[Any, Any], memoryview]:
    kind, content, rest = _element(data, order)
    return np.frombuffer(content, np.dtype(order + _STORED[kind])), rest


def _matrix(data: memoryview, order: str, depth: int) -> tuple[str, Any]:
    if depth > _DEEPEST:
        raise ValueError(f"nested deeper than {_DEEPEST}")
    if not len(data):
        return "", np.zeros((0, 0))
    flags, data = _numbers(data, order)
    shape, data = _numbers(data, order)
    _, name, data = _element(data, order)
    label = bytes(name).decode("ascii")
    kind, count = int(flags[0]) & 0xFF, int(np.prod(shape, dtype=np.int64))
    if kind == _CELL:
        cells = []
        for _ in range(count):
            _, content, data = _element(data, order)
            cells.append(_matrix(content, order, depth + 1)[1])
        return label, cells
    if kind == _STRUCT:
        return label, _structs(data, order, depth, count)
    if kind not in (*_CLASSES, _CHARACTERS) or int(flags[0]) & 0x800:
        return label, None
    stored, data = _numbers(data, order)
    if kind == _CHARACTERS:
        end = "le" if order == "<" else "be"
        encoding = {1: "utf-8", 2: f"utf-16-{end}", 4: f"utf-32-{end}"}[stored.itemsize]
        return label, stored.tobytes().decode(encoding, "replace")
    return label, stored.astype(_CLASSES[kind]).reshape(shape, order="F")


def _structs(data: memoryview, order: str, depth: int, count: int) -> Any:
    width, data = _numbers(data, order)
    _, joined, data = _element(data, order)
    size = int(width[0])
    names = [
        bytes(joined[start : start + size]).split(b"\0")[0].decode("ascii") for start in range(0, len(joined), size)
    ]
    entries = []
    for _ in range(count):
        fields = {}
        for name in names:
            _, content, data = _element(data, order)
            fields[name] = _matrix(content, order, depth + 1)[1]
        entries.append(fields)
    return entries[0] if count == 1 else entries
