"""Whether two names mean one file: by what they are, and not by how they are spelt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fourpass.disk import overwriting
from fourpass.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a photo under many names, another one, and a folder under two names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a b.png").write_bytes(b"photo")
    (tmp_path / "other.png").write_bytes(b"photo")  # equal contents are no equal file
    (tmp_path / "deep" / "c.png").write_bytes(b"deep")
    os.link("a b.png", "hard.png")
    os.symlink("a b.png", "soft.png")
    os.symlink("soft.png", "softer.png")
    os.symlink("deep", "door")
    os.symlink(tmp_path, "deep/er/up")  # a circle
    return tmp_path


SPELLINGS = [
    "a b.png",
    "./a b.png",
    "deep/../a b.png",
    "{here}/a b.png",
    "file://{here}/a b.png",
    "file://{here}/a%20b.png",
    "FILE://localhost{here}/a b.png",
    "local://{here}/a b.png",
    "LOCAL://{here}/soft.png",
    "hard.png",
    "soft.png",
    "softer.png",
    "deep/er/up/a b.png",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_input_is_found_under_every_name(spelling: str, here: Path) -> None:
    name = spelling.format(here=here)
    for read, write in ((name, "a b.png"), ("a b.png", name)):
        with pytest.raises(ConfigError, match=r"is an input.*never overwritten; turn back"):
            overwriting.check(["other.png", read], ["new.png", write], way_out="turn back")
    overwriting.check([name], ["other.png", "new/a b.png", "deep/c.png"])


@pytest.mark.parametrize(
    "read",
    [
        "zip://x.png::a b.png",
        "zip://x.png::{here}/a b.png",
        "zip://::file://{here}/soft.png",
        "simplecache::local://{here}/hard.png",
        "zip://x.png::simplecache::file://{here}/a b.png",
        "dir://b.png::file://{here}",
    ],
)
def test_a_file_that_is_read_from_inside_counts(read: str, here: Path) -> None:
    with pytest.raises(ConfigError, match="never overwritten"):
        overwriting.check([read.format(here=here)], ["a b.png"])
    overwriting.check([read.format(here=here)], ["new.png"])


@pytest.mark.parametrize("folder", ["deep", "door", ".", "deep/er"])
def test_files_of_a_folder_count_through_links_and_circles(folder: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.png: is an input"):
        overwriting.check([folder], ["deep/c.png"])
    overwriting.check([folder], ["deep/new.png"])
    overwriting.check([folder], ["deep/c.png"], suffixes={".jpg"})


def test_an_open_file_is_that_file() -> None:
    with open("a b.png", "rb") as stream:
        with pytest.raises(ConfigError, match="is an input"):
            overwriting.check([stream.fileno()], ["soft.png"])
        overwriting.check([stream.fileno()], ["other.png"])
    reading, writing = os.pipe()
    overwriting.check([reading], ["a b.png", writing])  # a pipe is no file
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("new.png", "./new.png"),
        ("new/x.png", "new/../new/x.png"),
        ("deep/new.png", "door/new.png"),
        ("a b.png", "softer.png"),
        ("new.png", "file://{here}/new.png"),
        ("s3://bucket/x.png", "S3://bucket//x.png"),
    ],
)
def test_two_outputs_are_not_one_file(first: str, second: str, here: Path) -> None:
    with pytest.raises(ConfigError, match="each output needs a file of its own"):
        overwriting.check([], [first.format(here=here), second.format(here=here)])


def test_upper_and_lower_case_are_one_where_the_disk_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    overwriting.check([], ["New.png", "new.PNG"])  # not so here
    real = os.stat

    def forgiving(name: object, *rest: object, **more: object) -> os.stat_result:
        """A file system that finds a file under any case."""
        try:
            return real(name, *rest, **more)  # type: ignore[arg-type]
        except FileNotFoundError:
            head, tail = os.path.split(os.fspath(name))  # type: ignore[arg-type]
            for there in os.listdir(head or "."):
                if there.casefold() == tail.casefold():
                    return real(os.path.join(head, there), *rest, **more)  # type: ignore[arg-type]
            raise

    monkeypatch.setattr(overwriting.os, "stat", forgiving)
    with pytest.raises(ConfigError, match="the same file as"):
        overwriting.check([], ["New.png", "new.PNG"])
    with pytest.raises(ConfigError, match="the same file as"):
        overwriting.check([], ["new/ä.png", "New/a\N{COMBINING DIAERESIS}.png"])
    with pytest.raises(ConfigError, match="is an input"):
        overwriting.check(["a b.png"], ["A B.PNG"])


def test_a_store_is_compared_by_its_urls() -> None:
    with pytest.raises(ConfigError, match="is an input"):
        overwriting.check(["s3://bucket/in/a.png"], ["s3://bucket/in//a.png"])
    overwriting.check(["s3://bucket/in/a.png"], ["s3://bucket/out/a.png", "gs://bucket/in/a.png"])


@pytest.mark.parametrize(
    "folder", ["deep", "deep/er", "deep/new/er", "door", "door/new", "deep/er/up/deep", "{here}/door"]
)
def test_inside(folder: str, here: Path) -> None:
    assert overwriting.inside(folder.format(here=here), ["nowhere", "deep"])
    assert overwriting.inside(folder.format(here=here), ["door"])
    assert not overwriting.inside(folder.format(here=here), ["deep/er/none", "a b.png"])


def test_a_folder_beside_another_is_not_inside() -> None:
    assert not overwriting.inside("deeper", ["deep"])
    assert not overwriting.inside(".", ["deep"])
    assert overwriting.inside("s3://bucket/photos/large", ["s3://bucket/photos/"])
    assert not overwriting.inside("s3://bucket/photos2", ["s3://bucket/photos"])
