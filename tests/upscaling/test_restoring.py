"""The dial `restore`: what each picture calls for, alike from every entrance, with four made-up corners."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import fourpass
from fourpass import weights
from fourpass.cli.app import app
from fourpass.errors import ConfigError
from fourpass.imaging.jpeg_tables import luma_table
from fourpass.imaging.resize import imresize
from fourpass.upscaling.faithful import FaithfulUpscaler
from fourpass.upscaling.results import FrameFacts
from fourpass.upscaling.upscaler import Upscaler
from fourpass.wear.estimate import estimate
from fourpass.wear.restore import restore_for

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four small relatives, packaged as one family with two dials."""
    from fourpass.models.swift import Swift

    packaged = tmp_path / "packaged"
    packaged.mkdir()
    numbers = {"features": 4, "blocks": 1, "scales": [2, 4]}
    for seed, (name, corner) in enumerate(
        {
            "small": {},
            "small-sharp": {"strength": 1},
            "small-worn": {"restore": 1},
            "small-both": {"strength": 1, "restore": 1},
        }.items()
    ):
        rng = np.random.default_rng(seed)
        shapes = {key: value.shape for key, value in Swift(4, 1, (2, 4)).state_dict().items()}
        state = {key: rng.normal(0, 0.08, shape).astype(np.float32) for key, shape in shapes.items()}
        metadata = weights.Metadata(
            "swift",
            numbers,
            "test",
            "noise",
            0,
            "Apache-2.0",
            family="small",
            corner=corner,
            defaults={} if corner else {"strength": {"4": 0.5}},
        )
        weights.save(weights.Weights(state, metadata), packaged / f"{name}.safetensors", half=False)
    monkeypatch.setattr(weights.file, "PACKAGED", packaged)


def clean() -> Any:
    tiles = np.random.default_rng(2).integers(60, 190, (20, 23, 3)).astype(np.uint8)
    return np.ascontiguousarray(tiles.repeat(5, 0).repeat(5, 1)[:96, :112])


def jpeg(pixels: Any, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def worn(quality: int = 40) -> Any:
    return np.asarray(Image.open(io.BytesIO(jpeg(clean(), quality))))


def test_auto_is_what_the_picture_calls_for() -> None:
    upscaler = Upscaler("small")
    assert upscaler.decides
    called_for = restore_for(estimate(worn()))
    assert called_for.value > 0.5
    settled, decided = upscaler.for_picture(worn())
    assert decided is not None
    assert decided.value == pytest.approx(called_for.value, abs=0.025 + 1e-9)
    assert decided.reason == called_for.reason
    by_hand = Upscaler("small", restore=decided.value).upscale(worn(), 4)
    np.testing.assert_array_equal(upscaler.upscale(worn(), 4), by_hand)
    np.testing.assert_array_equal(settled.upscale(worn(), 4), by_hand)
    assert (by_hand != Upscaler("small", restore=0).upscale(worn(), 4)).any()


def test_clean_pictures_do_not_pay() -> None:
    expected = Upscaler("small", restore=0).upscale(clean(), 2)
    np.testing.assert_array_equal(Upscaler("small").upscale(clean(), 2), expected)
    np.testing.assert_array_equal(fourpass.upscale(clean(), 2, model="small"), expected)


def test_one_upscaler_decides_for_each_picture_by_itself() -> None:
    upscaler = Upscaler("small")
    for picture in (worn(), clean(), worn(75), worn(30), worn(), worn(90), clean()):
        _, decided = upscaler.for_picture(picture)
        assert decided is not None
        expected = Upscaler("small", restore=decided.value).upscale(picture, 2)
        np.testing.assert_array_equal(upscaler.upscale(picture, 2), expected)


def test_corners_by_name_and_models_without_the_dial_stay_as_they_are(tmp_path: Path) -> None:
    for model in ("small-sharp", "small-worn", weights.load("small-both")):
        upscaler = Upscaler(model)
        assert not upscaler.decides
        assert upscaler.for_picture(worn()) == (upscaler, None)
    np.testing.assert_array_equal(
        Upscaler("small-worn").upscale(worn(), 2), Upscaler("small", restore=1, strength=0).upscale(worn(), 2)
    )
    assert not Upscaler(weights.load("small"), restore=0).decides
    with pytest.raises(ConfigError, match=r"restore works only with the packaged models \(small\), not with"):
        Upscaler(weights.load("small"), restore=0.5)


@pytest.mark.parametrize("restore", [1.5, -0.1, "much"])
def test_values_out_of_range(restore: Any) -> None:
    with pytest.raises(ConfigError, match=r"restore .* (is neither a number from 0 to 1 nor|is not within 0)"):
        Upscaler("small", restore=restore)


class TestSameSize:
    """`-s 1`: nothing but cleaning."""

    def test_restore_0_is_the_identity(self) -> None:
        np.testing.assert_array_equal(Upscaler("small", restore=0).upscale(worn(), 1), worn())

    def test_it_is_the_x2_path_shrunk(self) -> None:
        upscaler = Upscaler("small", restore=0.5)
        found = upscaler.upscale(worn(), 1)
        assert found.shape == worn().shape
        large = upscaler.upscale(worn().astype(np.float32) / 255, 2)
        expected = np.floor(np.clip(imresize(large, 0.5), 0, 1) * 255 + 0.5)
        assert np.abs(found - expected).max() <= 1  # the float picture was clipped before it was shrunk

    def test_other_sizes_that_are_not_larger_are_only_resampled(self) -> None:
        size = (48, 56)
        expected = Upscaler("small", restore=0).upscale(worn(), size=size)
        np.testing.assert_array_equal(Upscaler("small", restore=1).upscale(worn(), size=size), expected)


class TestFaithful:
    def test_facts_come_from_the_settled_one(self) -> None:
        upscaler = FaithfulUpscaler("small", disagreement=True)
        facts: list[FrameFacts] = []
        result = upscaler.upscale(worn(), 2, facts=facts.append)
        np.testing.assert_array_equal(result, Upscaler("small").upscale(worn(), 2))
        upscaler.upscale(clean(), 2, facts=facts.append)
        assert len(facts) == 2
        assert all(each.disagreement is not None for each in facts)

    def test_consistency_leaves_the_input_as_it_is(self) -> None:
        upscaler = FaithfulUpscaler("small", consistent=True, strength=0.0)
        assert not upscaler.decides
        facts: list[FrameFacts] = []
        upscaler.upscale(worn(), 2, facts=facts.append)
        assert facts[0].consistent is not None
        with pytest.raises(ConfigError, match=r"consistency .* restore 0\.5"):
            FaithfulUpscaler("small", consistent=True, restore=0.5)


class TestFiles:
    """The command line and files, whose JPEG tables count too."""

    @pytest.fixture
    def photo(self, tmp_path: Path) -> Path:
        path = tmp_path / "photo.jpg"
        path.write_bytes(jpeg(clean(), 60))
        return path

    def run(self, *arguments: object) -> Any:
        return CliRunner().invoke(app, ["upscale", *map(str, arguments)])

    def test_report_dry_run_and_result(self, photo: Path, tmp_path: Path) -> None:
        table = luma_table(photo)
        _, decided = Upscaler("small").for_picture(np.asarray(Image.open(photo)), table)
        assert decided is not None
        dry = self.run(photo, "-n", "small", "-o", tmp_path / "a.png", "--dry-run")
        assert f"restore {decided.value:g} (JPEG of quality 60 by its tables)" in dry.output
        done = self.run(photo, "-n", "small", "-s", 2, "-o", tmp_path / "a.png", "--json", tmp_path / "a.json")
        assert done.exit_code == 0, done.output
        (entry,) = json.loads((tmp_path / "a.json").read_text())["files"]
        assert (entry["restore"], entry["restore_reason"]) == (decided.value, decided.reason)
        by_hand = self.run(photo, "-n", "small", "-s", 2, "--restore", decided.value, "-o", tmp_path / "b.png")
        assert by_hand.exit_code == 0, by_hand.output
        np.testing.assert_array_equal(Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.png"))
        result = fourpass.upscale_and_report(photo, 2, model="small", output=tmp_path / "c.png")
        assert result.restore == decided
        np.testing.assert_array_equal(Image.open(tmp_path / "a.png"), Image.open(tmp_path / "c.png"))

    def test_tables_that_lie_do_not_hide_an_earlier_save(self, tmp_path: Path) -> None:
        path = tmp_path / "again.jpg"
        path.write_bytes(jpeg(worn(30), 100))
        done = self.run(path, "-n", "small", "-o", tmp_path / "a.png", "--json", tmp_path / "a.json")
        assert done.exit_code == 0, done.output
        assert json.loads((tmp_path / "a.json").read_text())["files"][0]["restore"] > 0.5

    @pytest.mark.parametrize(
        ("mode", "size"), [("L", (1, 1)), ("RGB", (2, 3)), ("CMYK", (40, 30)), ("RGB", (64, 64)), ("L", (17, 300))]
    )
    @pytest.mark.parametrize("progressive", [False, True])
    def test_odd_jpegs_get_an_estimate_and_no_error(
        self, tmp_path: Path, mode: str, size: tuple[int, int], progressive: bool
    ) -> None:
        Image.new(mode, size, 100).save(tmp_path / "odd.jpg", quality=50, progressive=progressive)
        done = self.run(tmp_path / "odd.jpg", "-n", "small", "-s", 2, "-o", tmp_path / "a.png")
        assert done.exit_code == 0, done.output

    def test_a_value_out_of_range_is_one_line(self, photo: Path) -> None:
        for value in ("2", "some", "nan"):
            done = self.run(photo, "-n", "small", "--restore", value)
            assert isinstance(done.exception, ConfigError)
            assert f"--restore {value} is neither a number from 0 to 1 nor auto" in str(done.exception)

    def test_other_settings_are_done_anew(self, photo: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        out.mkdir()
        for value, status in (("0", "done"), ("0", "skipped"), ("0.5", "done"), ("auto", "done")):
            report = tmp_path / "r.json"
            self.run(photo, "-n", "small", "-o", out, "--resume", "--restore", value, "--json", report)
            assert json.loads(report.read_text())["files"][0]["status"] == status


def test_animations_are_treated_alike_throughout(tmp_path: Path) -> None:
    frames = [Image.fromarray(each) for each in (worn(), clean())]
    frames[0].save(tmp_path / "two.webp", save_all=True, append_images=frames[1:], lossless=True, duration=50)
    done = CliRunner().invoke(
        app, ["upscale", str(tmp_path / "two.webp"), "-n", "small", "-s", "2", "-o", str(tmp_path / "out.webp"),
              "--quality", "100", "--json", str(tmp_path / "r.json")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    level = json.loads((tmp_path / "r.json").read_text())["files"][0]["restore"]
    out = Image.open(tmp_path / "out.webp")
    out.seek(1)
    expected = Upscaler("small", restore=level).upscale(clean(), 2)
    np.testing.assert_array_equal(np.asarray(out.convert("RGB")), expected)


def test_a_family_without_worn_perceptual_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "packaged" / "small-both.safetensors").unlink()
    with pytest.raises(ConfigError, match="small has no weights that are perceptual and cleaned"):
        Upscaler("small", strength=0.5, restore=0.5)


def test_gray_pictures() -> None:
    gray = worn()[..., 0]
    upscaler = Upscaler("small")
    settled, decided = upscaler.for_picture(gray)
    assert decided is not None
    assert decided.value > 0.5
    np.testing.assert_array_equal(upscaler.upscale(gray, 2), settled.upscale(gray, 2))
