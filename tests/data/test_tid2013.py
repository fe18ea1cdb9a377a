"""Reading TID2013: scores, bins, letter case, and half a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourpass.data.bmp import read_bmp, write_bmp
from fourpass.data.tid2013 import distribution, read_opinions, read_tid2013, scored_pictures
from fourpass.errors import DatasetError


def write_tid(folder: Path, *, one_file: bool = False, images: str = "Distorted_Images") -> Path:
    names = [f"i{reference:02d}_01_{level}" for reference in (1, 2, 4) for level in (1, 2)]
    (folder / images).mkdir(parents=True)
    for n, name in enumerate(names):
        suffix = ".BMP" if n % 2 else ".bmp"
        Image.fromarray(np.full((200, 240, 3), 10 * n, np.uint8)).save(folder / images / (name.upper() + suffix), "BMP")
    means = [f"{3 + 0.5 * n:.1f}" for n in range(len(names))]
    if one_file:
        rows = [f"{name} {mean} 0.{n + 1}" for n, (name, mean) in enumerate(zip(names, means, strict=True))]
        (folder / "tid2013_name_mos_std.txt").write_text("\n".join(rows))
    else:
        rows = [f"{mean} {name.upper()}.bmp" for name, mean in zip(names, means, strict=True)]
        (folder / "MOS_with_names.txt").write_text("\n".join(rows))
        (folder / "mos_std.txt").write_text("\n".join(f"0.{n + 1}" for n in range(len(names))))
    return folder


@pytest.mark.parametrize("one_file", [True, False])
def test_pairs_scores_with_pictures_in_any_letter_case(tmp_path: Path, one_file: bool) -> None:
    pairs = read_tid2013(write_tid(tmp_path, one_file=one_file))
    assert [opinion.name for opinion, _ in pairs][:3] == ["i01_01_1", "i01_01_2", "i02_01_1"]
    assert [(opinion.mean, opinion.deviation) for opinion, _ in pairs][2] == (4.0, 0.3)
    pictures = scored_pictures(pairs)
    assert pictures.scores.tolist() == [4, 4.5, 5, 5.5, 6, 6.5]
    for index in range(len(pictures)):
        assert int(pictures.crop(index).mean()) == 10 * index


def test_keeps_the_wanted_references(tmp_path: Path) -> None:
    pairs = read_tid2013(write_tid(tmp_path), references=(4,))
    assert {opinion.reference for opinion, _ in pairs} == {4}


def test_bins_of_a_gaussian_by_hand() -> None:
    # Mean 4.5, deviation 0.5: the edges 3.5, 4.5, 5.5 lie -2, 0, 2 deviations from the mean.
    shares = distribution(4.5, 0.5)
    assert shares[4] == pytest.approx(0.47725, abs=1e-5)
    assert shares[4] == pytest.approx(shares[5], abs=1e-7)
    assert shares.sum() == pytest.approx(1, abs=1e-6)
    assert distribution(2, 0).tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert distribution(0, 2)[0] > 0  # mass below the lowest bin is spread by the normalisation


def test_wide_bins_keep_the_mean() -> None:
    for mean in (2.0, 4.3, 4.6, 5.4):
        wide = distribution(mean, 0.6) @ np.arange(1, 11)
        assert wide == pytest.approx(mean + 1, abs=0.01)


def test_half_a_folder_is_told(tmp_path: Path) -> None:
    folder = write_tid(tmp_path)
    for name in ("I01_01_2.BMP", "I02_01_1.bmp"):
        (folder / "Distorted_Images" / name).unlink()
    with pytest.raises(DatasetError, match=r"2 of 6 scored pictures are missing; the first is i01_01_2\.bmp"):
        read_tid2013(folder)


def test_missing_parts_are_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no distorted_images"):
        read_tid2013(tmp_path)
    with pytest.raises(DatasetError, match="not laid out like TID2013"):
        read_opinions(tmp_path)
    with pytest.raises(DatasetError, match="no such folder"):
        read_opinions(tmp_path / "absent")


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("i01_01_1 5.5", "row 2: 2 columns"),
        ("i01_01 5.5 0.1", "row 2: i01_01 is not a name"),
        ("i01_01_1 x 0.1", "row 2: x or 0.1 is not a number"),
        ("i01_01_1 9.5 0.1", "row 2: mean 9.5"),
        ("i01_01_1 5.5 nan", "row 2: .*deviation nan"),
    ],
)
def test_names_a_malformed_row(tmp_path: Path, row: str, complaint: str) -> None:
    (tmp_path / "tid2013_name_mos_std.txt").write_text(f"i01_01_1 5.5 0.1\n{row}\n")
    with pytest.raises(DatasetError, match=complaint):
        read_opinions(tmp_path)


def test_unequal_lists_are_told(tmp_path: Path) -> None:
    folder = write_tid(tmp_path)
    (folder / "mos_std.txt").write_text("0.1\n")
    with pytest.raises(DatasetError, match=r"1 rows, but MOS_with_names\.txt has 6"):
        read_opinions(folder)


def test_bmp_reads_what_pillow_writes_and_the_other_way_round(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.bmp")
    assert np.array_equal(read_bmp(tmp_path / "a.bmp"), image)
    write_bmp(tmp_path / "b.bmp", image)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.bmp")), image)


def test_bmp_cut_short_or_of_another_kind_is_told(tmp_path: Path) -> None:
    image = np.zeros((11, 13, 3), np.uint8)
    write_bmp(tmp_path / "a.bmp", image)
    whole = (tmp_path / "a.bmp").read_bytes()
    for content, complaint in ((whole[:300], "cut short"), (whole[:20], "too few"), (b"P6" + whole[2:], "24-bit BMP")):
        (tmp_path / "b.bmp").write_bytes(content)
        with pytest.raises(DatasetError, match=complaint):
            read_bmp(tmp_path / "b.bmp")
    Image.fromarray(image[..., 0]).save(tmp_path / "gray.bmp")
    with pytest.raises(DatasetError, match="24-bit BMP"):
        read_bmp(tmp_path / "gray.bmp")


@pytest.mark.shared
def test_reads_the_published_scores(shared: Path) -> None:
    opinions = read_opinions(shared / "data" / "tid2013")
    assert len(opinions) == 3000
    assert (opinions[0].name, opinions[0].mean, opinions[0].deviation) == ("i01_01_1", 5.51429, 0.13013)
    assert {opinion.reference for opinion in opinions} == set(range(1, 26))
