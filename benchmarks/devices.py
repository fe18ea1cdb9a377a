"""Our networks by each backend beside SPAN's and Real-ESRGAN's through the same ncnn, in one run.

Each row runs in turn with the others, several times; the best of its runs counts. On a machine that has other work,
only the seconds of processors mean much. Peers: see peers.py.

    python benchmarks/devices.py [--side 128] [--rounds 3] [--threads 1 2] [--models swift eusr]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import peers

SCALE = 4


def rows(models: list[str], threads: int, side: int) -> dict[str, Callable[[], object]]:
    """Return what runs once, by its label."""
    from fourpass.engine import backends, hardware

    # First, so that its threads sleep while they wait; peers then run in the same library.
    from fourpass.engine.backends.ncnn_network import module
    from fourpass.engine.engine import Engine
    from fourpass.engine.sources import OurWeights
    from fourpass.weights import load

    module()
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    batch = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
    found: dict[str, Callable[[], object]] = {}
    for name in backends.BACKENDS:
        backend = backends.get(name)
        if backend.missing() or name == "torch":  # its threads are the whole program's: see upscale.py
            continue
        for precision in backend.precisions("cpu"):
            engine = Engine(name, device="cpu", precision=precision, threads=threads)
            for model in models:
                session = engine.load(OurWeights(load(model), SCALE))
                found[f"{model} {name} {precision}"] = lambda session=session: session.run(batch)
    for name in peers.FILES:
        if peers.missing(name):
            print(f"{name} is left out: {peers.missing(name)} is not installed")
            continue
        run = peers.peer(name, threads)
        # What peers mirror around a picture is not ours to count.
        inner = picture[peers.BORDER : -peers.BORDER, peers.BORDER : -peers.BORDER]
        found[f"{name} ncnn fp32"] = lambda run=run, inner=inner: run(inner)
    print(f"by {hardware.processor()}, {platform.machine()}, {threads} threads")
    return found


def main() -> None:
    """Run all rows in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="of the square that networks see, in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--models", nargs="+", default=["swift", "eusr"])
    parser.add_argument("--without", nargs="+", default=[], help="rows that begin like this are left out")
    options = parser.parse_args()
    for threads in options.threads:
        ready = {
            label: run
            for label, run in rows(options.models, threads, options.side).items()
            if not label.startswith(tuple(options.without) or ("\0",))
        }
        best = {label: (float("inf"), float("inf")) for label in ready}
        for run in ready.values():
            run()
        for _ in range(options.rounds):
            for label, run in ready.items():
                clock, processors = time.perf_counter(), time.process_time()
                run()
                spent = time.perf_counter() - clock, time.process_time() - processors
                best[label] = min(best[label][0], spent[0]), min(best[label][1], spent[1])
        base = best.get("span ncnn fp32")
        print(f"x{SCALE}, {options.side}x{options.side} pixels in, best of {options.rounds} runs")
        print(f"  {'':<28}{'by the clock':>22}{'of processors':>22}")
        for label, spent in sorted(best.items(), key=lambda item: item[1][1]):
            shares = (
                [f"{mine / theirs:6.2f} of SPAN's" for mine, theirs in zip(spent, base, strict=True)] if base else []
            )
            cells = [f"{seconds:6.3f} s {share}" for seconds, share in zip(spent, shares or ["", ""], strict=True)]
            print(f"  {label:<28}{cells[0]:>26}{cells[1]:>26}")


if __name__ == "__main__":
    main()
