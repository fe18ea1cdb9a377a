"""How fast fourpass upscales, in how much memory and how well, in one run: every model and backend, and peers.

`eusr` is also compared with itself in PyTorch eager. Peers (`benchmarks/peers.py`) run at x4 where they are installed.
Each row runs in a process of its own, several times in turn with the others, so that a busy machine slows all alike;
the best of a row's runs counts. Speeds are of useful work: what tiles compute twice, in their halos, is not counted.
PSNR (Y, 4 pixels cropped) is measured where `--data` names a folder of ground truth.

    python benchmarks/upscale.py [--side 256] [--scale 4] [--rounds 3] [--models eusr,swift] [--data Set14]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peers

EAGER = "eusr, PyTorch eager fp32, whole image"
# What `import to first pixel` runs: a fresh interpreter, a small photo, the default settings.
FIRST_PIXEL = """
import numpy, fourpass
picture = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), numpy.uint8)
next(fourpass.Upscaler().rows(picture, 4))
"""


def configurations(models: Sequence[str], scale: int) -> dict[str, dict[str, str]]:
    """Every model by every backend that is installed, at every precision that it runs well here; then the peers."""
    from fourpass.engine import backends

    rows = {EAGER: {"kind": "eager", "model": "eusr"}} if "eusr" in models else {}
    for model in models:
        for name in backends.BACKENDS:
            backend = backends.get(name)
            if backend.missing() is None:
                for precision in backend.precisions("cpu"):
                    row = {"kind": "ours", "model": model, "backend": name, "precision": precision}
                    rows[f"{model}, {name} {precision}"] = row
    for name in peers.FILES if scale == peers.SCALE else ():
        if not peers.missing(name):
            rows[f"{name}, ncnn"] = {"kind": "peer", "model": name}
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


def measure(row: dict[str, str], options: argparse.Namespace) -> dict[str, Any]:
    """Run one row in this process; seconds, peak RSS in bytes, and which device ran."""
    side, scale, repeats = options.side, options.scale, options.repeats
    if row["kind"] == "gemm":
        return {"rate": gemm(row["precision"], repeats)}
    picture = photo(side)
    if row["kind"] == "peer":
        run = peers.peer(row["model"], options.threads or 2)

        def work() -> None:
            run(picture)

        device = "CPU"
    elif row["kind"] == "eager":
        import torch

        from fourpass.models import build
        from fourpass.weights import load

        if options.threads:
            torch.set_num_threads(options.threads)
        network = build(load(row["model"])).eval()
        batch = torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))

        def work() -> None:
            with torch.no_grad():
                network(batch, scale).clamp_(0, 255).round_().to(torch.uint8).numpy()

        device = "CPU"
    else:
        from fourpass.upscaling.upscaler import Upscaler

        chosen = {"backend": row["backend"], "device": "cpu", "precision": row["precision"], "threads": options.threads}
        upscaler = Upscaler(row["model"], **chosen)

        def work() -> None:
            upscaler.upscale(picture, scale)

        device = upscaler.engine.device
    seconds = best(work, repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": peak * (1 if sys.platform == "darwin" else 1024), "device": device}


def quality(row: dict[str, str], scale: int, folder: Path) -> float:
    """Mean PSNR of Y over a folder of ground truth, faithful weights and inputs as they are."""
    from fourpass.data.training_images import decode, find_images, shrink
    from fourpass.metrics.psnr import psnr
    from fourpass.upscaling.upscaler import Upscaler
    from fourpass.weights import load

    run: Callable[[np.ndarray], np.ndarray]
    if row["kind"] == "peer":
        run = peers.peer(row["model"], 2)
    else:
        upscaler = Upscaler(load(row["model"]), precision="fp32")

        def run(small: np.ndarray) -> np.ndarray:
            return upscaler.upscale(small, scale)

    found = []
    for file in find_images(folder):
        truth = decode(file)
        rows, columns = (side // scale * scale for side in truth.shape[:2])
        truth = truth[:rows, :columns]
        found.append(psnr(truth, run(shrink(truth, scale)), channel="y", border=4))
    return float(np.mean(found))


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


def flops(model: str, scale: int) -> float:
    """Multiplications and additions of a network's convolutions, an input pixel, counted in its graph."""
    import onnx

    from fourpass.engine.graphs import onnx_model
    from fourpass.weights import load

    graph = onnx_model(load(model), scale)
    kernels = {item.name: item.dims for item in graph.graph.initializer}
    side = 64
    for dim in graph.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = side
    shapes = {
        item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim]
        for item in (*onnx.shape_inference.infer_shapes(graph).graph.value_info, graph.graph.output[0])
    }
    total = 0
    for node in graph.graph.node:
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
    parser.add_argument("--models", default="eusr,swift", help="packaged models, with commas between")
    parser.add_argument("--threads", type=int, help="processors for each row")
    parser.add_argument("--data", type=Path, help="folder of ground truth, for PSNR")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(json.loads(options.row), options)))
        return
    from fourpass.engine import hardware

    bf16 = hardware.bf16_instructions()
    rows = configurations(options.models.split(","), options.scale)
    if bf16 is None:
        del rows["GEMM bf16"]
    arguments = [sys.executable, __file__, "--side", str(options.side), "--scale", str(options.scale)]
    arguments += ["--repeats", str(options.repeats), *(["--threads", str(options.threads)] if options.threads else [])]
    arguments += ["--row"]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, row in rows.items():
            output = subprocess.run([*arguments, json.dumps(row)], check=True, capture_output=True, text=True).stdout
            found[name].append(json.loads(output.splitlines()[-1]))
    report(options, rows, found, bf16)


def report(
    options: argparse.Namespace,
    rows: dict[str, dict[str, str]],
    found: dict[str, list[dict[str, Any]]],
    bf16: str | None,
) -> None:
    """Print the table and what bears on it."""
    peaks = {name.split()[1]: max(run["rate"] for run in runs) for name, runs in found.items() if "GEMM" in name}
    networks = {row["model"] for row in rows.values() if row["kind"] in ("eager", "ours")}
    work = {model: flops(model, options.scale) * options.side**2 for model in networks}
    pixels = (options.side * options.scale) ** 2
    print(f"x{options.scale}, {options.side}x{options.side} pixels in, ", end="")
    print(", ".join(f"{model} {count / 1e9:.0f} GFLOP" for model, count in sorted(work.items())), end="; ")
    print(f"{platform.machine()}, best of {options.rounds} x {options.repeats} runs")
    for precision, rate in peaks.items():
        print(f"GEMM {precision}: {rate / 1e9:.0f} GFLOP/s")
    first = next(iter(found))
    heads = ("output MP/s", "x first", "of GEMM", "peak RSS", *(("PSNR",) if options.data else ()))
    print(f"{'':38}" + "".join(f"{head:>12}" for head in heads))
    known: dict[str, float] = {}
    for name, runs in found.items():
        row = rows[name]
        if row["kind"] == "gemm":
            continue
        seconds, cpu = min(run["seconds"] for run in runs), runs[0]["device"].upper() == "CPU"
        cells = [f"{pixels / seconds / 1e6:.3f}", f"{min(run['seconds'] for run in found[first]) / seconds:.2f}"]
        share = work.get(row["model"], 0) / seconds / peaks.get(row.get("precision", "fp32"), peaks["fp32"])
        cells += [f"{share:.0%}" if cpu and share else "-", f"{max(run['peak'] for run in runs) / 2**20:.0f} MiB"]
        if options.data:
            if row["model"] not in known:
                known[row["model"]] = quality(row, options.scale, options.data)
            cells.append(f"{known[row['model']]:.2f} dB")
        label = name if cpu else f"{name} ({runs[0]['device']})"
        print(f"{label:38}" + "".join(f"{cell:>12}" for cell in cells))
    clock, processors = first_pixel(options.rounds)
    print(f"import to first pixel (64x64, fresh interpreter): {clock:.2f} s, {processors:.2f} s of processors")
    print(f"bf16 by {bf16}" if bf16 else "bf16 not measured: this processor has neither AMX nor AVX512-BF16")


if __name__ == "__main__":
    main()
