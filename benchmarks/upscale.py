"""How fast fourpass upscales, and in how much memory, against the same network in PyTorch eager, in one run.

Each row runs in a process of its own, several times in turn with the others, so that a busy machine slows all alike;
the best of a row's runs counts. Speeds are of useful work: what tiles compute twice, in their halos, is not counted.

    python benchmarks/upscale.py [--side 256] [--scale 4] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

EAGER = "PyTorch eager fp32, whole image"
# What `import to first pixel` runs: a fresh interpreter, a small photo, the default settings.
FIRST_PIXEL = """
import numpy, fourpass
picture = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), numpy.uint8)
next(fourpass.Upscaler().rows(picture, 4))
"""


def configurations() -> dict[str, dict[str, str]]:
    """Every backend that is installed, at every precision that it runs well here."""
    from fourpass.engine import backends

    rows = {EAGER: {"kind": "eager"}}
    for name in backends.BACKENDS:
        backend = backends.get(name)
        if backend.missing() is None:
            for precision in backend.precisions("cpu"):
                rows[f"fourpass {name} {precision}"] = {"kind": "ours", "backend": name, "precision": precision}
    for precision in ("fp32", "bf16"):
        rows[f"GEMM {precision}"] = {"kind": "gemm", "precision": precision}
    return rows


def best(work: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of several runs, after one that warms up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(row: dict[str, str], side: int, scale: int, repeats: int) -> dict[str, Any]:
    """Run one row in this process; seconds, peak RSS in bytes, and which device ran."""
    if row["kind"] == "gemm":
        return {"rate": gemm(row["precision"], repeats)}
    from fourpass.weights import load

    weights = load("eusr")
    picture = photo(side)
    if row["kind"] == "eager":
        import torch

        from fourpass.models import build

        network = build(weights).eval()
        batch = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))

        def work() -> None:
            with torch.no_grad():
                network(batch, scale).clamp_(0, 255).round_().to(torch.uint8).numpy()

        device = "CPU"
    else:
        from fourpass.upscaling.upscaler import Upscaler

        upscaler = Upscaler(weights, backend=row["backend"], device="cpu", precision=row["precision"])

        def work() -> None:
            upscaler.upscale(picture, scale)

        device = upscaler.engine.device
    seconds = best(work, repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": peak * (1 if sys.platform == "darwin" else 1024), "device": device}


def gemm(precision: str, repeats: int) -> float:
    """The best FLOP/s that a large square matrix product reaches, by NumPy's BLAS or PyTorch's."""
    import torch

    side = 2048
    if precision == "bf16":
        wide = torch.randn(side, side, dtype=torch.bfloat16)
        return 2 * side**3 / best(lambda: wide @ wide, repeats)
    array = np.random.default_rng(0).standard_normal((side, side), np.float32)
    tensor = torch.from_numpy(array)
    return 2 * side**3 / min(best(lambda: array @ array, repeats), best(lambda: tensor @ tensor, repeats))


def photo(side: int) -> np.ndarray:
    """A picture; what is in it does not change the speed."""
    y, x = np.mgrid[0:side, 0:side]
    waves = np.stack([np.sin(x / (5 + c)) * np.cos(y / (9 - c)) for c in range(3)], axis=2)
    return (128 + 100 * waves).astype(np.uint8)


def flops(scale: int) -> float:
    """Multiplications and additions of the network's convolutions, an input pixel, counted in its graph."""
    import onnx

    from fourpass.engine.graphs import onnx_model
    from fourpass.weights import load

    model = onnx_model(load("eusr"), scale)
    kernels = {item.name: item.dims for item in model.graph.initializer}
    side = 64
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = side
    shapes = {
        item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        for item in (*onnx.shape_inference.infer_shapes(model).graph.value_info, model.graph.output[0])
    }
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += 2 * int(np.prod(kernels[node.input[1]])) * int(np.prod(shapes[node.output[0]][2:]))
    return total / side**2


def first_pixel(rounds: int) -> tuple[float, float]:
    """Least seconds, by the clock and of processors, from starting an interpreter to upscaled rows of 64x64 pixels."""
    clock, processors = [], []
    for _ in range(rounds):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST_PIXEL], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock.append(time.perf_counter() - start)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(clock), min(processors)


def main() -> None:
    """Run all rows in turn, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256, help="of the square input picture, in pixels")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2, help="timed runs of a row in each round")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(json.loads(options.row), options.side, options.scale, options.repeats)))
        return
    from fourpass.engine import hardware

    bf16 = hardware.bf16_instructions()
    rows = configurations()
    if bf16 is None:
        del rows["GEMM bf16"]
    arguments = [sys.executable, __file__, "--side", str(options.side), "--scale", str(options.scale)]
    arguments += ["--repeats", str(options.repeats), "--row"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, row in rows.items():
            output = subprocess.run([*arguments, json.dumps(row)], check=True, capture_output=True, text=True).stdout
            found[name].append(json.loads(output.splitlines()[-1]))
    report(options, found, bf16)


def report(options: argparse.Namespace, found: dict[str, list[dict[str, Any]]], bf16: str | None) -> None:
    """Print the table and what bears on it."""
    peaks = {name.split()[1]: max(run["rate"] for run in runs) for name, runs in found.items() if "GEMM" in name}
    work = flops(options.scale) * options.side**2
    pixels = (options.side * options.scale) ** 2
    print(f"EUSR x{options.scale}, {options.side}x{options.side} pixels in, {work / 1e9:.0f} GFLOP; ", end="")
    print(f"{platform.machine()}, best of {options.rounds} x {options.repeats} runs")
    for precision, rate in peaks.items():
        print(f"GEMM {precision}: {rate / 1e9:.0f} GFLOP/s")
    print(f"{'':38}{'output MP/s':>12}{'x eager':>9}{'of GEMM':>9}{'peak RSS':>10}")
    eager = min(run["seconds"] for run in found[EAGER])
    for name, runs in found.items():
        if "GEMM" in name:
            continue
        seconds = min(run["seconds"] for run in runs)
        peak = peaks[name.split()[-1]] if name != EAGER else peaks["fp32"]
        label = name if runs[0]["device"].upper() == "CPU" else f"{name} ({runs[0]['device']})"
        share = f"{work / seconds / peak:9.0%}" if runs[0]["device"].upper() == "CPU" else f"{'-':>9}"
        memory = f"{max(run['peak'] for run in runs) / 2**20:6.0f} MiB"
        print(f"{label:38}{pixels / seconds / 1e6:12.3f}{eager / seconds:9.2f}{share}{memory:>10}")
    clock, processors = first_pixel(options.rounds)
    print(f"import to first pixel (64x64, fresh interpreter): {clock:.2f} s, {processors:.2f} s of processors")
    print(f"bf16 by {bf16}" if bf16 else "bf16 not measured: this processor has neither AMX nor AVX512-BF16")


if __name__ == "__main__":
    main()
