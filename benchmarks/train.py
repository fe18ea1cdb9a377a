"""How fast fourpass trains EUSR, against the same network trained the way EDSR-PyTorch and BasicSR do, in one run.

Rows: theirs (eager, fp32, NCHW, concatenation and `pixel_shuffle`, glibc as it comes); ours in each precision that the
processor is fast in, and compiled; and ours' convolutions alone, forward and backward, one after the other. Each row
runs in a process of its own, in turn with the others for several rounds, so that a busy machine slows all alike; the
fastest step of a row counts.

    python benchmarks/train.py [--scales 4 8] [--batch 16] [--patch 48] [--rounds 3] [--threads 2] [--clock wall]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourpass.models import eusr
from fourpass.models.eusr import EUSR
from fourpass.training.precision import has_fast_bf16, keep_freed_memory, place

THEIRS = "eager fp32 NCHW, as EDSR-PyTorch and BasicSR"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def rows(compiled: bool) -> list[str]:
    """Names of the rows that make sense here."""
    precisions = ["fp32", "bf16"] if has_fast_bf16() else ["fp32"]
    ours = [f"fourpass {precision}" for precision in precisions]
    ours += [f"fourpass {precision} compiled" for precision in precisions if compiled]
    return [THEIRS, *ours, *(f"convolutions {precision}" for precision in precisions)]


class TheirBlock(eusr.LocalResidualBlock):
    """The sum out of place, as every public training code has it."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x + self.conv2(F.relu(self.conv1(x), inplace=True))


def their_depth_to_space(parts: list[Tensor]) -> Tensor:
    """Concatenate, order the channels for it, and `pixel_shuffle`."""
    batch, channels, height, width = parts[0].shape
    stacked = torch.cat(parts, 1).view(batch, 4, channels, height, width).transpose(1, 2)
    return F.pixel_shuffle(stacked.reshape(batch, 4 * channels, height, width), 2)


def their_network() -> nn.Module:
    """The same network from their building blocks: plain `nn.Conv2d`, nothing re-laid."""
    network = EUSR()
    eusr.depth_to_space = their_depth_to_space
    for module in network.modules():
        if isinstance(module, eusr.LocalResidualBlock):
            module.__class__ = TheirBlock
        if isinstance(module, nn.Conv2d):
            module.__class__ = nn.Conv2d
    return network


def step_of(row: str, scale: int, batch: int, patch: int) -> Callable[[], None]:
    """Return one training step of a row: forward, backward, Adam."""
    torch.manual_seed(0)
    theirs = row == THEIRS
    network = their_network() if theirs else place(EUSR(), torch.device("cpu"))
    optimizer = torch.optim.Adam(network.parameters(), 1e-6)
    low, high = torch.rand(batch, 3, patch, patch) * 255, torch.rand(batch, 3, patch * scale, patch * scale) * 255
    if not theirs:
        low = low.contiguous(memory_format=torch.channels_last)
    run = torch.compile(network) if row.endswith("compiled") else network

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in row):
            loss = F.l1_loss(run(low, scale).float(), high)
        loss.backward()
        optimizer.step()

    return step


def convolutions_of(row: str, scale: int, batch: int, patch: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield each kind of convolution of a step of ours, forward and backward, and how often a step does it."""
    network = place(EUSR(), torch.device("cpu"))
    kinds: Counter[tuple[nn.Module, tuple[int, ...]]] = Counter()
    seen: dict[tuple[int, ...], nn.Module] = {}

    def note(module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        key = (*given[0].shape[1:], *module.weight.shape)
        kinds[seen.setdefault(key, module), key] += 1

    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        network(torch.zeros(1, 3, patch, patch), scale)
    for hook in hooks:
        hook.remove()
    dtype = torch.bfloat16 if "bf16" in row else torch.float32
    for (module, (channels, height, width, *_)), count in kinds.items():
        module.to(dtype)
        shape = (batch, channels, height, width)
        given = torch.rand(shape, dtype=dtype).contiguous(memory_format=torch.channels_last)
        given.requires_grad_(channels != 3)
        gradient = torch.rand_like(module(given))

        def work(module: nn.Module = module, given: Tensor = given, gradient: Tensor = gradient) -> None:
            module(given).backward(gradient)

        yield count, work


@contextmanager
def timer(clock: str) -> Iterator[list[float]]:
    """Put the seconds that a block takes into a list."""
    taken: list[float] = []
    start = CLOCKS[clock]()
    yield taken
    taken.append(CLOCKS[clock]() - start)


def measure(row: str, scale: int, options: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of the fastest of some steps, and the most memory that the process had."""
    torch.set_num_threads(options.threads)
    if row != THEIRS:
        keep_freed_memory()
    works = [(1, step_of(row, scale, options.batch, options.patch))] if "convolutions" not in row else None
    total = 0.0
    for count, work in works or convolutions_of(row, scale, options.batch, options.patch):
        work()
        times: list[float] = []
        for _ in range(options.steps):
            with timer(options.clock) as taken:
                work()
            times += taken
        total += count * min(times)
    return {"seconds": total, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def main() -> None:
    """Measure every row at every scale and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="timed steps a round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu with one thread: for a busy machine")
    parser.add_argument("--compile", action="store_true", help="rows of torch.compile too (wants a C++ compiler)")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(options.row, options.scales[0], options)))
        return
    print(f"{platform.machine()}, {options.threads} threads, PyTorch {torch.__version__}, ", end="")
    print(f"{torch.backends.cpu.get_cpu_capability()}; {options.batch} patches of {options.patch}x{options.patch}\n")
    for scale in options.scales:
        best: dict[str, dict[str, float]] = {}
        for _ in range(options.rounds):
            for row in rows(options.compile):
                words = [sys.executable, __file__, *sys.argv[1:], "--scales", str(scale), "--row", row]
                found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
                if row not in best or found["seconds"] < best[row]["seconds"]:
                    best[row] = found
        print(f"| x{scale} | seconds a step | against theirs | of its convolutions' rate | GB |\n|---|---|---|---|---|")
        for row, found in best.items():
            alone = best[f"convolutions {'bf16' if 'bf16' in row else 'fp32'}"]["seconds"]
            ratio, share = best[THEIRS]["seconds"] / found["seconds"], alone / found["seconds"]
            rate = f"{share:.0%}" if row.startswith("fourpass") else ""
            print(f"| {row} | {found['seconds']:.2f} | {ratio:.2f}x | {rate} | {found['gigabytes']:.1f} |")
        print(flush=True)


if __name__ == "__main__":
    main()
