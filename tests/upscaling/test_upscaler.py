"""The Upscaler against the bare torch network and `imresize`, in every dtype and size, tiled and not."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import pyvips

from fourpass import DEFAULT_MODEL
from fourpass import weights as weights_module
from fourpass.engine import graphs, hardware
from fourpass.engine.engine import Engine
from fourpass.engine.sources import OurWeights
from fourpass.errors import BackendError, ConfigError, ImageError, WeightsError
from fourpass.imaging.resize import imresize
from fourpass.upscaling import dial, network, tiling
from fourpass.upscaling.consistency import keep_colour
from fourpass.upscaling.model import blend
from fourpass.upscaling.upscaler import Upscaler
from fourpass.weights import family, save

DEFAULTS = {2: 0.0, 4: 0.9, 8: 0.25}  # of the pair that the tests make


def read(path) -> np.ndarray:
    return pyvips.Image.new_from_file(str(path)).colourspace("srgb").numpy()[..., :3]


@pytest.fixture(scope="module")
def upscaler(tiny):
    return Upscaler(tiny)


@pytest.fixture(scope="module")
def bare(tiny):
    """The torch network on a whole picture, its colours kept: (H, W, 3) on 0..255 -> float32, not clipped."""
    torch = pytest.importorskip("torch")
    from fourpass.models import build

    net = build(tiny).eval()

    def run(image: np.ndarray, scale: int, kept: bool = True) -> np.ndarray:
        batch = torch.from_numpy(np.ascontiguousarray(image.astype(np.float32).transpose(2, 0, 1)[None]))
        with torch.no_grad():
            output = net(batch, scale)[0].numpy().transpose(1, 2, 0)
        return keep_colour(output, image.astype(np.float32)) if kept else output

    return run


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_uint8_is_the_network_rounded(upscaler, bare, photo_like, scale):
    expected = np.clip(bare(photo_like, scale), 0, 255)
    result = upscaler.upscale(photo_like, scale)
    assert result.dtype == np.uint8
    assert np.abs(result - expected).max() <= 0.51


def test_the_bare_network_can_be_had(tiny, bare, photo_like):
    expected = np.clip(bare(photo_like, 2, kept=False), 0, 255)
    assert np.abs(Upscaler(tiny, keep_colour=False).upscale(photo_like, 2) - expected).max() <= 0.51
    assert np.abs(expected - bare(photo_like, 2)).max() > 1  # keeping the colours does something here


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_flat_colours_stay_within_one_of_255(scale, strength):
    if strength and "strength" not in family.families()[DEFAULT_MODEL].axes:
        pytest.skip("wants the packaged perceptual weights")
    upscaler = Upscaler(strength=strength)
    colours = [[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    for colour in [*colours, [128, 128, 128], [200, 30, 60], [20, 90, 160], [250, 240, 5]]:
        flat = np.full((20, 20, 3), colour, np.uint8)
        means = upscaler.upscale(flat, scale).mean(axis=(0, 1))
        assert np.abs(means - colour).max() < 1, colour


def test_uint16_and_float_keep_their_depth(upscaler, bare, photo_like):
    fine = photo_like.astype(np.uint16) * 257 + 100
    fine[fine < 300] = 65535
    expected = np.clip(bare(fine / 257.0, 2), 0, 255)
    result = upscaler.upscale(fine, 2)
    assert result.dtype == np.uint16
    assert np.abs(result / 257.0 - expected).max() < 0.01
    floating = upscaler.upscale((fine / 65535).astype(np.float32), 2)
    assert floating.dtype == np.float32
    assert np.abs(floating * 255 - expected).max() < 0.01


def test_gray_is_the_luma_of_gray_run_as_rgb(upscaler, bare, photo_like):
    gray = photo_like[..., 0]
    expected = bare(np.repeat(gray[..., None], 3, axis=2), 2) @ (0.299, 0.587, 0.114)
    result = upscaler.upscale(gray, 2)
    assert result.shape == (150, 106)
    assert np.abs(result - np.clip(expected, 0, 255)).max() <= 0.51
    np.testing.assert_array_equal(upscaler.upscale(gray[..., None], 2), result[..., None])


@pytest.mark.parametrize(
    ("wish", "through"),
    [({"scale": 1.5}, 2), ({"scale": 3}, 4), ({"size": (200, 300)}, 8), ({"size": (76, 53)}, 2), ({"scale": 0.5}, 1)],
)
@pytest.mark.parametrize("tile", [None, 150, 40])
def test_other_sizes_are_resampled_once_in_float(tiny, bare, photo_like, wish, through, tile):
    # Tiles of 150 see the whole picture; those of 40 blend, which this network's wide view makes visible.
    large = bare(photo_like, through) if through > 1 else photo_like.astype(np.float32)
    size = wish.get("size") or (round(wish["scale"] * 75 + 0.01), round(wish["scale"] * 53 + 0.01))
    expected = np.clip(imresize(np.ascontiguousarray(large), size=size), 0, 255)
    result = Upscaler(tiny, tile=tile).upscale(photo_like, **wish)
    assert result.shape == (*size, 3)
    if tile != 40 or through == 1:
        assert np.abs(result - expected).max() <= 0.51
    else:
        assert np.abs(result - expected).mean() < 8


def test_scale_1_gives_the_picture_back(upscaler, photo_like):
    np.testing.assert_array_equal(upscaler.upscale(photo_like, 1), photo_like)


def test_without_a_wish_the_scale_is_4(upscaler, photo_like):
    assert upscaler.upscale(photo_like[:5, :6]).shape == (20, 24, 3)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1), (3, 500, 3), (500, 2), (1, 2, 1)])
def test_tiny_and_long_pictures(tiny, bare, shape):
    image = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    rgb = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image.repeat(3 // image.shape[-1], axis=2)
    expected = np.clip(bare(rgb, 2), 0, 255)
    result = Upscaler(tiny, max_memory=450 * 2**20).upscale(image, 2)
    assert result.shape == (2 * shape[0], 2 * shape[1], *shape[2:])
    if shape[2:] == (3,):
        assert np.abs(result - expected).max() <= 0.51


def test_rows_are_the_whole_in_bands(tiny, photo_like):
    upscaler = Upscaler(tiny, tile=40)
    for wish in ({"scale": 2}, {"scale": 3}):
        bands = list(upscaler.rows(photo_like, **wish))
        assert len(bands) > 1
        np.testing.assert_array_equal(np.concatenate(bands), upscaler.upscale(photo_like, **wish))


@pytest.mark.shared
@pytest.mark.parametrize("name", weights_module.available())
@pytest.mark.parametrize("scale", [2, pytest.param(4, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)])
def test_packaged_weights_tiled_equal_untiled(name, scale, shared):
    """The limit is 1/255 on a photo; the halo suffices for a hundredth of that (docs/explanation/engine.md)."""
    crop = read(shared / "data/eval/BSD100/img_055.webp")[100:220, 200:244]
    picture = (crop / 255).astype(np.float32)
    weights = weights_module.load(name)
    if weights.metadata.architecture not in graphs.ARCHITECTURES or scale not in graphs.scales(weights):
        pytest.skip(f"{name} does not upscale by {scale}")
    # Tiles of 48 have a halo of 12, and so blend.
    whole, tiled, blended = (Upscaler(weights, tile=tile).upscale(picture, scale) for tile in (120, 96, 48))
    assert np.abs(whole - tiled).max() * 255 < 0.25
    assert np.abs(whole - blended).max() * 255 < 1


def test_self_ensemble_is_the_mean_of_eight(upscaler, bare, photo_like):
    image = photo_like[:30, :20]
    outputs = []
    for transposed in (False, True):
        for vertical in (1, -1):
            for horizontal in (1, -1):
                turned = image[::vertical, ::horizontal]
                turned = turned.transpose(1, 0, 2) if transposed else turned
                output = bare(turned, 2)
                output = output.transpose(1, 0, 2) if transposed else output
                outputs.append(output[::vertical, ::horizontal])
    result = upscaler.upscale(image, 2, self_ensemble=True)
    assert np.abs(result - np.clip(np.mean(outputs, axis=0), 0, 255)).max() <= 0.51
    assert np.abs(outputs[0] - outputs[5]).max() > 5  # the eight do differ


def test_self_ensemble_turns_with_the_picture(upscaler, photo_like):
    image = (photo_like[:30, :20] / 255).astype(np.float32)
    straight = upscaler.upscale(image, 2, self_ensemble=True)
    turned = upscaler.upscale(np.rot90(image).copy(), 2, self_ensemble=True)
    np.testing.assert_allclose(np.rot90(straight), turned, atol=1e-4)


def test_progress_rises_to_1(tiny, photo_like):
    seen: list[float] = []
    Upscaler(tiny, tile=40).upscale(photo_like, 3, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert seen.count(1) == 1
    assert len(seen) > 3


def test_what_progress_raises_stops_the_work(tiny, photo_like):
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Upscaler(tiny, tile=40).upscale(photo_like, 2, progress=stop)


def test_several_threads_share_one(tiny, photo_like):
    upscaler = Upscaler(tiny, tile=40)
    expected = Upscaler(tiny, tile=40).upscale(photo_like, 2)
    results: list[np.ndarray] = []
    workers = [threading.Thread(target=lambda: results.append(upscaler.upscale(photo_like, 2))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_input_is_left_alone(upscaler, photo_like):
    image = photo_like.astype(np.float32) / 255
    image.flags.writeable = False
    before = image.copy()
    upscaler.upscale(image[::-1, ::2], 2)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"shape \(4, 4, 4\) is not a picture"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\) is not a picture"),
        (np.zeros((4,), np.uint8), "is not a picture"),
        (np.zeros((4, 4), np.float64), "dtype float64 is not one of"),
        (np.zeros((4, 4), np.int16), "dtype int16 is not one of"),
        (np.full((4, 4), 200, np.float32), "holds values from 200 to 200; it must be on 0..1"),
        (np.full((4, 4), np.nan, np.float32), "holds values from nan to nan"),
        ([[1, 2]], "list is not a numpy array"),
    ],
)
def test_what_is_no_picture(upscaler, image, message):
    with pytest.raises(ImageError, match=message):
        upscaler.upscale(image, 2)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"scale": 9}, "is a factor of 9, beyond this model's largest, 8; upscale twice"),
        ({"scale": 0}, "scale is 0; it must be a positive number"),
        ({"scale": 2, "size": (9, 9)}, "a scale or a size, not both"),
        ({"size": (0, 5)}, r"size \(0, 5\) is not at least 1x1"),
    ],
)
def test_sizes_that_cannot_be(upscaler, photo_like, wish, message):
    with pytest.raises(ConfigError, match=message):
        upscaler.rows(photo_like, **wish)  # at once, not when the first band is asked for


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tile": 8}, "tile 8 is smaller than the minimum, 16"),
        ({"max_memory": 0}, "max_memory 0 is not a positive number of bytes"),
        ({"strength": 1.5}, r"strength 1.5 is not within 0..1"),
        ({"strength": 0.5}, r"strength works only with the packaged models \(eusr, swift\), not with tiny"),
    ],
)
def test_arguments_out_of_range(tiny, arguments, message):
    with pytest.raises(ConfigError, match=message):
        Upscaler(tiny, **arguments)


def test_the_smallest_arguments_that_are_taken(tiny):
    Upscaler(tiny, tile=16)
    with pytest.raises(ConfigError, match="is not enough for the smallest tile"):
        Upscaler(tiny, max_memory=1).upscale(np.zeros((8, 8, 3), np.uint8), 2)
    assert not Upscaler(tiny).decides


def test_white_of_every_dtype_is_white_to_the_network(upscaler):
    """The same picture in three dtypes comes out the same but for rounding."""
    grey = np.random.default_rng(8).integers(0, 256, (9, 7, 3), np.uint8)
    wanted = upscaler.upscale(grey, 2).astype(float)
    deep = upscaler.upscale(grey.astype(np.uint16) * 257, 2) / 257
    floating = upscaler.upscale((grey / 255).astype(np.float32), 2) * 255
    assert np.abs(deep - wanted).max() <= 0.51
    assert np.abs(floating - wanted).max() <= 0.51


def test_floats_may_reach_a_thousandth_beyond_0_and_1(upscaler):
    for value in (-0.0009, 1.0009):
        assert upscaler.upscale(np.full((4, 4), value, np.float32), 2).shape == (8, 8)
    for value in (-0.0011, 1.0011, np.nan):
        with pytest.raises(ImageError, match=r"it must be on 0\.\.1"):
            upscaler.upscale(np.full((4, 4), value, np.float32), 2)


def test_too_little_memory_says_how_much_it_takes(tiny, photo_like):
    with pytest.raises(ConfigError, match=r"max_memory, 10 MiB, is not enough .* at scale 2; it takes [34]\d\d MiB"):
        Upscaler(tiny, max_memory=10 * 2**20).upscale(photo_like, 2)


def test_tiles_follow_the_memory(tiny, monkeypatch):
    wide = replace(network.ours({4: tiny}), widths={4: 64})
    picture = np.broadcast_to(np.uint8(0), (5000, 5000, 3))

    def side(max_memory=None, exact=True):
        rows, _ = tiling.plan(wide, picture, 4, tiling.Limits(None, max_memory, exact, False), 12.5 * 64 * 16)
        return rows[0].stop - rows[0].start

    sides = [side(megabytes * 2**20) for megabytes in (600, 900, 1500, 3000)]
    assert sides == sorted(set(sides))
    assert side(900 * 2**20, exact=False) < sides[1]
    monkeypatch.setattr(hardware, "free_memory", lambda: 2 * 900 * 2**20)
    assert side() == sides[1]
    monkeypatch.setattr(hardware, "free_memory", lambda: 2**40)
    assert side() < sides[3]


# Bytes for each feature of an output pixel, measured (docs/explanation/engine.md); ncnn's are read from its graph.
BYTES_A_FEATURE = {"openvino": 12.5, "onnxruntime": 22, "torch": 18.5}


@pytest.mark.parametrize("bytes_a_feature", [12.5, 70])
@pytest.mark.parametrize(("scale", "exact", "halo"), [(2, True, 8), (4, True, 8), (4, False, 16), (8, True, 0)])
def test_the_largest_tile_that_fits(tiny, bytes_a_feature, scale, exact, halo):
    """As few tiles as fit 900 MiB, counted out: 320 for the process, the tile's pixels, three bands of its height."""
    wide = replace(network.ours({scale: tiny}), halo=halo)
    picture = np.broadcast_to(np.uint8(0), (700, 3000, 3))
    network_takes = bytes_a_feature * 48 * scale * scale
    a_row = 3 * (2 if exact else 18) * scale * scale * 3000
    fits = (t * t * (network_takes + 64 * scale * scale) + t * a_row <= 580 * 2**20 for t in range(700, 15, -1))
    side = 700 - next(place for place, fit in enumerate(fits) if fit)
    planned = tiling.plan(wide, picture, scale, tiling.Limits(None, 900 * 2**20, exact, False), network_takes)
    assert [len(spans) for spans in planned] == [-(-(length - 2 * halo) // (side - 2 * halo)) for length in (700, 3000)]
    assert planned[1][0].stop == min(side, -(-(3000 - 2 * halo) // len(planned[1])) + 2 * halo)


@pytest.mark.parametrize("backend", BYTES_A_FEATURE)
def test_each_backend_takes_what_was_measured(tiny, backend):
    session = Engine(backend, device="cpu").load(OurWeights(tiny, 2))
    assert session.bytes_a_pixel(100.0) == 100 * BYTES_A_FEATURE[backend]


def test_weights_that_overflow_are_not_passed_on(tiny, photo_like):
    tensors = {name: value * np.float32(1e10) for name, value in tiny.tensors.items()}
    with pytest.raises(BackendError, match=r"tiny produced values that are not finite \(openvino, fp32\)"):
        Upscaler(replace(tiny, tensors=tensors), precision="fp32", backend="openvino").upscale(photo_like, 2)


class TestStrength:
    """The dial, on a packaged pair made for the test."""

    @pytest.fixture
    def pair(self, tiny, tmp_path, monkeypatch):
        other = replace(tiny, tensors={name: value * np.float32(0.8) for name, value in tiny.tensors.items()})
        defaults = {"strength": {str(scale): position for scale, position in DEFAULTS.items()}}
        faithful, perceptual = (
            replace(each, metadata=replace(each.metadata, family=DEFAULT_MODEL, **more))
            for each, more in ((tiny, {"defaults": defaults}), (other, {"corner": {"strength": 1}}))
        )
        save(faithful, tmp_path / f"{DEFAULT_MODEL}.safetensors", half=False)
        save(perceptual, tmp_path / "sharp.safetensors", half=False)
        monkeypatch.setattr(weights_module.file, "PACKAGED", tmp_path)
        return tiny, other

    def test_ends_and_between(self, pair, photo_like):
        faithful, perceptual = pair
        middle = weights_module.interpolate(faithful, perceptual, 0.25)
        for strength, weights in ((0, faithful), (0.25, middle), (1, perceptual)):
            result = Upscaler(DEFAULT_MODEL, strength=strength).upscale(photo_like, 2)
            np.testing.assert_array_equal(result, Upscaler(weights).upscale(photo_like, 2))

    def test_none_is_the_default_for_the_pair_and_nothing_elsewhere(self, pair, photo_like):
        picture = photo_like[:30, :20]
        for scale, strength in DEFAULTS.items():
            default = Upscaler(DEFAULT_MODEL, strength=strength).upscale(picture, scale)
            np.testing.assert_array_equal(Upscaler().upscale(picture, scale), default)
        perceptual = Upscaler(pair[1]).upscale(photo_like, 2)
        np.testing.assert_array_equal(Upscaler("sharp").upscale(photo_like, 2), perceptual)

    def test_other_lineages_are_refused(self, pair, tmp_path):
        strange = {"lineage": "another", "family": DEFAULT_MODEL, "corner": {"strength": 1}}
        stranger = replace(pair[1], metadata=replace(pair[1].metadata, **strange))
        save(stranger, tmp_path / "sharp.safetensors", half=False)
        with pytest.raises(WeightsError, match="cannot be interpolated: lineage"):
            Upscaler(DEFAULT_MODEL, strength=0.5)

    def test_any_two_of_a_lineage(self, pair, tmp_path, photo_like):
        expected = Upscaler(weights_module.interpolate(*pair, 0.25)).upscale(photo_like, 2)
        files = [str(tmp_path / f"{name}.safetensors") for name in (DEFAULT_MODEL, "sharp")]
        found = Upscaler(blend(*files, 0.25)).upscale(photo_like, 2)
        np.testing.assert_array_equal(found, expected)
        with pytest.raises(WeightsError, match="the weights of such a file cannot be blended"):
            Upscaler(blend(pair[0], "a.onnx"))

    @pytest.mark.parametrize("strength", [0, 0.3, 1])
    def test_strangers_are_blended_in_pixels_on_request(self, pair, tmp_path, photo_like, strength):
        stranger = replace(pair[1], metadata=replace(pair[1].metadata, lineage="another"))
        with pytest.raises(WeightsError, match=r"lineage is .* blend their pixels instead"):
            Upscaler(blend(pair[0], stranger))
        picture = (photo_like[:40] / 255).astype(np.float32)
        ends = [Upscaler(each, keep_colour=False).upscale(picture, 2) for each in (pair[0], stranger)]
        inside = np.logical_and(*((end > 0) & (end < 1) for end in ends))  # not clipped
        model = blend(DEFAULT_MODEL, stranger, strength, pixels=True)
        found = Upscaler(model, keep_colour=False).upscale(picture, 2)
        expected = dial.blend(*ends, strength)
        assert inside.mean() > 0.3
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)
        tiled = Upscaler(model, tile=32, keep_colour=False)
        assert tiled.scales == (2, 4, 8)
        assert tiled.upscale(picture, 3).shape == (120, 159, 3)

    def test_what_cannot_be_blended_in_pixels(self, pair):
        with pytest.raises(ConfigError, match="strength 2 is not within"):
            blend(pair[0], pair[1], 2)
        with pytest.raises(ConfigError, match=r"strength works only with the packaged models .*, not with a blend of"):
            Upscaler(blend(pair[0], pair[1], pixels=True), strength=0.5)
        numbers = {**pair[1].metadata.numbers, "scales": [8]}
        tensors = {name: value for name, value in pair[1].tensors.items() if ".x2." not in name and ".x4." not in name}
        only8 = replace(pair[1], tensors=tensors, metadata=replace(pair[1].metadata, numbers=numbers))
        assert Upscaler(blend(pair[0], only8, pixels=True)).scales == (8,)

    def test_without_the_perceptual_weights(self, pair, tmp_path, photo_like):
        (tmp_path / "sharp.safetensors").unlink()
        expected = Upscaler(pair[0]).upscale(photo_like, 2)
        for strength in (None, 0):
            np.testing.assert_array_equal(Upscaler(strength=strength).upscale(photo_like, 2), expected)
        with pytest.raises(
            ConfigError, match=rf"strength 0\.5 needs weights of {DEFAULT_MODEL} that are not installed"
        ):
            Upscaler(strength=0.5)


@pytest.mark.shared
@pytest.mark.slow
def test_bf16_costs_less_than_a_fiftieth_of_a_decibel(shared, real_processor):
    from fourpass.metrics.psnr import psnr

    if hardware.bf16_instructions() is None:
        pytest.skip("this processor has neither AMX nor AVX512-BF16")
    losses = []
    for path in sorted((shared / "data/eval/Set5").iterdir()):
        truth = read(path)
        truth = truth[: len(truth) // 4 * 4, : truth.shape[1] // 4 * 4]
        small = imresize(truth, 0.25)
        exact, narrow = (Upscaler(strength=0, precision=p).upscale(small, 4) for p in ("fp32", "bf16"))
        losses.append(psnr(truth, exact) - psnr(truth, narrow))
    assert abs(np.mean(losses)) < 0.02
