"""Wear laid over training inputs: what each step does, how often it is drawn, and that only inputs are touched."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter

from fourpass.data import wear_steps as steps
from fourpass.data.patches import Patches
from fourpass.data.training_images import TrainingImage, shrink
from fourpass.data.wear import GRID, MARGIN, Save, Wear, WearPlan, carry_out, cut_worn, draw, lay
from fourpass.errors import ConfigError

Pixels = NDArray[np.uint8]
NOTHING = {"clean": 0.0, "filter": 0.0, "blur": 0.0, "noise": 0.0, "saved": 0.0, "twice": 0.0}


def photo(rows: int, columns: int, seed: int = 0) -> Pixels:
    """Soft colours with some detail."""
    rng = np.random.default_rng(seed)
    soft = gaussian_filter(rng.standard_normal((rows, columns, 3)), (2, 2, 0)) * 500
    return np.clip(128 + soft + 6 * rng.standard_normal((rows, columns, 3)), 0, 255).astype(np.uint8)


def patches(rows: int = 160, columns: int = 200, size: int = 16, scale: int = 4) -> Patches:
    high = photo(rows, columns)
    picture = TrainingImage(Path("photo"), high, {scale: shrink(high, scale)}, np.zeros((2, 2)))
    return Patches([picture], (scale,), (1,), (size,))


def plans(count: int = 4000, **settings: object) -> list[WearPlan]:
    wear = Wear(**settings)  # type: ignore[arg-type]
    return [draw(wear, np.random.default_rng([1, number])) for number in range(count)]


def test_round_blur_is_a_gaussian() -> None:
    image = photo(40, 56)
    for sigma in (0.4, 1.0, 1.8):
        wanted = gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="reflect", truncate=5)
        np.testing.assert_allclose(steps.blur(image, sigma, sigma), wanted, atol=0.05)


def test_a_long_blur_lies_along_its_angle() -> None:
    image = photo(48, 64)
    along, across, angle = 3.0, 1.0, math.radians(30)
    y, x = np.mgrid[-12:13, -12:13]
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((u / along) ** 2 + (v / across) ** 2))
    wanted = convolve(image.astype(float), (kernel / kernel.sum())[..., None], mode="reflect")
    np.testing.assert_allclose(steps.blur(image, along, across, angle), wanted, atol=0.5)
    assert np.abs(steps.blur(image, along, across, -angle) - wanted).max() > 5


def test_noise_has_its_level_its_colour_and_its_shot_share() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    for colour, correlation in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        drawn = steps.noise(grey, 7.0, np.random.default_rng(0), colour, 0.6) - 128
        assert drawn.std() == pytest.approx(7.0, rel=0.02)
        found = np.corrcoef(drawn.reshape(-1, 3).T)[0, 1]
        assert found == pytest.approx(correlation, abs=0.02)
    for level, share, wanted in ((32, 1.0, 0.5), (0, 0.75, 0.5), (255, 0.0, 1.0)):
        flat = np.full((256, 256, 3), level, np.uint8)
        drawn = steps.noise(flat, 8.0, np.random.default_rng(1), 1.0, share) - level
        assert drawn.std() == pytest.approx(8 * wanted, rel=0.02)  # variance: 1 - share + share * level / 128
    assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < 0.01


def test_saves_are_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    opened = Image.open
    monkeypatch.setattr(Image, "open", lambda stream: (written.append(stream.getvalue()), opened(stream))[1])
    image = photo(48, 48)
    for chroma, factors in (("4:4:4", 0x11), ("4:2:2", 0x21), ("4:2:0", 0x22)):
        steps.jpeg(image, 80, chroma)
        frame = written[-1].index(b"\xff\xc0")
        assert written[-1][frame + 11] == factors  # of luma, against 1x1 of chroma
    steps.webp(image, 60)
    assert written[-1][8:16] == b"WEBPVP8 "
    errors = [np.abs(steps.jpeg(image, quality).astype(float) - image).mean() for quality in (30, 60, 90)]
    assert errors[0] > errors[1] > errors[2] > 0


@pytest.mark.parametrize(("row", "column"), [(0, 0), (5, 11), (15, 8)])
def test_a_patch_is_saved_as_the_whole_picture_would_be(row: int, column: int) -> None:
    """The grid lies where the plan says, and blocks that reach over the patch's edge saw what is there."""
    whole, side, inner = photo(160, 160), 16 + 2 * MARGIN, slice(MARGIN, -MARGIN)
    stream = io.BytesIO()
    Image.fromarray(whole).save(stream, "JPEG", quality=40, subsampling=2)
    saved = np.asarray(Image.open(stream))
    at = slice(48 + row, 48 + row + side), slice(48 + column, 48 + column + side)  # blocks begin at 48
    plan = WearPlan(last=Save("jpeg", 40, "4:2:0", row, column))
    worn = carry_out(plan, whole[at], whole[at], np.random.default_rng(0))
    np.testing.assert_array_equal(worn[inner, inner], saved[at][inner, inner])


@pytest.mark.parametrize("kernel", ["box", "bilinear", "lanczos"])
def test_another_filter_shrinks_the_truth(kernel: str) -> None:
    high = photo(192, 192)
    low = shrink(high, 4)
    worn = carry_out(WearPlan(kernel=kernel), low, high, np.random.default_rng(0))
    wanted = Image.fromarray(high).resize((48, 48), getattr(Image.Resampling, kernel.upper()))
    np.testing.assert_array_equal(worn, np.asarray(wanted))
    assert 0 < np.abs(worn.astype(float) - low).mean() < 8
    if kernel == "box":
        np.testing.assert_allclose(
            worn, high.reshape(48, 4, 48, 4, 3).mean((1, 3)), atol=1.01
        )  # rounded after each axis


def test_saved_before_at_another_size() -> None:
    """The earlier picture is the truth shrunk less, so that its own detail is what its codec loses."""
    high = photo(256, 256)
    low = shrink(high, 4)
    first = Save("jpeg", 20, "4:4:4", 0, 0)
    worn = carry_out(WearPlan(size=2.0, first=first), low, high, np.random.default_rng(0))
    earlier = Image.fromarray(high).resize((128, 128), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    earlier.save(stream, "JPEG", quality=20, subsampling=0)
    wanted = np.asarray(Image.open(stream).resize((64, 64), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(worn, wanted)
    small = carry_out(WearPlan(size=0.8, first=Save("jpeg", 20, "4:2:0", 15, 15)), low, high, np.random.default_rng(0))
    error = np.abs(small.astype(float) - low)[MARGIN:-MARGIN, MARGIN:-MARGIN].mean(2)
    assert (error.reshape(4, 8, 4, 8).mean((1, 3)) > 1).all()  # it reached every part of the patch


def test_plans_come_at_the_stated_odds_and_within_the_stated_ranges() -> None:
    wear = Wear()
    drawn = plans()
    worn = [plan for plan in drawn if plan != WearPlan()]
    nothing = (1 - wear.filter) * (1 - wear.blur) * (1 - wear.noise) * (1 - wear.saved)
    clean = wear.clean + (1 - wear.clean) * nothing
    assert len(worn) / len(drawn) == pytest.approx(1 - clean, abs=0.02)

    def share(kept: list[bool]) -> float:
        return float(np.mean(kept))

    assert share([bool(plan.kernel) for plan in drawn]) == pytest.approx(wear.filter * (1 - wear.clean), abs=0.02)
    assert share([bool(plan.blur) for plan in drawn]) == pytest.approx(wear.blur * (1 - wear.clean), abs=0.02)
    assert share([bool(plan.noise) for plan in drawn]) == pytest.approx(wear.noise * (1 - wear.clean), abs=0.02)
    assert share([bool(plan.last) for plan in drawn]) == pytest.approx(wear.saved * (1 - wear.clean), abs=0.02)
    last = [plan.last for plan in drawn if plan.last]
    assert share([bool(plan.first) for plan in drawn if plan.last]) == pytest.approx(wear.twice, abs=0.02)
    assert not any(plan.first for plan in drawn if not plan.last)
    assert share([save.codec == "webp" for save in last]) == pytest.approx(wear.webp, abs=0.02)
    chroma = [save.chroma for save in last if save.codec == "jpeg"]
    assert [chroma.count(one) / len(chroma) for one in steps.CHROMA] == pytest.approx(wear.chroma_odds, abs=0.03)
    assert {save.chroma for save in last if save.codec == "webp"} == {"4:2:0"}
    qualities = np.array([save.quality for save in last])
    assert (qualities.min(), qualities.max()) == (25, 97)
    assert share(list(qualities >= 75)) == pytest.approx(1 - wear.strong, abs=0.02)
    assert {save.row for save in last} == {save.column for save in last} == set(range(GRID))
    assert {plan.kernel for plan in drawn} == {"", *wear.filters}
    blurs = np.array([plan.blur for plan in drawn if plan.blur])
    assert 0.3 <= blurs[:, 1].min() < 0.32 < 1.7 < blurs[:, 1].max() <= 1.8
    stretch = blurs[:, 0] / blurs[:, 1]
    assert share(list(stretch > 1.01)) == pytest.approx(wear.long, abs=0.05)
    assert stretch.max() <= 4.0
    noises = np.array([plan.noise for plan in drawn if plan.noise])
    assert 0.7 <= noises[:, 0].min() < 0.72 < 14.5 < noises[:, 0].max() <= 15
    assert np.median(noises[:, 0]) == pytest.approx(math.sqrt(0.7 * 15), rel=0.1)
    assert noises[:, 1:].mean(0) == pytest.approx([0.5, 0.5], abs=0.03)
    sizes = np.array([plan.size for plan in drawn if plan.first])
    assert 0.8 <= sizes.min() < 0.82 < 1.95 < sizes.max() <= 2.0


def test_mild_wear_dominates() -> None:
    """Most photos are JPEGs of quality 75 to 95: most inputs are one such save, with at most faint noise, or clean."""
    drawn = plans()
    mild = [
        (not plan.blur or plan.blur[0] < 1)
        and (not plan.noise or plan.noise[0] < 4)
        and all(save.quality >= 75 for save in (plan.first, plan.last) if save)
        for plan in drawn
    ]
    assert np.mean(mild) > 0.55


def test_worn_batches_are_functions_of_their_seed_and_split_over_processes() -> None:
    source, wear = patches(), Wear(clean=0.0, noise=1.0)
    whole, again = (cut_worn(source, wear, (5, 0, 11), 6) for _ in range(2))
    halves = [cut_worn(source, wear, (5, 0, 11), 3, first) for first in (0, 3)]
    assert whole.worn is not None
    assert again.worn is not None
    np.testing.assert_array_equal(whole.worn, again.worn)
    np.testing.assert_array_equal(whole.worn, np.concatenate([half.seen for half in halves]))
    other = cut_worn(source, wear, (5, 0, 12), 6)
    assert not np.array_equal(whole.worn, other.seen)


def test_targets_and_clean_inputs_stay_as_they_are() -> None:
    source = patches()
    plain = source.batch((0, 0, 3), 8)
    worn = cut_worn(source, Wear(clean=0.5), (0, 0, 3), 8)
    np.testing.assert_array_equal(worn.low, plain.low)
    np.testing.assert_array_equal(worn.high, plain.high)
    assert worn.worn is not None
    touched = (worn.worn != worn.low).any((1, 2, 3))
    assert 0 < touched.sum() < 8
    np.testing.assert_array_equal(worn.seen, worn.worn)
    np.testing.assert_array_equal(cut_worn(source, Wear(**NOTHING), (0, 0, 3), 8).seen, plain.low)  # type: ignore[arg-type]
    bare = cut_worn(source, None, (0, 0, 3), 8)
    assert bare.worn is None
    np.testing.assert_array_equal(bare.seen, plain.low)


def test_the_clean_share_is_clean() -> None:
    source = patches(96, 96, 8)
    wear = Wear(**{**NOTHING, "clean": 0.3, "noise": 1.0, "noise_sigma": (20.0, 20.0)})  # type: ignore[arg-type]
    batches = [cut_worn(source, wear, (0, 0, step), 32) for step in range(12)]
    same = np.concatenate([(batch.seen == batch.low).all((1, 2, 3)) for batch in batches])
    assert same.mean() == pytest.approx(0.3, abs=0.07)


def test_a_margin_shows_what_lies_around_and_mirrors_at_the_edge() -> None:
    source = patches(64, 80, 16)  # as high as the patch: its margin lies beyond the picture
    plain, wide = source.batch((0, 1), 12), source.batch((0, 1), 12, margin=6)
    assert wide.low.shape == (12, 3, 28, 28)
    assert wide.high.shape == (12, 3, 112, 112)
    np.testing.assert_array_equal(wide.low[..., 6:-6, 6:-6], plain.low)
    np.testing.assert_array_equal(wide.high[..., 24:-24, 24:-24], plain.high)
    upright = (wide.low[..., :6, :] == wide.low[..., 11:5:-1, :]).all((1, 2, 3))
    sideways = (wide.low[..., :6] == wide.low[..., 11:5:-1]).all((1, 2, 3))
    assert (upright | sideways).all()
    again = lay(source.batch((0, 1), 2, margin=MARGIN), Wear(clean=1.0), (0, 1))
    np.testing.assert_array_equal(again.seen, plain.low[:2])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": 1.5}, r"noise = 1.5 is not within 0..1"),
        ({"noise_sigma": (4.0, 2.0)}, r"noise_sigma = \[4.0, 2.0\] is not a range"),
        ({"noise_sigma": (0.0, 2.0)}, r"noise_sigma = \[0.0, 2.0\] is not within 0.05..100"),
        ({"quality_mild": (75, 101)}, r"quality_mild = \[75, 101\] is not within 1..100"),
        ({"quality_mild": (75,)}, r"quality_mild = \[75\] is not a range"),
        ({"blur_sigma": (math.nan, 1.0)}, r"blur_sigma = \[nan, 1.0\] is not within"),
        ({"filters": ("cubic",)}, r"filters \['cubic'\] must be chosen from box, bilinear"),
        ({"filters": ()}, r"filters \[\] must be chosen from"),
        ({"chroma_odds": (0.0, 0.0, 0.0)}, r"chroma_odds \[0.0, 0.0, 0.0\] must be weights of 4:4:4, 4:2:2, 4:2:0"),
        ({"chroma_odds": (1.0, 1.0)}, r"chroma_odds \[1.0, 1.0\] must be weights"),
    ],
)
def test_a_mistake_is_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Wear(**settings)  # type: ignore[arg-type]
