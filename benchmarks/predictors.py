"""Patches a second of the score predictors, forward and backward: folded batch norms against plain ones, and engines.

    python benchmarks/predictors.py [--threads 1] [--patches 8] [--repeats 5] [--json]

All numbers come from one run, best of the repeats by processor time, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from fourpass import weights
from fourpass.models import build
from fourpass.models.mobilenet_v2 import KerasBatchNorm
from fourpass.models.nima import NIMA, mean_score
from fourpass.upscaling.score import Scorer

SIDE = 192


def unfold(network: torch.nn.Module) -> None:
    """Have batch norms work as PyTorch's do in evaluation mode, a pass over the pictures each."""
    for module in network.modules():
        if isinstance(module, KerasBatchNorm):
            module.training = True

            def plain(x: torch.Tensor, norm: KerasBatchNorm = module) -> torch.Tensor:
                return torch.nn.functional.batch_norm(
                    x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
                )

            module.forward = plain  # type: ignore[method-assign]


def patches_a_second(run: Callable[[], object], patches: int, repeats: int) -> float:
    """Best of some repeats, by the processor time of all threads together."""
    run()
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return patches / best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--patches", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    name = "subjective" if "subjective" in weights.available() else None

    def network() -> NIMA:
        made = build(weights.load(name)) if name else NIMA()
        assert isinstance(made, NIMA)
        return made.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    image = (torch.rand(options.patches, 3, SIDE, SIDE) * 255).contiguous(memory_format=torch.channels_last)
    folded, plain, frozen = network(), network(), network().requires_grad_(False)
    unfold(plain)

    def forward(net: NIMA) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                return net(image)

        return run

    def backward(net: NIMA, to_image: bool) -> Callable[[], object]:
        def run() -> object:
            source = image.clone().requires_grad_(to_image)
            return mean_score(net(source)[0]).sum().backward()

        return run

    results = {
        "torch, forward, plain batch norms": patches_a_second(forward(plain), options.patches, options.repeats),
        "torch, forward, folded": patches_a_second(forward(folded), options.patches, options.repeats),
        "torch, to all weights, plain": patches_a_second(backward(plain, False), options.patches, options.repeats),
        "torch, to all weights, folded": patches_a_second(backward(folded, False), options.patches, options.repeats),
        "torch, to the picture, folded": patches_a_second(backward(frozen, True), options.patches, options.repeats),
    }
    stored = weights.load(name) if name else _as_weights(frozen)
    pixels = np.ascontiguousarray(image.contiguous().numpy())
    for engine in ("openvino", "onnxruntime"):
        session = Scorer(stored, backend=engine, precision="fp32", threads=options.threads)._session

        def run(session: object = session) -> object:
            return session.run(pixels)  # type: ignore[attr-defined]

        results[f"{engine}, forward"] = patches_a_second(run, options.patches, options.repeats)
    if options.json:
        print(json.dumps({key: round(value, 1) for key, value in results.items()}))
        return
    print(f"192x192 patches a second of processor time, {options.threads} thread(s), {options.patches} at a time, fp32")
    for key, value in results.items():
        print(f"  {key:36s} {value:7.1f}")
    gain = results["torch, to all weights, folded"] / results["torch, to all weights, plain"]
    print(f"  folding makes a training step {gain:.2f} times as fast")


def _as_weights(network: NIMA) -> weights.Weights:
    tensors = {key: value.contiguous().numpy() for key, value in network.state_dict().items()}
    return weights.Weights(tensors, weights.Metadata("nima", {"width": 1.0}, "random", "none", 0, "Apache-2.0"))


if __name__ == "__main__":
    main()
