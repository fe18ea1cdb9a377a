"""The five layouts of evaluation sets, and results on disk, as trees of empty files."""

import pytest

from fourpass.data.layouts import Dataset, ImagePair, find_datasets
from fourpass.data.results import find_results
from fourpass.errors import DatasetError

LAYOUTS = {
    "flat": (["baby.png", "bird.WEBP", "notes.txt"], "flat", ["baby", "bird"], [None, None]),
    "hr": (
        [
            "HR/baby.png",
            "HR/bird.png",
            "LR_bicubic/X4/babyx4.png",
            "LR_bicubic/X4/birdx4.png",
            "LR_bicubic/X2/babyx2.png",
        ],
        "HR + LR_bicubic",
        ["baby", "bird"],
        ["babyx4.png", "birdx4.png"],
    ),
    "basicsr": (["GTmod12/baby.png", "LRbicx4/baby.png"], "BasicSR", ["baby"], ["baby.png"]),
    "selfexsr": (
        [
            "image_SRF_4/img_001_SRF_4_HR.png",
            "image_SRF_4/img_001_SRF_4_LR.png",
            "image_SRF_4/img_001_SRF_4_SRCNN.png",
            "image_SRF_2/img_001_SRF_2_HR.png",
        ],
        "SelfExSR",
        ["img_001"],
        ["img_001_SRF_4_LR.png"],
    ),
    "div2k": (
        ["DIV2K_valid_HR/0801.png", "DIV2K_valid_LR_bicubic/X4/0801x4.png", "DIV2K_train_HR/0001.png"],
        "DIV2K",
        ["0801"],
        ["0801x4.png"],
    ),
}


def tree(root, names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize("case", LAYOUTS)
def test_layout_is_found_by_itself(tmp_path, case):
    files, layout, names, inputs = LAYOUTS[case]
    (dataset,) = find_datasets(tree(tmp_path / "Some Set", files), 4)
    assert (dataset.name, dataset.layout) == ("Some Set", layout)
    assert [pair.name for pair in dataset.pairs] == names
    assert [pair.low_resolution and pair.low_resolution.name for pair in dataset.pairs] == inputs


def test_inner_folders_are_named_after_the_set(tmp_path):
    tree(tmp_path, ["Set5/HR/baby.png", "B/image_SRF_4/a_SRF_4_HR.png", "B/image_SRF_4/a_SRF_4_LR.png"])
    assert find_datasets(tmp_path / "Set5/HR", 4)[0].name == "Set5"
    assert find_datasets(tmp_path / "B/image_SRF_4", 4)[0].name == "B"


def test_a_folder_of_sets_is_all_of_them(tmp_path):
    tree(tmp_path, ["Set5/baby.png", "Set14/GTmod12/zebra.png", "Set14/LRbicx4/zebra.png", "readme/text.txt"])
    assert [(d.name, d.layout) for d in find_datasets(tmp_path, 4)] == [("Set14", "BasicSR"), ("Set5", "flat")]


def test_inputs_of_another_scale_are_made_and_the_layout_says_so(tmp_path):
    (dataset,) = find_datasets(tree(tmp_path, ["HR/a.png", "LR_bicubic/X2/ax2.png"]), 4)
    assert dataset.layout == "HR + LR_bicubic, without its X4 inputs"
    assert dataset.pairs[0].low_resolution is None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "holds nothing.*GTmod12/"),
        (["text.txt", "more/x.csv"], r"holds more/, text.txt\).*DIV2K_valid_HR"),
        (["HR/a.png", "HR/b.png", "LR_bicubic/X4/ax4.png"], "b.png: neither bx4.png nor b.png is in"),
        (["image_SRF_2/a_SRF_2_HR.png"], "image_SRF_2 but no image_SRF_4"),
        (["a_SRF_2_HR.png"], "made for x2, not x4"),
        (["image_SRF_4/a_SRF_4_HR.png"], "input a_SRF_4_LR.png is missing"),
        (["a.png", "a.webp"], "same name as a.png"),
    ],
)
def test_what_is_wrong_is_explained_in_one_line(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message) as caught:
        find_datasets(tree(tmp_path / "set", files) if files else mkdir(tmp_path / "set"), 4)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        find_datasets(tmp_path / "nowhere", 4)


def mkdir(path):
    path.mkdir()
    return path


def dataset_of(*names):
    return Dataset("Set5", "flat", tuple(ImagePair(name, None, None) for name in names))


@pytest.mark.parametrize(
    "pattern",
    [
        "{}.png",
        "{}x4.png",
        "{}_x4.png",
        "{}_x4_SR.png",
        "{}_SRF_4.png",
        "{}_SRF_4_SRCNN.png",
        "{}_4x.jpg",
        "{}-EUSR.webp",
    ],
)
@pytest.mark.parametrize("place", ["", "Set5/", "set5/x4/", "results-Set5/", "image_SRF_4/"])
def test_results_are_matched_by_name(tmp_path, pattern, place):
    names = ["baby", "baby_2", "0801"]
    tree(tmp_path, [place + pattern.format(name) for name in names])
    found = find_results(tmp_path, dataset_of(*names), 4)
    assert {name: path.name for name, path in found.items()} == {name: pattern.format(name) for name in names}


def test_the_plainest_name_counts_and_ground_truth_is_no_result(tmp_path):
    tree(
        tmp_path,
        ["baby.png", "babyx4.png", "bird_x4.png", "bird_mine.png", "bird_HR.png", "man_x4_LR.png", "man_a.png"],
    )
    found = find_results(tmp_path, dataset_of("baby", "bird", "man"), 4)
    assert [path.name for path in found.values()] == ["baby.png", "bird_x4.png", "man_a.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["other.png"], "1 of 1 pictures of Set5 have no x4 result.*baby_SRF_4.png.*it holds other.png"),
        (["babyx2.png", "baby_SRF_2_A.png"], "have no x4 result"),
        (["baby_a.png", "baby_b.png"], "several results"),
        (["baby.png", "baby.jpg"], "several results"),
    ],
)
def test_results_that_do_not_match_are_explained(tmp_path, files, message):
    with pytest.raises(DatasetError, match=message):
        find_results(tree(tmp_path, files), dataset_of("baby"), 4)
