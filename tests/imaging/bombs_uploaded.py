"""Upload the files of `bombs.py` to a server, and tell the memory and the time that each takes.

    python tests/imaging/bombs_uploaded.py [--format tiff]

Starts ``fourpass serve`` with one worker, uploads a plain picture, and then each bomb. The peak is of all processes of
the server together (each one's own peak, added), beyond that of the plain picture. Reads /proc, so it needs Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bombs
import httpx
import picture_bytes as make

PLAIN = "plain.png"


@dataclass(frozen=True)
class Upload:
    """What came of one file.

    Attributes:
        status, said: of the answer; what is in the result that was sent is not said.
        seconds: until the answer was there, by the clock.
        processor_seconds: of all processes of the server, meanwhile.
        peak: MiB that they had at most.
    """

    status: int
    said: str
    seconds: float
    processor_seconds: float
    peak: float


@contextlib.contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server of its own on a free port; gives its address and its process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", "from fourpass.cli.app import main; main()", "serve", "--port", str(port)]
    process = subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{address}/healthz")
                break
            if process.poll() is not None:
                raise RuntimeError("the server does not start")
            time.sleep(0.1)
        yield address, process
    finally:
        process.terminate()
        process.wait(60)


def upload(address: str, process: int, content: bytes, path: str = "/v1/upscale", **fields: str) -> Upload:
    """Send one file and wait for the answer; `process` is the server's, whose children count with it."""
    family = [process, *_children(process)]
    for each in family:
        Path(f"/proc/{each}/clear_refs").write_text("5")  # its peak starts again from what it has now
    used, began = sum(map(_processor_seconds, family)), time.monotonic()
    answer = httpx.post(f"{address}{path}", files={"image": ("picture", content)}, data=fields, timeout=300)
    seconds = time.monotonic() - began
    is_problem = answer.headers["content-type"] == "application/problem+json"
    return Upload(
        answer.status_code,
        answer.json()["detail"] if is_problem else answer.headers["content-type"],
        seconds,
        sum(map(_processor_seconds, family)) - used,
        sum(map(_peak, family)),
    )


def _children(process: int) -> list[int]:
    """Return the process ids of all that descend from one."""
    own: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            own += [child, *_children(child)]
    return own


def _peak(process: int) -> float:
    """MiB that a process had at most since its peak was set back."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _processor_seconds(process: int) -> float:
    parts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def uploads(**fields: str) -> dict[str, Upload]:
    """Upload a plain picture, twice, so that the network is loaded, and then every bomb; returns what came of each."""
    plain = make.encode(make.random_pixels(8, 8, 3), "PNG")
    with server() as (address, process):
        upload(address, process.pid, plain, **fields)
        done = {PLAIN: upload(address, process.pid, plain, **fields)}
        for name, build in bombs.BOMBS.items():
            done[name] = upload(address, process.pid, build(), **fields)
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", default="tiff")
    done = uploads(format=parser.parse_args().format, scale="2")
    print(f"{PLAIN}: {done[PLAIN].peak:.0f} MiB")
    for name, each in done.items():
        print(
            f"{name:22} {each.status} {each.peak - done[PLAIN].peak:5.0f} MiB {each.processor_seconds:5.1f} s of "
            f"processor {each.seconds:5.1f} s {each.said}"
        )
