"""A server that is sent the files of `bombs.py` answers soon, and needs little more memory than for a plain picture."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
pytest.importorskip("httpx")
pytest.importorskip("uvicorn")

import bombs
import bombs_uploaded


@pytest.mark.slow  # seconds on a quiet machine, some minutes on a busy one
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory of processes from /proc")
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_memory_and_time_are_bounded(format: str) -> None:
    done = bombs_uploaded.uploads(format=format, scale="2")
    plain = done.pop(bombs_uploaded.PLAIN)
    assert plain.status == 200
    assert list(done) == list(bombs.BOMBS)
    assert {name: each for name, each in done.items() if each.status not in (200, 422)} == {}
    assert {name: each for name, each in done.items() if each.peak - plain.peak >= 300} == {}
    assert {name: each for name, each in done.items() if each.processor_seconds >= 5} == {}
