"""The public names: `fourpass.upscale` for every kind of picture, and imports that cost nothing."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fourpass
from fourpass.errors import ConfigError, ImageError
from fourpass.imaging import files
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.picture import Picture
from fourpass.imaging.resize import imresize
from fourpass.weights import Metadata, Weights

HEAVY = ("numpy", "ncnn", "openvino", "onnx", "onnxruntime", "torch", "pyvips", "PIL", "typer")


@pytest.fixture(scope="module")
def upscaler():
    """EUSR whose convolutions do nothing but enlarge: each output pixel is its input pixel, exactly."""
    numbers = {"features": 3, "shared_blocks": 1, "upscale_blocks": 1, "scales": [2, 4]}
    tensors: dict[str, np.ndarray] = {}

    def conv(name: str, size: int, passes: bool = False) -> None:
        weight = np.zeros((3, 3, size, size), np.float32)
        if passes:
            weight[range(3), range(3), size // 2, size // 2] = 1
        tensors.update({f"{name}.weight": weight, f"{name}.bias": np.zeros(3, np.float32)})

    def block(name: str, size: int) -> None:
        conv(f"{name}.conv1", size)
        conv(f"{name}.conv2", size)

    conv("first_conv", 3, passes=True)
    block("shared.blocks.0", 3)
    conv("shared.conv", 3)
    for scale, levels in ((2, 1), (4, 2)):
        block(f"initial_blocks.x{scale}.0", 5)
        block(f"initial_blocks.x{scale}.1", 5)
        for level in range(levels):
            for part in range(4):
                module = f"upscaling.x{scale}.{level}.residual_modules.{part}"
                block(f"{module}.blocks.0", 3)
                conv(f"{module}.conv", 3)
        conv(f"final_conv.x{scale}", 3, passes=True)
    return fourpass.Upscaler(Weights(tensors, Metadata("eusr", numbers, "repeat", "none", 0, "CC0-1.0"), "repeat"))


def repeated(image: np.ndarray, scale: int) -> np.ndarray:
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (13, 9, 3), np.uint8)


@pytest.fixture
def rgba(rgb) -> np.ndarray:
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[2:5, 3:] = 0
    alpha[8, 8] = 100
    return np.dstack((rgb, alpha))


@pytest.mark.parametrize("name", ["fourpass", "fourpass.errors", "fourpass.cli.app"])
def test_importing_imports_nothing_heavy(name):
    allowed = {"typer"} if name.endswith("app") else set()
    script = f"import sys, {name}; print([m for m in {HEAVY!r} if m in sys.modules and m not in {allowed!r}])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_upscaling_imports_no_torch():
    script = (
        "import sys, numpy, fourpass; fourpass.Upscaler('eusr').upscale(numpy.zeros((4, 4, 3), numpy.uint8), 2);"
        f"print([m for m in {('torch', 'scipy', 'PIL', 'onnxruntime', 'pyvips')!r} if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_names():
    assert set(fourpass.__all__) <= set(dir(fourpass))
    with pytest.raises(AttributeError, match="module 'fourpass' has no attribute 'upscail'"):
        fourpass.upscail  # noqa: B018


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_numpy(upscaler, rgb, dtype, channels):
    image = rgb[..., 0] if channels is None else rgb[..., :channels]
    if dtype == np.float32:
        image = image.astype(np.float32) / 255
    else:
        image = image.astype(dtype) * (np.iinfo(dtype).max // 255)
    result = fourpass.upscale(image, upscaler=upscaler)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, repeated(image, 4), atol=1e-6 if dtype == np.float32 else 0)


def check_transparency(result, alpha, factor):
    """Exact where all neighbours agree, between them elsewhere: it is resized, not upscaled by the network."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(alpha, 1, mode="edge"), (3, 3))
    assert (result >= repeated(windows.min(axis=(2, 3)), factor)).all()
    assert (result <= repeated(windows.max(axis=(2, 3)), factor)).all()


def test_numpy_with_transparency(upscaler, rgba):
    seen: list[float] = []
    result = fourpass.upscale(rgba, 2, upscaler=upscaler, progress=seen.append)
    check_transparency(result[..., 3], rgba[..., 3], 2)
    shown = repeated(rgba[..., 3], 2) > 0
    np.testing.assert_array_equal(result[shown, :3], repeated(rgba[..., :3], 2)[shown])
    assert seen == sorted(seen)
    assert seen[-1] == 1
    gray = fourpass.upscale(rgba[..., 2:], 2, upscaler=upscaler)
    np.testing.assert_array_equal(gray[shown, 0], repeated(rgba[..., 2], 2)[shown])


def test_hidden_colours_do_not_leak(rgba):
    """With the real network, which sees its surroundings: what a transparent pixel hides changes nothing."""
    other = rgba.copy()
    other[rgba[..., 3] == 0, :3] = (255, 0, 255)
    first, second = (fourpass.upscale(image, 2, strength=0) for image in (rgba, other))
    np.testing.assert_array_equal(first, second)
    inside = np.zeros((26, 18), bool)
    inside[6:8, 8:16] = True  # transparent, and so are all neighbours
    assert not first[inside, 3].any()
    assert (first[12:14, :10, 3] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pil(upscaler, rgba, mode):
    image_module = pytest.importorskip("PIL.Image")
    image = image_module.fromarray(rgba)
    if mode == "I;16":
        image = image_module.fromarray(rgba[..., 0].astype(np.uint16) * 257)
    else:
        image = image.convert("RGB").convert(mode) if mode in ("1", "P") else image.convert(mode)
    assert image.mode == mode
    image.info["icc_profile"] = b"a profile"
    result = fourpass.upscale(image, 2, upscaler=upscaler)
    expected_mode = {"1": "L", "P": "RGB"}.get(mode, mode)
    assert (result.mode, result.size) == (expected_mode, (18, 26))
    assert result.info["icc_profile"] == b"a profile"
    plain = image if mode == "I;16" else image.convert(expected_mode)
    expected, got = repeated(np.asarray(plain), 2), np.asarray(result)
    if mode in ("LA", "RGBA"):
        shown = expected[..., -1] > 0
        check_transparency(got[..., -1], np.asarray(plain)[..., -1], 2)
        expected, got = expected[shown, :-1], got[shown, :-1]
    np.testing.assert_array_equal(got, expected)


def test_pil_with_a_transparent_palette_entry(upscaler, rgba):
    image_module = pytest.importorskip("PIL.Image")
    palette = image_module.fromarray(rgba[..., :3]).quantize(8)
    palette.info["transparency"] = 3
    assert fourpass.upscale(palette, 2, upscaler=upscaler).mode == "RGBA"


def test_pil_with_transparency_in_the_palette_itself(upscaler):
    image_module = pytest.importorskip("PIL.Image")
    half = image_module.new("RGBA", (30, 20), (9, 200, 9, 255))
    half.paste((0, 0, 0, 0), (0, 0, 15, 20))
    palette = half.quantize()
    assert palette.mode == "P"
    assert palette.palette.mode == "RGBA"
    assert "transparency" not in palette.info
    alpha = np.asarray(fourpass.upscale(palette, 2, upscaler=upscaler))[..., 3]
    assert (alpha[:, :26] == 0).all()
    assert (alpha[:, 34:] == 255).all()


def test_torch(upscaler, rgb):
    torch = pytest.importorskip("torch")
    single = torch.from_numpy(rgb.astype(np.float32) / 255).permute(2, 0, 1).requires_grad_()
    result = fourpass.upscale(single, 2, upscaler=upscaler)
    assert result.dtype == torch.float32
    assert not result.requires_grad
    expected = repeated(rgb.astype(np.float32) / 255, 2).transpose(2, 0, 1)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-6)
    batch = torch.stack((single, 1 - single)).detach().to(torch.bfloat16)
    seen: list[float] = []
    results = fourpass.upscale(batch, 2, upscaler=upscaler, progress=seen.append)
    assert results.dtype == torch.bfloat16
    assert results.shape == (2, 3, 26, 18)
    np.testing.assert_allclose(results[1].float().numpy(), 1 - expected, atol=0.01)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    whole = fourpass.upscale(torch.from_numpy(rgb).permute(2, 0, 1)[:1], 2, upscaler=upscaler)
    np.testing.assert_array_equal(whole.numpy()[0], repeated(rgb[..., 0], 2))


@pytest.mark.parametrize("kind", [str, os.fspath, "path"])
def test_files(upscaler, rgba, tmp_path, kind):
    source = tmp_path / "grün.png"
    files.write(source, Picture.of(rgba[..., :3], rgba[..., 3]))
    result = fourpass.upscale(source if kind == "path" else kind(source), 2, upscaler=upscaler)
    assert result == tmp_path / "grün_x2.png"
    picture = files.read(result)
    assert picture.alpha is not None
    check_transparency(picture.alpha, rgba[..., 3], 2)
    shown = repeated(rgba[..., 3], 2) > 0
    np.testing.assert_array_equal(picture.pixels[shown], repeated(rgba[..., :3], 2)[shown])


def test_where_files_go(upscaler, rgb, tmp_path):
    source = tmp_path / "a.png"
    files.write(source, rgb)
    assert fourpass.upscale(source, upscaler=upscaler) == tmp_path / "a_x4.png"
    with pytest.raises(ImageError, match=r"a_x4\.png: already exists; .* output="):
        fourpass.upscale(source, upscaler=upscaler)
    assert fourpass.upscale(source, size=(20, 14), upscaler=upscaler) == tmp_path / "a_14x20.png"
    assert fourpass.upscale(source, 1.5, upscaler=upscaler) == tmp_path / "a_x1.5.png"
    target = tmp_path / "sub" / "b.webp"
    target.parent.mkdir()
    assert fourpass.upscale(source, output=target, upscaler=upscaler) == target
    assert files.read(target).header.size == (52, 36)
    assert len(list(tmp_path.rglob("*.*"))) == 5


def test_frames(upscaler, rgb, tmp_path):
    from dataclasses import replace

    one = Picture.of(rgb)
    two = replace(one, frames=np.stack((rgb, 255 - rgb)), header=replace(one.header, frames=2))
    files.write(tmp_path / "two.tif", two)
    picture = files.read(fourpass.upscale(tmp_path / "two.tif", 2, upscaler=upscaler))
    np.testing.assert_array_equal(picture.frames[1], repeated(255 - rgb, 2))


@pytest.mark.parametrize(
    ("image", "arguments", "error", "message"),
    [
        (42, {}, ImageError, "int is not a path, a PIL image, a numpy array or a torch tensor"),
        (np.zeros((4, 4, 5), np.uint8), {}, ImageError, r"shape \(4, 4, 5\) is not a picture"),
        (np.zeros((0, 4, 4), np.uint8), {}, ImageError, r"shape \(0, 4, 4\) is not a picture"),
        (np.zeros((4, 4, 4), np.float32), {}, ImageError, "float32 is not one of uint8, uint16"),
        (
            np.zeros((4, 4, 3), np.uint8),
            {"output": "a.png"},
            ConfigError,
            "output works only for a picture given by path",
        ),
        (np.zeros((4, 4, 3), np.uint8), {"scale": 2, "size": (9, 9)}, ConfigError, "not both"),
        (np.zeros((4, 4, 3), np.uint8), {"scale": 5}, ConfigError, "beyond this model's largest, 4"),
    ],
)
def test_what_cannot_be(upscaler, image, arguments, error, message):
    with pytest.raises(error, match=message):
        fourpass.upscale(image, **arguments, upscaler=upscaler)


@pytest.mark.parametrize(
    "given",
    [
        {"strength": 0.5},
        {"strength": 0.0},
        {"restore": 0.0},
        {"restore": "auto"},
        {"model": "eusr"},
        {"engine": fourpass.Engine()},
        {"backend": "torch"},
        {"device": "cpu"},
        {"precision": "fp32"},
        {"threads": 1},
        {"tile": 64},
        {"max_memory": 1 << 30},
        {"tile": 64, "backend": "torch"},
    ],
    ids=lambda given: "-".join(given),
)
def test_what_a_loaded_upscaler_would_not_heed_is_an_error(upscaler, given):
    """Every argument that makes an Upscaler, with its default value, too, where that says something."""
    for upscale in (fourpass.upscale, fourpass.upscale_and_report):
        with pytest.raises(ConfigError, match="a loaded Upscaler keeps what it was made with") as caught:
            upscale(np.zeros((4, 4, 3), np.uint8), 2, upscaler=upscaler, **given)
        assert all(f"{name}=" in caught.value.hint for name in given)
        assert "upscaler=" in caught.value.hint


def test_every_argument_beside_an_upscaler_is_one_of_the_picture_or_refused():
    """An argument that is new in `upscale` and in no list here would be ignored."""
    of_the_picture = {"image", "scale", "size", "output", "self_ensemble", "progress", "upscaler"}
    refused = set(inspect.signature(fourpass.upscale).parameters) - of_the_picture
    tried = test_what_a_loaded_upscaler_would_not_heed_is_an_error.pytestmark[0].args[1]
    assert {name for given in tried for name in given} == refused


def test_misspelt_arguments_are_errors():
    with pytest.raises(TypeError, match="backedn"):
        fourpass.upscale(np.zeros((4, 4, 3), np.uint8), backedn="torch")


def test_tensors_that_are_no_pictures(upscaler):
    torch = pytest.importorskip("torch")
    for tensor, message in (
        (torch.zeros(4, 4), r"\(4, 4\) is not \(C, H, W\)"),
        (torch.zeros(2, 4, 4), r"\(2, 4, 4\) is not"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), "torch.int64 is not one of"),
        (torch.zeros(0, 3, 4, 4), "N is 0"),
        (torch.full((3, 4, 4), 200.0), "must be on 0..1"),
    ):
        with pytest.raises(ImageError, match=message):
            fourpass.upscale(tensor, upscaler=upscaler)


def test_pil_modes_that_are_refused(upscaler):
    image_module = pytest.importorskip("PIL.Image")
    with pytest.raises(ImageError, match="PIL image of mode CMYK is not one of 1, L, LA"):
        fourpass.upscale(image_module.new("CMYK", (4, 4)), upscaler=upscaler)


def test_a_report_of_a_file(upscaler, rgb, tmp_path):
    """The picture of `upscale`, and beside it what a JPEG cannot hold of a PNG: 16 bits and its texts."""
    source = tmp_path / "a.png"
    metadata = PictureMetadata(texts=(("Title", "A stone"),))
    files.write(source, Picture.of(rgb.astype(np.uint16) * 257, metadata=metadata))
    shares: list[float] = []
    result = fourpass.upscale_and_report(
        source, 2, output=tmp_path / "b.jpg", upscaler=upscaler, progress=shares.append
    )
    assert result.image == tmp_path / "b.jpg"
    assert result.size == files.probe(result.image).size == (26, 18)
    assert any(word.startswith("16 bits a channel") for word in result.lost)
    assert "PNG texts" in result.lost
    assert result.seconds > 0
    assert shares[-1] == 1
    with pytest.raises(AttributeError):
        result.lost = ()


def test_the_report_measures_how_well_a_result_shrinks_back(upscaler, rgb):
    """By `imresize` and the definition of PSNR, worked out here."""
    result = fourpass.upscale_and_report(rgb, 2, upscaler=upscaler)
    np.testing.assert_array_equal(result.image, fourpass.upscale(rgb, 2, upscaler=upscaler))
    error = np.mean(((imresize(result.image.astype(np.float64), size=rgb.shape[:2]) - rgb) / 255) ** 2)
    assert result.lr_psnr == pytest.approx(-10 * np.log10(error), abs=1e-3)
    assert (result.size, result.lost, len(result.frames)) == ((26, 18), (), 1)
    assert result.consistent is None
    assert fourpass.upscale_and_report(rgb, 0.5, upscaler=upscaler).lr_psnr is None
    flat = np.full((6, 6), 90, np.uint8)
    assert fourpass.upscale_and_report(flat, 2, upscaler=upscaler).lr_psnr > 100


def test_a_report_has_the_facts_of_each_frame(upscaler, rgb):
    torch = pytest.importorskip("torch")
    flat = np.full_like(rgb, 90)
    batch = torch.from_numpy(np.stack((rgb, flat))).permute(0, 3, 1, 2)
    result = fourpass.upscale_and_report(batch, 2, upscaler=upscaler)
    noisy, smooth = (each.lr_psnr for each in result.frames)
    assert noisy < smooth
    assert result.lr_psnr == noisy


def test_reports_keep_apart(upscaler, rgb):
    """Nothing is left on the Upscaler for the next call, nor for another thread."""
    before = dict(vars(upscaler))
    pictures = [rgb, np.full_like(rgb, 90)] * 4
    alone = [fourpass.upscale_and_report(each, 2, upscaler=upscaler).lr_psnr for each in pictures[:2]]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda each: fourpass.upscale_and_report(each, 2, upscaler=upscaler), pictures)
        assert [each.lr_psnr for each in found] == alone * 4
    assert vars(upscaler).keys() == before.keys()


def test_a_loss_is_warned_of(upscaler, rgb, tmp_path):
    files.write(tmp_path / "deep.png", rgb.astype(np.uint16) * 257)
    with pytest.warns(fourpass.LossWarning, match=r"deep\.jpg: without 16 bits a channel \(now 8\)") as caught:
        fourpass.upscale(tmp_path / "deep.png", 2, output=tmp_path / "deep.jpg", upscaler=upscaler)
    assert caught[0].filename == __file__


def test_frames_of_a_pil_image_that_are_left_out_are_named(upscaler, tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    frames = [image_module.new("L", (8, 8), level) for level in (0, 255)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    with image_module.open(tmp_path / "two.gif") as image:
        assert fourpass.upscale_and_report(image, 2, upscaler=upscaler).lost == ("all frames but the current one",)


def test_misspelt_arguments_of_a_report_are_errors(upscaler):
    with pytest.raises(TypeError, match="backedn"):
        fourpass.upscale_and_report(np.zeros((4, 4, 3), np.uint8), backedn="torch", upscaler=upscaler)
