"""Places other than folders: what can be read there, and what is refused before anything is done."""

from __future__ import annotations

import zipfile
from pathlib import Path

import picture_bytes as make
import pytest

from fourpass.errors import ConfigError, ImageError
from fourpass.jobs import pairs, record, stores
from fourpass.jobs.work import source_of

pytest.importorskip("fsspec", reason="wants the extra batch")
PNG = make.encode(make.random_pixels(4, 5, 3), "PNG")


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """A ZIP archive with two pictures and things that are none."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("top.png", "in/deep.jpg", "in/.hidden.png", "notes.txt"):
            file.writestr(name, PNG)
    return f"zip://::{tmp_path / 'a.zip'}"


def test_pictures_in_an_archive_are_inputs(archive: str, tmp_path: Path) -> None:
    found = pairs.pairs([archive], str(tmp_path / "out"), recursive=True, into_folder=True)
    places = [Path(pair.target).relative_to(tmp_path / "out").as_posix() for pair in found]
    assert places == ["in/deep.jpg", "top.png"]
    assert [source_of(pair) for pair in found] == [PNG, PNG]
    inner = archive.replace("zip://::", "zip://in::")
    (one,) = pairs.pairs([inner], str(tmp_path / "out"), recursive=True, into_folder=True)
    assert one.target == str(tmp_path / "out" / "deep.jpg")
    assert source_of(one) == PNG


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened|no such folder"):
        pairs.pairs([f"zip://::{tmp_path / 'none.zip'}"], str(tmp_path), recursive=True, into_folder=True)


def test_memory_is_refused_in_and_out(tmp_path: Path) -> None:
    for url in ("memory://x", "MEMORY://x/y.png"):
        with pytest.raises(ConfigError, match="is the memory of one process"):
            record.Record(url)
        with pytest.raises(ConfigError, match="is the memory of one process"):
            stores.read(url)
        with pytest.raises(ConfigError, match="is the memory of one process"):
            pairs.pairs([str(tmp_path)], url)


@pytest.mark.parametrize("target", ["zip://out::a.zip", "simplecache::file:///tmp/a.png", "zip://o.png::s3://x/a.zip"])
def test_nothing_is_written_into_another_file(target: str) -> None:
    with pytest.raises(ConfigError, match="is inside another file"):
        pairs.pairs(["a.png"], target)


def test_a_store_that_cannot_be_written_is_found_out_at_once(archive: str) -> None:
    kept = record.Record(archive.replace("zip://::", "zip://out::"))
    with pytest.raises(ConfigError, match="cannot be written"):
        kept.begin()


def test_what_is_not_there_is_named(archive: str) -> None:
    with pytest.raises(ImageError, match=r"none\.png::.*cannot be read"):
        stores.read(archive.replace("zip://::", "zip://none.png::"))


@pytest.mark.parametrize(
    ("folder", "joined"),
    [
        ("s3://bucket", "s3://bucket/a/b.png"),
        ("s3://bucket/x/", "s3://bucket/x/a/b.png"),
        ("zip://::/tmp/a.zip", "zip://a/b.png::/tmp/a.zip"),
        ("zip://x::/tmp/a.zip", "zip://x/a/b.png::/tmp/a.zip"),
        ("/tmp/x", "/tmp/x/a/b.png"),
        ("file:///tmp/x", "/tmp/x/a/b.png"),
    ],
)
def test_names_in_folders(folder: str, joined: str) -> None:
    assert stores.join(folder, "a/b.png") == joined
