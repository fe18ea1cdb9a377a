"""A file is there whole or not at all, and there is one way of writing it."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

import pytest

import fourpass
from fourpass.disk import atomic
from fourpass.errors import ConfigError, DatasetError, ImageError, WeightsError


def test_the_new_file_takes_the_old_ones_place_and_mode(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    atomic.write(target, b"one")
    os.chmod(target, 0o640)
    os.symlink(target, tmp_path / "link")
    atomic.write(tmp_path / "link", b"two")
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert (tmp_path / "link").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["link", "new"]
    assert os.listdir(tmp_path / "new") == ["file"]


def test_another_name_of_the_old_file_keeps_its_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    os.link(tmp_path / "a", tmp_path / "b")
    atomic.write(tmp_path / "a", b"new")
    assert (tmp_path / "b").read_bytes() == b"old"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ValueError, OSError])
def test_whatever_goes_wrong_the_old_file_stays(kind: type[BaseException], tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(kind), atomic.whole(target) as stream:  # noqa: PT012
        stream.write(b"half")
        assert target.read_bytes() == b"old"
        raise kind
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("kind", [ConfigError, DatasetError, ImageError, WeightsError])
def test_each_user_gets_errors_of_its_own_kind(kind: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"")
    says = {
        "folder": "is a folder, where",
        "pipe": "is not a regular file, where",
        "file/inside": "cannot be written",
        "n" * 300: "the name is longer than names may be here",
    }
    for name, words in says.items():
        with pytest.raises(kind, match=f"{name}: {words}") as raised:
            atomic.write(tmp_path / name, b"", kind)  # type: ignore[arg-type]
        assert "\n" not in str(raised.value)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    atomic.write(tmp_path / ("n" * 255), b"x")
    assert os.listdir(tmp_path) == ["n" * 255]


def test_a_name_that_is_too_long_is_found_out_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="File name too long") as raised, atomic.whole(tmp_path / ("n" * 256)):
        pytest.fail("the work was begun")
    assert raised.value.errno == errno.ENAMETOOLONG


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="wants Linux's list of open files")
def test_what_a_killed_process_left_is_removed_and_no_more(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        with atomic.whole(tmp_path / name) as stream:
            stream.write(b"whole")
            left = tmp_path / os.readlink(f"/proc/self/fd/{stream.fileno()}")
            left.with_name(left.name[:-4] + "left.tmp").write_bytes(b"half")
    assert len(list(tmp_path.glob(".*.tmp"))) == 2
    atomic.forget(tmp_path / "a.png")
    assert len(list(tmp_path.glob(".*.tmp"))) == 1
    assert {path.name for path in tmp_path.glob("*.png")} == {"a.png", "b.png"}


def test_nothing_else_puts_files_in_place() -> None:
    """A checkpoint's second name is a link, and ncnn reads from a temporary folder; other files go through `atomic`."""
    source = Path(fourpass.__file__).parent
    own_ways = re.compile(r"os\.replace\(|os\.rename\(|NamedTemporaryFile|mkstemp|temporary\.replace|\.write_bytes\(")
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.py") if own_ways.search(path.read_text())}
    assert found <= {"disk/atomic.py", "training/checkpoint.py", "engine/backends/ncnn.py"}
