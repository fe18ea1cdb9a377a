"""Files that ask for much get little: within limits, and within 300 MB more than a plain picture."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bombs
import picture_bytes as make
import pytest

from fourpass.errors import ImageError
from fourpass.imaging import budget, files

# Prints, after each file, the peak memory, in MiB, beyond that of reading and writing the first one, a small picture.
_SCRIPT = """
import pathlib, resource, sys
from fourpass.errors import ImageError
from fourpass.imaging import files

def use(path):
    try:
        picture = files.read(path)
        for suffix in ("png", "tif"):
            files.write(pathlib.Path(path).with_name("out." + suffix), picture)
    except ImageError:
        pass

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

use(sys.argv[1])
before = peak()
for path in sys.argv[2:]:
    use(path)
    print(pathlib.Path(path).name, peak() - before)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="wants the peak memory of a process")
def test_memory_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(make.encode(make.random_pixels(8, 8, 3), "PNG"))
    for name, build in bombs.BOMBS.items():
        (tmp_path / name).write_bytes(build())
    paths = [tmp_path / name for name in ("plain.png", *bombs.BOMBS)]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *paths], capture_output=True, text=True, check=True, timeout=250
    )
    peaks = dict(line.split() for line in done.stdout.splitlines())
    assert list(peaks) == list(bombs.BOMBS)
    assert {name: peak for name, peak in peaks.items() if float(peak) >= 300} == {}


def test_what_goes_beyond_the_limit_is_named_and_the_picture_is_read() -> None:
    picture = files.read(bombs.packed_texts())
    assert picture.header.size == (8, 8)
    assert picture.header.metadata.unread == ("metadata beyond 16 MiB",)
    assert sum(len(text) for _, text in picture.header.metadata.texts) <= budget.MOST


def test_large_metadata_within_the_limit_is_kept() -> None:
    text = make.png_chunk(b"tEXt", b"workflow\0" + b"w" * (12 * bombs.MIB))
    data = make.encode(make.random_pixels(8, 8, 3), "PNG")
    metadata = files.probe(data[:33] + text + data[33:]).metadata
    assert metadata.texts == (("workflow", "w" * (12 * bombs.MIB)),)
    assert metadata.unread == ()


def test_numbers_of_parts_are_limited() -> None:
    with pytest.raises(ImageError, match=r"^x: has more than 4,000 pages; split it"):
        files.probe(bombs.pages(4_001), name="x")
    assert files.probe(bombs.pages(4_000), name="x").frames == 4_000
    with pytest.raises(ImageError, match=r"^x: has more than 4,000 frames; split it"):
        files.probe(bombs.frames("GIF", 4_400), name="x")
