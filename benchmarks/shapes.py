"""Shapes of a small network, trained alike: PSNR against measured time.

    python benchmarks/shapes.py --data PHOTOS --test Set5 Set14 --teacher dat_light_x4.onnx --steps 400 --out shapes.csv

Every shape starts from random weights and learns x4 alone, with the same patches, steps and rates (Muon, cosine), in
bf16 where the processor has it. PSNR is on Y, 4 pixels cropped, in fp32. Time is processor time of one thread for
128x128 pixels at x4, by OpenVINO in fp32: the best of several runs that take turns with those of all other shapes.
One run a shape, so differences under 0.05 dB are noise. Without --data: the lossless examples, for a try.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fourpass.data.patches import Patches
from fourpass.data.training_images import decode, find_images, load_pictures, shrink
from fourpass.metrics.psnr import psnr
from fourpass.models.convolution import Convolution
from fourpass.models.swift import Block, Swift
from fourpass.training.optimizers import Muon
from fourpass.training.precision import keep_freed_memory, pick_dtype, place
from fourpass.training.teacher import teach

SCALE, BORDER, SIDE = 4, 4, 128
EXAMPLES = Path(__file__).parent.parent / "examples"
HEADER = ("shape", "parameters", "seconds")  # and psnr_y_db_NAME for each test set


class Activated(Block):
    """A block with another activation than ReLU."""

    def __init__(self, features: int, blocks: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__(features, blocks)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.conv2(self.activation(self.conv1(x)))
        return inner + x


class Gated(Block):
    """SPAN's parameter-free attention (Wan et al. 2024): the sum, times a sigmoid of what the block found."""

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(F.silu(self.conv1(x)))
        return (inner + x) * (torch.sigmoid(inner) - 0.5)


class Merging(nn.Module):
    """A 3x3 convolution that is three in training: itself, 1x1, and 1x1 to twice the channels before 3x3 (ECBSR)."""

    def __init__(self, plain: Convolution) -> None:
        super().__init__()
        features = plain.in_channels
        self.plain = plain
        self.point = nn.Conv2d(features, features, 1, bias=False)
        self.widen = nn.Conv2d(features, 2 * features, 1, bias=False)
        self.narrow = Convolution(2 * features, features, 3)
        nn.init.zeros_(self.point.weight)
        nn.init.zeros_(self.narrow.weight)
        assert self.narrow.bias is not None
        nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.plain(x) + self.point(x) + self.narrow(self.widen(x))

    @torch.no_grad()
    def merged(self) -> Convolution:
        """Return the one convolution that does the same."""
        weight = self.plain.weight + torch.einsum("omxy,mi->oixy", self.narrow.weight, self.widen.weight[..., 0, 0])
        weight[:, :, 1:2, 1:2] += self.point.weight
        self.plain.weight.copy_(weight)
        assert self.plain.bias is not None
        assert self.narrow.bias is not None
        self.plain.bias += self.narrow.bias
        return self.plain


def plain(features: int, blocks: int) -> Swift:
    """Return the network as it ships, in other sizes."""
    return Swift(features, blocks, (SCALE,))


def of_blocks(make: Callable[[int, int], nn.Module], features: int = 64, blocks: int = 7) -> Swift:
    """Return the network with blocks of another kind."""
    network = plain(features, blocks)
    network.blocks = nn.Sequential(*(make(features, blocks) for _ in range(blocks)))
    return network


def merging(features: int = 64, blocks: int = 7) -> Swift:
    """Return the network with convolutions that merge after training."""
    network = plain(features, blocks)
    for block in network.blocks:
        block.conv1, block.conv2 = Merging(block.conv1), Merging(block.conv2)
    return network


SHAPES: Mapping[str, Callable[[], Swift]] = {
    "64 features, 7 blocks (swift)": lambda: plain(64, 7),
    "48 features, 7 blocks": lambda: plain(48, 7),
    "48 features, 12 blocks": lambda: plain(48, 12),
    "64 features, 4 blocks": lambda: plain(64, 4),
    "64 features, 10 blocks": lambda: plain(64, 10),
    "96 features, 3 blocks": lambda: plain(96, 3),
    "swift, leaky ReLU 0.1": lambda: of_blocks(lambda f, b: Activated(f, b, lambda x: F.leaky_relu(x, 0.1))),
    "swift, SiLU": lambda: of_blocks(lambda f, b: Activated(f, b, F.silu)),
    "swift, SPAN's attention": lambda: of_blocks(Gated),
    "swift, kernels that merge": merging,
}


def main() -> None:
    """Train every shape, time them in turns, print and write the table."""
    options = _options()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    pictures = load_pictures(find_images(options.data), (SCALE,), cache=options.cache)
    if options.teacher:
        pictures = teach(pictures, [options.teacher], (SCALE,), cache=options.cache)
    patches = Patches(pictures, (SCALE,), (1.0,), (32,), candidates=2)
    networks: dict[str, Swift] = {}
    for name in [name for name in SHAPES if not options.only or options.only in name]:
        torch.manual_seed(1)
        networks[name] = train(SHAPES[name](), patches, options.steps)
        print(f"trained: {name}", flush=True)
    seconds = times(networks, options.rounds)
    rows = []
    for name, network in networks.items():
        parameters = sum(parameter.numel() for parameter in network.parameters())
        rows.append((name, parameters, f"{seconds[name]:.4f}", *(f"{quality(network, d):.3f}" for d in options.test)))
        print(*rows[-1], sep="\t", flush=True)
    if options.out:
        header = (*HEADER, *(f"psnr_y_db_{folder.name}" for folder in options.test))
        with options.out.open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle, lineterminator="\n").writerows([header, *rows])


def train(network: Swift, patches: Patches, steps: int) -> Swift:
    """Train from where the network is; return it, its kernels merged."""
    dtype = pick_dtype("auto", torch.device("cpu"))
    place(network, torch.device("cpu")).train()
    optimizer = Muon(network.parameters(), 3e-3)
    peaks = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        share = min(1, (step + 1) / 20) * (1 + math.cos(math.pi * step / steps)) / 2
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * share
        batch = patches.batch((1, step), 16)
        low = torch.from_numpy(batch.low).float().contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            upscaled = network(low, SCALE)
        optimizer.zero_grad()
        F.l1_loss(upscaled.float(), torch.from_numpy(batch.high).float()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 20.0)
        optimizer.step()
    for block in network.blocks:
        for part in ("conv1", "conv2"):
            if isinstance(getattr(block, part), Merging):
                setattr(block, part, getattr(block, part).merged())
    return network.eval()


def quality(network: Swift, folder: Path) -> float:
    """Mean PSNR of Y over a folder of truths, dB."""
    found = []
    for file in find_images(folder):
        high = decode(file)
        high = high[: high.shape[0] // SCALE * SCALE, : high.shape[1] // SCALE * SCALE]
        low = torch.from_numpy(shrink(high, SCALE)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            upscaled = network(low, SCALE)[0].permute(1, 2, 0).round().clamp(0, 255)
        found.append(psnr(high, upscaled.numpy().astype(np.uint8), border=BORDER))
    return float(np.mean(found))


def times(networks: Mapping[str, Swift], rounds: int) -> dict[str, float]:
    """Processor seconds of one thread for SIDE x SIDE pixels, the best of some rounds in which all take turns."""
    requests = {name: _request(network) for name, network in networks.items()}
    image = np.random.default_rng(1).uniform(0, 255, (1, 3, SIDE, SIDE)).astype(np.float32)
    best = dict.fromkeys(networks, math.inf)
    for _ in range(rounds + 1):  # the first warms up, and counts if it is the fastest all the same
        for name, request in requests.items():
            start = time.process_time()
            request(image)
            best[name] = min(best[name], time.process_time() - start)
    return best


def _request(network: Swift) -> Any:
    import openvino

    stored = io.BytesIO()
    image = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(_AtScale(network), (image,), stored, opset_version=17, dynamo=False)
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.compile_model(core.read_model(stored.getvalue()), "CPU", settings)
    return model.create_infer_request().infer


class _AtScale(nn.Module):
    """The network as a function of the picture alone."""

    def __init__(self, network: Swift) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        upscaled: Tensor = self.network(image, SCALE)
        return upscaled


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=EXAMPLES, help="folder of training photos")
    parser.add_argument("--test", type=Path, nargs="*", default=[EXAMPLES], help="folders of ground truth")
    parser.add_argument("--teacher", help="see tools/dat_light.py; the truth without it")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--only", help="the shapes whose name contains this")
    parser.add_argument("--cache", type=Path, help="folder of decoded pictures")
    parser.add_argument("--out", type=Path, help="CSV file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
