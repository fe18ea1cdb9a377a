"""The comparison page, looked at by a real browser: slider, zoom, difference map, blind votes and their rating."""

import json

import numpy as np
import pytest

from fourpass.errors import ConfigError, DatasetError
from fourpass.evaluation.compare import ComparedImage, load_entries, page, rate_votes
from fourpass.evaluation.images import save_picture
from fourpass.evaluation.measures import MeasuringProtocol
from fourpass.evaluation.statistics import bradley_terry
from fourpass.imaging import files

SIZE = (120, 240)
COLOURS = {"Red": (200, 0, 0), "Blue": (0, 0, 200), "Reference": (200, 0, 60)}


def plain(colour):
    return np.tile(np.array(colour, np.uint8), (*SIZE, 1))


def html():
    entries = [
        ComparedImage(name, {label: plain(colour) for label, colour in COLOURS.items()}) for name in ("one", "two")
    ]
    return page(entries, ["psnr", "rmse"], MeasuringProtocol(4))


@pytest.fixture
def opened(browser, tmp_path):
    """The page in a new profile; fails on any script error and on any request that leaves the file."""
    (tmp_path / "page.html").write_text(html(), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1000, "height": 800}, accept_downloads=True)
    tab = context.new_page()
    trouble = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda r: trouble.append(r.url) if not r.url.startswith(("file:", "data:", "blob:")) else None)
    tab.goto(f"file://{tmp_path}/page.html")
    tab.wait_for_function("document.querySelectorAll('.layer img').length === 2")
    yield tab
    context.close()
    assert trouble == []


def colour_at(tab, x, y):
    return tuple(files.read(tab.screenshot()).pixels[int(y), int(x)])


def test_the_slider_is_dragged(opened):
    box = opened.locator(".pane").bounding_box()
    middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 + 60
    assert colour_at(opened, middle - 40, y) == COLOURS["Red"]
    assert colour_at(opened, middle + 40, y) == COLOURS["Blue"]
    opened.mouse.move(middle, y)
    opened.mouse.down()
    opened.mouse.move(middle + 200, y, steps=4)
    opened.mouse.up()
    assert colour_at(opened, middle + 160, y) == COLOURS["Red"]
    assert colour_at(opened, middle + 240, y) == COLOURS["Blue"]
    expected = 100 * (0.5 + 200 / box["width"])
    assert float(opened.locator("#handle").get_attribute("aria-valuenow")) == pytest.approx(expected, abs=0.6)


def test_keys_alone_operate_the_page(opened):
    opened.keyboard.press("ArrowLeft")
    assert opened.locator("#handle").get_attribute("aria-valuenow") == "48"
    opened.keyboard.press("]")
    assert opened.locator("#picture").input_value() == "1"
    opened.keyboard.press("d")
    assert opened.locator(".pane").count() == 3  # left, reference, right
    before = opened.locator("#zoom").text_content()
    opened.keyboard.press("+")
    opened.keyboard.press("ArrowUp")
    transforms = opened.locator(".layer > *").evaluate_all("all => all.map((one) => one.style.transform)")
    assert len(transforms) == 3
    assert len(set(transforms)) == 1  # zoom and pan are the same in every pane
    assert opened.locator("#zoom").text_content() != before
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement !== document.body")


def test_the_wheel_zooms_about_the_pointer(opened):
    box = opened.locator(".pane").bounding_box()
    x, y = box["x"] + 100, box["y"] + 80
    at = "[(100 - state.x) / state.zoom, (80 - state.y) / state.zoom]"
    before = opened.evaluate(at)
    opened.mouse.move(x, y)
    opened.mouse.wheel(0, -300)
    opened.wait_for_function("state.zoom > 5")
    assert opened.evaluate(at) == pytest.approx(before, abs=0.1)  # the pane starts between two pixels of the screen


def test_the_difference_map_is_the_amplified_difference(opened):
    opened.keyboard.press("f")
    opened.wait_for_function("document.getElementById('difference')?.dataset.done === 'true'")
    pixel = "Array.from(document.getElementById('difference').getContext('2d').getImageData(5, 5, 1, 1).data)"
    assert opened.evaluate(pixel) == [0, 0, 240, 255]  # |Red - Reference| is (0, 0, 60), four times
    opened.keyboard.press("s")
    assert opened.locator("#right").input_value() == "Blue"


def test_numbers_stand_beside_the_pictures(opened):
    text = opened.locator("#numbers").inner_text()
    weights = np.array([65.481, 128.553, 24.966]) / 255
    red = abs(weights @ (np.array(COLOURS["Red"]) - COLOURS["Reference"]))
    assert f"{red:.4f}" in text
    assert "x4" in opened.locator("#protocol").inner_text()


def test_blind_votes_are_kept_exported_and_rated(opened, tmp_path):
    opened.keyboard.press("b")
    assert "Red" not in opened.locator("body").inner_text()
    assert opened.locator("img").evaluate_all("all => all.every((one) => one.alt === '')")
    for _ in range(6):  # always for Red, wherever it stands
        opened.keyboard.press("1" if opened.evaluate("state.pair[0]") == "Red" else "2")
    opened.keyboard.press("0")
    opened.reload()
    opened.keyboard.press("b")
    assert opened.locator("#count").inner_text() == "7 votes"
    opened.click("#rate")
    rating = opened.locator("#rating").inner_text()
    with opened.expect_download() as download:
        opened.click("#export")
    download.value.save_as(tmp_path / "votes.json")
    (first, strength, won, played), (second, *_) = rate_votes([tmp_path / "votes.json"])
    assert (first, second, won, played) == ("Red", "Blue", 6.5, 7.0)
    assert strength == pytest.approx((7 / 1) ** 0.5)  # 6.5 and half of the prior, to 0.5 and half
    assert f"Red   strength {strength:.3f}" in rating
    opened.click("#reset")
    assert opened.locator("#count").inner_text() == "0 votes"


def test_the_script_rates_as_python_does(opened):
    wins = np.array([[0, 3, 5.5], [2, 0, 4], [0.5, 2, 0]])
    rated = opened.evaluate("(wins) => bradleyTerry(wins, 0.5)", wins.tolist())
    assert rated == pytest.approx(bradley_terry(wins, prior=0.5).tolist(), rel=1e-9)


def test_the_page_stands_alone():
    text = html()
    for outside in ("http://", "https://", "src=", "@import", "url(", "fetch(", "XMLHttpRequest"):
        assert outside not in text.replace('"src"', "")
    assert "default-src 'none'" in text
    start = text.index('id="data">') + len('id="data">')
    content = json.loads(text[start : text.index("</script>", start)])
    assert content["labels"] == ["Red", "Blue"]
    assert content["means"]["Reference"] == [None, None]


def test_names_cannot_break_out_of_the_page():
    entry = ComparedImage("</script><b>", {label: plain(colour) for label, colour in COLOURS.items()})
    assert "</script><b>" not in page([entry], ["psnr"], MeasuringProtocol(4))


def test_pictures_and_folders_are_read(tmp_path):
    for name, size in {"a/baby.png": 100, "b/babyx4.png": 100, "truth/baby.png": 103}.items():
        save_picture(tmp_path / name, np.full((size, 100, 3), size, np.uint8))
    sources = {"a": tmp_path / "a", "b": tmp_path / "b"}
    (entry,) = load_entries(sources, tmp_path / "truth", 4)
    assert entry.name == "baby"
    assert {label: image.shape for label, image in entry.versions.items()} == dict.fromkeys(
        ["a", "b", "Reference"], (100, 100, 3)
    )
    alone = {"a": tmp_path / "a/baby.png", "b": tmp_path / "b/babyx4.png"}
    assert "Reference" not in load_entries(alone, None, 4)[0].versions
    with pytest.raises(DatasetError, match="larger only by less than the scale"):
        load_entries(alone, tmp_path / "truth/baby.png", 2)
    with pytest.raises(ConfigError, match="at least two pictures"):
        load_entries({"a": tmp_path / "a"}, None, 4)
    with pytest.raises(ConfigError, match="of the same kind"):
        load_entries(alone, tmp_path / "truth", 4)
    with pytest.raises(DatasetError, match="nothing: no such picture"):
        load_entries({**alone, "c": tmp_path / "nothing"}, None, 4)


@pytest.mark.parametrize(
    "content", ["no json", "[]", "{}", '{"format": "fourpass-votes-1", "labels": ["a"], "votes": []}']
)
def test_a_file_that_holds_no_votes_is_named(tmp_path, content):
    (tmp_path / "v.json").write_text(content)
    with pytest.raises(DatasetError, match=r"v\.json: not a votes file"):
        rate_votes([tmp_path / "v.json"])
