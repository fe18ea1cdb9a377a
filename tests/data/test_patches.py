"""Pictures from folders, their cache, and patches of them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fourpass.data.div2k import training_images
from fourpass.data.loader import Prefetcher
from fourpass.data.patches import Patches
from fourpass.data.training_images import TrainingImage, decode, find_images, load_pictures, shrink
from fourpass.errors import ConfigError, DatasetError
from fourpass.imaging.resize import imresize


def noise(rows, columns, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (rows, columns, 3), np.uint8)


@pytest.fixture
def folder(tmp_path):
    home = tmp_path / "photos"
    (home / "deep" / "er").mkdir(parents=True)
    Image.fromarray(noise(70, 90, 1)).save(home / "a.png")
    Image.fromarray(noise(64, 64, 2)).save(home / "deep" / "b.webp", lossless=True)
    Image.fromarray(noise(66, 81, 3)[..., 0]).save(home / "deep" / "er" / "gray.PNG")
    (home / "notes.txt").write_text("no picture")
    return home


def pictures(folder, scales=(2, 4), **options):
    return load_pictures(find_images(folder), scales, cache=folder.parent / "cache", **options)


def coordinates(rows, columns):
    """A picture whose red is the row and whose green is the column."""
    grid = np.zeros((rows, columns, 3), np.uint8)
    grid[..., 0], grid[..., 1] = np.mgrid[:rows, :columns]
    return grid


def test_a_tree_of_pictures(folder):
    found = pictures(folder)
    assert [picture.source.name for picture in found] == ["a.png", "b.webp", "gray.PNG"]
    first, _, gray = found
    np.testing.assert_array_equal(first.high, noise(70, 90, 1))
    np.testing.assert_array_equal(first.low[4], imresize(noise(70, 90, 1)[:68, :88], 1 / 4))
    assert first.low[2].shape == (35, 45, 3)
    assert (gray.high[..., 0] == gray.high[..., 2]).all()
    assert isinstance(first.high, np.memmap)


def test_pictures_are_decoded_once_and_found_by_content(folder, monkeypatch):
    pictures(folder)
    (folder / "a.png").rename(folder / "renamed.png")
    monkeypatch.setattr("fourpass.data.training_images.files.read", None)  # would fail if it were called
    monkeypatch.setattr("fourpass.data.training_images.imresize", None)
    assert len(pictures(folder)) == 3


def test_corrupt_pictures_are_reported_left_out_and_counted(folder):
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:2000])
    (folder / "empty.jpg").touch()
    lines = []
    assert len(pictures(folder, report=lines.append)) == 3
    assert any("broken.png" in line and line.startswith("left out: ") for line in lines)
    assert any("empty.jpg" in line for line in lines)
    assert lines[-1] == "2 of 5 pictures left out because they cannot be read"


def test_a_folder_of_nothing_else_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="none: no such folder"):
        training_images(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"contains no pictures, not even in subfolders \(\.bmp"):
        training_images(tmp_path)
    (tmp_path / "x.png").write_bytes(b"nonsense")
    with pytest.raises(DatasetError, match=r"none of 1 pictures can be read; the first: left out: .*x\.png"):
        load_pictures(training_images(tmp_path), (2,), cache=tmp_path / "cache", report=lambda line: None)


def test_sixteen_bits_and_transparency(tmp_path):
    deep = np.array([[0, 128, 257], [32896, 65535, 65406]], np.uint16).repeat(8, 0).repeat(8, 1)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert decode(tmp_path / "deep.png")[::8, ::8, 0].tolist() == [[0, 0, 1], [128, 255, 254]]
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:4, :, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert decode(tmp_path / "clear.png")[::4, 0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_the_layout_of_div2k(tmp_path):
    for name in ("DIV2K_train_HR/0001.png", "DIV2K_valid_HR/0801.png", "DIV2K_train_LR_bicubic/X4/0001x4.png"):
        file = tmp_path / "DIV2K" / name
        file.parent.mkdir(parents=True)
        Image.fromarray(noise(16, 16)).save(file)
    assert [file.name for file in training_images(tmp_path)] == ["0001.png"]
    assert [file.name for file in training_images(tmp_path, ("train", "valid"))] == ["0001.png", "0801.png"]
    assert [file.name for file in training_images(tmp_path / "DIV2K" / "DIV2K_valid_HR")] == ["0801.png"]
    (tmp_path / "DIV2K" / "DIV2K_valid_HR" / "0801.png").unlink()
    (tmp_path / "DIV2K" / "DIV2K_valid_HR").rmdir()
    with pytest.raises(DatasetError, match="no DIV2K_valid_HR; expected"):
        training_images(tmp_path, ("train", "valid"))


def test_high_and_low_show_the_same_place_in_all_eight_turns(tmp_path):
    Image.fromarray(coordinates(96, 120)).save(tmp_path / "grid.png")
    loaded = pictures(tmp_path, (4,))
    patches = Patches(loaded, (4,), (1,), (8,))
    corners = set()
    for step in range(40):
        batch = patches.batch((0, step), 2)
        assert batch.low.shape == (2, 3, 8, 8)
        assert batch.high.shape == (2, 3, 32, 32)
        for low, high in zip(batch.low, batch.high, strict=True):
            np.testing.assert_allclose(low[:2, 3:5, 3:5].mean((1, 2)), high[:2, 12:20, 12:20].mean((1, 2)), atol=1)
            row, column = int(high[0].min()), int(high[1].min())
            assert row % 4 == column % 4 == 0
            across = bool(high[0, 0, 0] != high[0, 0, -1])
            corners.add((across, high[0, 0, 0] == row, high[1, 0, 0] == column))
    assert len(corners) == 8


def test_a_batch_is_a_function_of_its_seed_and_splits_over_processes(folder):
    patches = Patches(pictures(folder), (2, 4), (0.3, 0.7), (8, 8), candidates=3)
    whole = patches.batch((5, 0, 11), 6)
    again = patches.batch((5, 0, 11), 6)
    halves = [patches.batch((5, 0, 11), 3, first=first) for first in (0, 3)]
    np.testing.assert_array_equal(whole.high, again.high)
    np.testing.assert_array_equal(whole.low, np.concatenate([half.low for half in halves]))
    assert {half.scale for half in halves} == {whole.scale} == {patches.scale_at((5, 0, 11))}
    assert not np.array_equal(whole.low, patches.batch((5, 1, 11), 6).low)


def test_scales_come_at_their_odds(folder):
    patches = Patches(pictures(folder), (2, 4), (1, 3), (8, 8))
    drawn = [patches.scale_at((0, step)) for step in range(2000)]
    assert drawn.count(4) / 2000 == pytest.approx(0.75, abs=0.03)


def test_patches_prefer_detail_when_they_have_the_choice(tmp_path):
    image = np.full((64, 512, 3), 128, np.uint8)
    image[:, 384:] = noise(64, 128)
    Image.fromarray(image).save(tmp_path / "sky.png")
    loaded = pictures(tmp_path, (2,))

    def share_with_detail(candidates):
        patches = Patches(loaded, (2,), (1,), (16,), candidates)
        high = np.concatenate([patches.batch((0, step), 16).high for step in range(60)])
        return float((high.std(axis=(1, 2, 3)) > 0).mean())

    # A patch of 32 columns, at even places, shows some noise in 64 of 241.
    assert share_with_detail(1) == pytest.approx(64 / 241, abs=0.05)
    assert share_with_detail(4) == pytest.approx(1 - (1 - 64 / 241) ** 4, abs=0.05)


def test_larger_pictures_are_drawn_more_often(tmp_path):
    Image.fromarray(np.full((32, 32, 3), 10, np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.full((32, 96, 3), 200, np.uint8)).save(tmp_path / "wide.png")
    patches = Patches(pictures(tmp_path, (2,)), (2,), (1,), (8,))
    drawn = np.concatenate([patches.batch((0, step), 16).low[:, 0, 0, 0] for step in range(100)])
    assert (drawn == 200).mean() == pytest.approx(0.75, abs=0.04)


def test_pictures_smaller_than_a_patch(folder):
    lines = []
    patches = Patches(pictures(folder), (2, 4), (1, 1), (8, 17), report=lines.append)
    assert len(lines) == 1
    assert lines[0].startswith(
        "2 of 3 pictures are smaller than a patch of x4 (68x68) and not used for it; the first: "
    )
    assert patches.batch((0, 0), 1).low.shape[2:] in {(8, 8), (17, 17)}
    with pytest.raises(
        DatasetError, match=r"a\.png: is the largest picture, with 90x70 pixels; x4 patches need 192x192"
    ):
        Patches(pictures(folder), (4,), (1,), (48,))


def test_a_picture_too_small_to_shrink():
    with pytest.raises(ConfigError, match="9x7 pixels cannot be shrunk by 8"):
        shrink(noise(7, 9), 8)


def test_a_picture_of_one_cell_can_be_chosen_by_gradient():
    high = noise(8, 8)
    picture = TrainingImage(None, high, {2: shrink(high, 2)}, np.array([[0.0, 0.0], [0.0, 3.0]]))
    assert Patches([picture], (2,), (1,), (4,), candidates=2).batch((0, 0), 1).high.shape == (1, 3, 8, 8)


def test_the_loader_hands_out_steps_in_order_and_passes_errors_on():
    def make(step):
        if step == 9:
            raise DatasetError("step nine")
        return step * step

    loader = Prefetcher(make, first=5, depth=3)
    try:
        assert [next(loader) for _ in range(4)] == [25, 36, 49, 64]
        with pytest.raises(DatasetError, match="step nine"):
            next(loader)
    finally:
        loader.close()


def test_pictures_that_are_there_twice_count_once(tmp_path):
    """Unpacked into a folder of its own name as well, and with what macOS adds to an archive: six pictures are six."""
    for home in ("DIV2K_train_HR", "DIV2K_train_HR/DIV2K_train_HR", "again/DIV2K_train_HR"):
        for number in range(1, 7):
            file = tmp_path / home / f"{number:04}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(8, 8)).save(file)
    junk = tmp_path / "__MACOSX" / "DIV2K_train_HR" / "._0001.png"
    junk.parent.mkdir(parents=True)
    junk.write_bytes(b"no picture")
    (tmp_path / "DIV2K_train_HR" / "._0002.png").write_bytes(b"no picture")
    found = training_images(tmp_path)
    assert [str(file.relative_to(tmp_path)) for file in found] == [
        f"DIV2K_train_HR/{number:04}.png" for number in range(1, 7)
    ]


def test_pictures_are_drawn_by_area_or_all_alike(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(noise(16, 16)).save(tmp_path / "photos" / "small.png")
    large = noise(64, 64) // 2 + 128
    Image.fromarray(large).save(tmp_path / "photos" / "large.png")
    found = pictures(tmp_path / "photos", (2,))
    shares = {}
    for draw in ("area", "picture"):
        cut = Patches(found, (2,), (1.0,), (4,), report=lambda line: None, draw=draw)
        batch = cut.batch((0, 1), 600)
        shares[draw] = (batch.high.reshape(600, -1).min(1) >= 128).mean()
    assert shares["area"] == pytest.approx(16 / 17, abs=0.04)
    assert shares["picture"] == pytest.approx(1 / 2, abs=0.08)
