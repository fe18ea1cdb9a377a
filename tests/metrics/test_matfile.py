"""The MAT-file reader against files that scipy writes, and against damaged ones."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from fourpass.errors import MetricError
from fourpass.metrics.matfile import read_mat


@pytest.fixture
def content() -> dict[str, object]:
    cell = np.empty((1, 3), object)
    cell[0, 0], cell[0, 1], cell[0, 2] = np.arange(4.0), {"a": np.int32([[1, 2], [3, 4]])}, "text µ"
    return {
        "double": np.array([[1.5, -2.0, np.pi], [0.0, 4.0, 5.0]]),
        "single": np.float32([[0.1]]),
        "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "large": np.array([[2**40, -5]], np.int64),
        "box": cell,
        "record": {"linear": np.array([[1.0], [2.0]]), "inner": {"name": "x", "three": np.zeros((2, 3, 4))}},
        "nothing": np.zeros((0, 0)),
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_scipy_writes(tmp_path: Path, content: dict[str, object], compressed: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, content, do_compression=compressed)
    found = read_mat(path)
    assert found.keys() == content.keys()
    for name in ("double", "single", "bytes", "large", "nothing"):
        np.testing.assert_array_equal(found[name], content[name])
        assert found[name].dtype == content[name].dtype  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found["box"][0].ravel(), np.arange(4.0))
    np.testing.assert_array_equal(found["box"][1]["a"], [[1, 2], [3, 4]])
    assert found["box"][2] == "text µ"
    assert found["record"]["inner"]["name"] == "x"
    assert found["record"]["inner"]["three"].shape == (2, 3, 4)
    np.testing.assert_array_equal(found["record"]["linear"], [[1.0], [2.0]])


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_reads_every_kind_of_number(tmp_path: Path, kind: str) -> None:
    numbers = np.array([[0, 1, 100], [3, 4, 127]], kind)
    savemat(tmp_path / "a.mat", {"x": numbers})
    found = read_mat(tmp_path / "a.mat")["x"]
    np.testing.assert_array_equal(found, numbers)
    assert found.dtype == kind


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("stored", "encoding"), [(16, "utf-8"), (17, "utf-16"), (4, "utf-16"), (18, "utf-32")])
def test_reads_characters_of_every_width(tmp_path: Path, order: str, stored: int, encoding: str) -> None:
    text = "width"
    content = text.encode(encoding + ("" if encoding == "utf-8" else "-le" if order == "<" else "-be"))
    body = struct.pack(order + "IIII", 6, 8, 4, 0) + struct.pack(order + "IIii", 5, 8, 1, len(text))
    name = struct.pack(order + "I4s", (1 << 16) + 1, b"x")  # the small form: size and type in one word
    body += name + struct.pack(order + "II", stored, len(content)) + content + bytes(-len(content) % 8)
    path = tmp_path / "a.mat"
    mark = b"\x00\x01IM" if order == "<" else b"\x01\x00MI"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + mark + struct.pack(order + "II", 14, len(body)) + body)
    assert read_mat(path) == {"x": text}


def test_reads_the_other_byte_order(tmp_path: Path) -> None:
    flags = struct.pack(">IIII", 6, 8, 6, 0)  # an array of doubles
    shape = struct.pack(">IIii", 5, 8, 1, 2)
    name = struct.pack(">HH4s", 1, 1, b"x")  # the small form of an element, its size first
    numbers = struct.pack(">IIdd", 9, 16, 1.25, -3.0)
    body = flags + shape + name + numbers
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    path = tmp_path / "big.mat"
    path.write_bytes(header + struct.pack(">II", 14, len(body)) + body)
    np.testing.assert_array_equal(read_mat(path)["x"], [[1.25, -3.0]])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_short_or_changed_is_an_error_of_ours(
    tmp_path: Path, content: dict[str, object], compressed: bool
) -> None:
    path = tmp_path / "a.mat"
    savemat(path, content, do_compression=compressed)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        _read_or_refuse(path)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[int(random.integers(128, len(whole)))] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        _read_or_refuse(path)


def _read_or_refuse(path: Path) -> None:
    """A change may go unseen; any error but a MetricError fails the test."""
    with contextlib.suppress(MetricError):
        read_mat(path)


def test_other_formats_name_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MetricError, match="-v7"):
        read_mat(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n".ljust(600))
    with pytest.raises(MetricError, match="-v7"):
        read_mat(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(MetricError, match="not a MAT-file"):
        read_mat(path)
    with pytest.raises(MetricError, match="cannot be read"):
        read_mat(tmp_path / "missing.mat")


def test_what_is_not_read_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"z": np.array([1 + 2j]), "s": csc_array(np.eye(3)), "after": 5.0})
    found = read_mat(path)
    assert (found["z"], found["s"]) == (None, None)
    assert found["after"].item() == 5
