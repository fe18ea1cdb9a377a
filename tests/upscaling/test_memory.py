"""A 24 megapixel picture upscaled by 4 in less than 2.5 GB, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Few features and one block: the network is quick, and what the stream around it holds is what counts. With many
# features the tiles get smaller in proportion (test_upscaler.py, test_tiles_follow_the_memory).
SCRIPT = """
import resource, sys
import numpy as np
import fourpass
from fourpass.weights import Metadata, Weights

numbers = {{"features": {features}, "shared_blocks": 1, "upscale_blocks": 1, "scales": [4]}}
random = np.random.default_rng(0)
tensors = {{}}
def conv(name, inputs, outputs, size):
    weight = random.standard_normal((outputs, inputs, size, size)) / (inputs * size**2) ** 0.5
    tensors[name + ".weight"] = weight.astype(np.float32)
    tensors[name + ".bias"] = np.zeros(outputs, np.float32)
def block(name, size):
    conv(name + ".conv1", {features}, {features}, size)
    conv(name + ".conv2", {features}, {features}, size)
conv("first_conv", 3, {features}, 3)
block("initial_blocks.x4.0", 5)
block("initial_blocks.x4.1", 5)
block("shared.blocks.0", 3)
conv("shared.conv", {features}, {features}, 3)
for level in range(2):
    for part in range(4):
        module = f"upscaling.x4.{{level}}.residual_modules.{{part}}"
        block(module + ".blocks.0", 3)
        conv(module + ".conv", {features}, {features}, 3)
conv("final_conv.x4", {features}, 3, 3)
upscaler = fourpass.Upscaler(Weights(tensors, Metadata("eusr", numbers, "tiny", "none", 0, "CC0-1.0")))
picture = np.broadcast_to(random.integers(0, 256, (1, {columns}, 3), np.uint8), ({rows}, {columns}, 3)).copy()
rows = 0
for band in upscaler.rows(picture, {scale}):
    assert band.dtype == np.uint8 and band.shape[1:] == (round({scale} * {columns}), 3)
    rows += len(band)
assert rows == round({scale} * {rows})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="resource is for Unix")
@pytest.mark.parametrize("scale", [4, 3])
def test_24_megapixels_stay_below_two_and_a_half_gigabytes(scale):
    script = SCRIPT.format(features=4, rows=4000, columns=6000, scale=scale)
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    peak = int(output)
    print(f"peak RSS {peak / 1e9:.2f} GB")
    assert peak < 2.5e9
