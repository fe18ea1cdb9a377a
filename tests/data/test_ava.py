"""Reading AVA: rows, the split, and what is missing or damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fourpass.data.ava import read_ava, read_votes
from fourpass.errors import DatasetError

ROW = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396"


def write_ava(folder: Path, pictures: int = 8) -> Path:
    rows = [f"{n + 1} {1000 + n} 0 0 0 {n} 10 5 0 0 0 0 1 22 1396" for n in range(pictures)]
    (folder / "AVA.txt").write_text("\n".join(rows) + "\n")
    (folder / "images" / "a").mkdir(parents=True)
    for n in range(pictures):
        pixels = np.full((200, 200 + n, 3), 20 * n, np.uint8)
        Image.fromarray(pixels).save(folder / "images" / "a" / f"{1000 + n}.jpg")
    return folder


def test_reads_votes(tmp_path: Path) -> None:
    (tmp_path / "AVA.txt").write_text(ROW + "\n")
    votes = read_votes(tmp_path / "AVA.txt")
    assert votes["953619"].tolist() == [0, 1, 5, 17, 38, 36, 15, 6, 5, 1]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1 953619 0 1 5", "row 2: 5 columns, but AVA has 15"),
        (ROW.replace(" 17 ", " -17 "), "row 2: vote counts .*-17.* negative"),
        (ROW.replace(" 17 ", " x "), "row 2: a vote count is not a whole number"),
        (ROW, "row 2: picture 953619 appears twice"),
    ],
)
def test_names_a_malformed_row(tmp_path: Path, row: str, complaint: str) -> None:
    (tmp_path / "AVA.txt").write_text(f"{ROW}\n{row}\n")
    with pytest.raises(DatasetError, match=complaint):
        read_votes(tmp_path / "AVA.txt")


def test_the_last_rows_validate(tmp_path: Path) -> None:
    training, validation = read_ava(write_ava(tmp_path), validation=3)
    assert list(training.names) == ["1000", "1001", "1002", "1003", "1004"]
    assert list(validation.names) == ["1005", "1006", "1007"]
    with pytest.raises(DatasetError, match="no picture to train on"):
        read_ava(tmp_path, validation=9)


def test_scores_and_pictures_belong_together(tmp_path: Path) -> None:
    training, _ = read_ava(write_ava(tmp_path), validation=3)
    for index, name in enumerate(training.names):
        n = int(name) - 1000
        expected = (4 * n + 5 * 10 + 6 * 5) / (n + 15)
        assert training.scores[index] == pytest.approx(expected)
        assert training.distributions[index].sum() == pytest.approx(1)
        assert training.read(index).shape == (200, 200 + n, 3)


def test_missing_pictures_are_counted_and_left_out(tmp_path: Path) -> None:
    folder = write_ava(tmp_path)
    (folder / "images" / "a" / "1002.jpg").unlink()
    lines: list[str] = []
    training, validation = read_ava(folder, validation=3, report=lines.append)
    assert len(training) + len(validation) == 7
    assert lines == [f"{folder}: 1 of 8 pictures are missing and skipped; the first is 1002.jpg"]


def test_pictures_cut_short_are_skipped_noted_and_replaced(tmp_path: Path) -> None:
    folder = write_ava(tmp_path)
    training, _ = read_ava(folder, validation=3)
    broken = folder / "images" / "a" / f"{training.names[0]}.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    crops, distributions = training.batch([0, 1], np.random.default_rng(0))
    assert crops.shape == (2, 3, 192, 192)
    assert distributions.shape == (2, 10)
    assert list(training.skipped) == [training.names[0]]
    assert not np.array_equal(distributions[0], training.distributions[0])


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    """The shorter side becomes that of a crop, and the picture keeps its proportions."""
    folder = write_ava(tmp_path)
    training, _ = read_ava(folder, validation=3)
    Image.new("RGB", (100, 300), (9, 90, 200)).save(folder / "images" / "a" / f"{training.names[0]}.jpg")
    assert training.read(0).shape == (576, 192, 3)
    crop = training.crop(0)
    assert crop.shape == (192, 192, 3)
    assert np.abs(crop.reshape(-1, 3).mean(0) - (9, 90, 200)).max() < 3


def test_a_folder_that_is_not_ava_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"AVA\.txt and, anywhere below"):
        read_ava(tmp_path)
