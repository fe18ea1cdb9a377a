"""How long a person waits for a part of a photo, over HTTP: the first preview, the same look again, another look.

    python benchmarks/previews.py [-n eusr -n swift] [--part 512] [--scale 2] [--times 5]

Each model has a server of its own, as `fourpass serve -n MODEL` starts it. The servers run side by side and take turns,
preview by preview, so that other work on the machine hits all of them; the ratios are of the first model to each other
one, the median over the turns. "First" is the first preview of a server that answers already; its worker may still be
loading. "Again" sends another part with the same look, "new look" a value of the model's first dial that is not loaded
yet; a model without a dial has none. The page tries parts of 96 pixels: --part 96 --scale 4.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files as resources
from pathlib import Path

import httpx
import numpy as np

from fourpass.imaging import files

KINDS = ("first", "again", "new look")


@contextlib.contextmanager
def serving(model: str) -> Iterator[httpx.Client]:
    """Yield a client of a server of this model that answers, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fourpass.cli.app", "serve", "-n", model, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300) as client:
            while True:
                try:
                    client.get("/healthz").raise_for_status()
                    break
                except httpx.HTTPError:
                    if server.poll() is not None:
                        raise SystemExit(f"{model}: the server ended with {server.returncode}") from None
                    time.sleep(0.1)
            yield client
    finally:
        server.terminate()
        server.wait(60)


def parts(side: int) -> Iterator[bytes]:
    """Yield square parts of the page's example photo as PNG, each another, with mirrored edges where it is small."""
    photo = files.read((resources("fourpass.server") / "page" / "example.jpg").read_bytes()).frames[0]
    rows, columns = (max(0, side - length) for length in photo.shape[:2])
    photo = np.pad(photo, ((0, rows), (0, columns), (0, 0)), mode="symmetric")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "part.png"
        for step in itertools.count():
            files.write(file, np.ascontiguousarray(np.roll(photo, 7 * step, axis=1)[:side, :side]))
            yield file.read_bytes()


def seconds(client: httpx.Client, part: bytes, **options: float) -> float:
    """Return how long a preview takes, with upload and answer."""
    began = time.monotonic()
    fields = {name: str(value) for name, value in options.items()} | {"format": "png"}
    answer = client.post("/v1/preview", files={"image": ("part.png", part)}, data=fields)
    if answer.status_code != 200:
        raise SystemExit(f"the server answered {answer.status_code}: {answer.json()['detail']}")
    return time.monotonic() - began


def measure(models: list[str], side: int, scale: float, times: int) -> dict[str, dict[str, list[float]]]:
    """Return model -> kind -> seconds of each preview."""
    found: dict[str, dict[str, list[float]]] = {model: {kind: [] for kind in KINDS} for model in models}
    part = parts(side)
    with contextlib.ExitStack() as stack:
        clients: dict[str, httpx.Client] = {}
        for model in models:
            clients[model] = stack.enter_context(serving(model))
            found[model]["first"].append(seconds(clients[model], next(part), scale=scale))
        dials = {model: client.get("/v1/models").json()["dials"] for model, client in clients.items()}
        # `auto` may choose another value for each part: that would not be the same look
        usual = {
            model: {dial["name"]: next(iter(dial["defaults"].values())) for dial in found_dials}
            for model, found_dials in dials.items()
        }
        for model, client in clients.items():
            seconds(client, next(part), scale=scale, **usual[model])
        for turn in range(times):
            content = next(part)
            for model, client in clients.items():
                found[model]["again"].append(seconds(client, content, scale=scale, **usual[model]))
            for model, client in clients.items():
                if usual[model]:
                    name = next(iter(usual[model]))
                    look = {**usual[model], name: round(0.11 + 0.8 * turn / times, 4)}
                    found[model]["new look"].append(seconds(client, content, scale=scale, **look))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--model", action="append", help="repeat it to compare; default: eusr and swift")
    parser.add_argument("--part", type=int, default=512, help="side of the part in pixels")
    parser.add_argument("--scale", type=float, default=2)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    models = arguments.model or ["eusr", "swift"]
    found = measure(models, arguments.part, arguments.scale, arguments.times)
    side = arguments.part
    print(f"a part of {side}x{side} by {arguments.scale:g}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for model in models:
        for kind, each in found[model].items():
            if each:
                middle = statistics.median(each)
                print(f"{model:12} {kind:9} {middle:7.2f} s  ({min(each):.2f} to {max(each):.2f}, {len(each)} times)")
    for model in models[1:]:
        for kind in KINDS:
            pairs = zip(found[models[0]][kind], found[model][kind], strict=False)
            if ratios := [slow / fast for slow, fast in pairs]:
                print(f"{models[0]}/{model} {kind}: {statistics.median(ratios):.1f} times")


if __name__ == "__main__":
    main()
