"""A child forked after the first picture has lost the libraries' threads: it must say so, and never wait for them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path

import picture_bytes as make
import pytest

pytestmark = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="wants an operating system that forks"
)

SCRIPT = """
import multiprocessing, sys
import numpy as np
import fourpass
from fourpass.imaging import files

def read(_): return files.read("a.png").header.width
def write(_): return files.write("b.png", np.zeros((4, 4, 3), np.uint8))
def run(_): return fourpass.upscale(np.zeros((8, 8, 3), np.uint8), 2, strength=0.0).shape

if __name__ == "__main__":
    before, method, work = sys.argv[1:]
    for name in before.split(","):
        if name:
            globals()[name](None)
    with multiprocessing.get_context(method).Pool(1) as pool:
        try:
            print(pool.map_async(globals()[work], [None]).get(60))
        except Exception as error:
            print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("before", "method", "work", "says"),
    [
        ("read", "fork", "read", "BackendError this process was forked"),
        ("read", "fork", "write", "BackendError this process was forked"),
        ("run", "fork", "run", "BackendError this process was forked"),
        ("run", "fork", "read", "BackendError this process was forked"),
        ("", "fork", "read", "[30]"),  # the child uses the threads first
        ("read", "spawn", "read", "[30]"),
    ],
)
def test_a_child(before: str, method: str, work: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(make.encode(make.random_pixels(20, 30, 3), "PNG"))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-W", "ignore", "script.py", before, method, work]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith(says), done.stdout + done.stderr
