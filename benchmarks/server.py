"""Load the server on the loopback: throughput beside the bare engine's in the same run, latency, memory, requests lost.

python benchmarks/server.py [--requests 200] [--at-once 8] [--side 48]
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from fourpass import Upscaler
from fourpass.imaging import files
from fourpass.jobs import one_file


def resident(pid: int) -> float:
    """MiB that a process and its children hold."""
    total = 0.0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if int(entry.name) == pid or int(status["PPid"]) == pid:
            total += float(status.get("VmHWM", "0 kB").split()[0]) / 1024
    return total


def engine(content: bytes, requests: int) -> float:
    """Seconds that the same jobs take in one process without a server."""
    upscaler = Upscaler("eusr", threads=os.cpu_count())
    wanted = one_file.UpscaleOptions(scale=2)
    planned = one_file.plan(upscaler, content, wanted, key="png", name="result")
    one_file.upscale_file(upscaler, content, io.BytesIO(), planned, wanted)
    began = time.monotonic()
    for _ in range(requests):
        one_file.upscale_file(upscaler, content, io.BytesIO(), planned, wanted)
    return time.monotonic() - began


async def load(url: str, content: bytes, requests: int, at_once: int) -> tuple[float, list[float], int]:
    """Send requests, some at once; returns seconds in all, of each, and how many were not answered with a picture."""
    times: list[float] = []
    lost = 0
    gate = asyncio.Semaphore(at_once)
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:

        async def one() -> None:
            nonlocal lost
            async with gate:
                began = time.monotonic()
                answer = await client.post("/v1/upscale", files={"image": ("a.png", content)}, data={"scale": "2"})
                times.append(time.monotonic() - began)
                lost += answer.status_code != 200

        await one()  # the first one loads the network
        times.clear()
        began = time.monotonic()
        await asyncio.gather(*(one() for _ in range(requests)))
        return time.monotonic() - began, times, lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--side", type=int, default=48)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.png"
        side = arguments.side
        files.write(file, np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8))
        content = file.read_bytes()
    command = [sys.executable, "-m", "fourpass.cli.app", "serve", "--port", "8199"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = "http://127.0.0.1:8199"
        for _ in range(300):
            try:
                httpx.get(f"{url}/healthz")
                break
            except httpx.ConnectError:
                time.sleep(0.2)
        seconds, times, lost = asyncio.run(load(url, content, arguments.requests, arguments.at_once))
        memory = resident(server.pid)
    finally:
        server.terminate()
        server.wait(60)
    bare = engine(content, arguments.requests)
    print(f"{arguments.requests} requests of {side}x{side} by 2, {arguments.at_once} at a time; {lost} lost")
    print(
        f"server: {arguments.requests / seconds:.2f} requests/s, p95 {np.percentile(times, 95):.2f} s, {memory:.0f} MiB"
    )
    print(f"engine: {arguments.requests / bare:.2f} jobs/s; the server reaches {100 * bare / seconds:.0f} % of it")


if __name__ == "__main__":
    main()
