"""The page, used in a real browser: pick, dial, upscale, slide, download; nothing is asked of anybody else."""

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
pytest.importorskip("httpx")
expect = pytest.importorskip("playwright.sync_api", reason="wants playwright, of the dev extra").expect

import handlers  # noqa: E402
from live import serving  # noqa: E402

from fourpass.imaging import files  # noqa: E402


@pytest.fixture(scope="module")
def server():
    with serving(handlers.nearest) as client:
        yield client


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A picture that is red on the left and blue on the right."""
    pixels = np.zeros((60, 120, 3), np.uint8)
    pixels[:, :60, 0] = pixels[:, 60:, 2] = 200
    file = tmp_path_factory.mktemp("page") / "rot & blau.png"
    files.write(file, pixels)
    return file


@pytest.fixture(params=["light", "dark"])
def tab(request, browser, server):
    """The page, fresh; fails on any script error and on any request to another server."""
    context = browser.new_context(viewport={"width": 1000, "height": 900}, color_scheme=request.param)
    opened = context.new_page()
    trouble = []
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    opened.on(
        "request",
        lambda r: trouble.append(r.url) if not r.url.startswith((str(server.base_url), "blob:", "data:")) else None,
    )
    opened.goto(str(server.base_url))
    expect(opened.locator("#limits")).to_contain_text("megapixels")
    yield opened
    context.close()
    assert trouble == []


def pick(tab, *photos):
    tab.set_input_files("#pick", [str(photo) for photo in photos])


def test_pick_upscale_compare_download(tab, photo):
    pick(tab, photo)
    tab.select_option("#mode", "scale:2")
    tab.click("#run")
    tab.wait_for_selector("#photos a[download]")
    with tab.expect_download() as waiting:
        tab.click("#photos a[download]")
    assert waiting.value.suggested_filename == "rot & blau_x2.png"
    result = files.read(waiting.value.path()).pixels
    assert result.shape == (120, 240, 3)
    np.testing.assert_array_equal(result[0, [0, -1]], [[200, 0, 0], [0, 0, 200]])

    tab.click("text=Compare")
    assert tab.is_visible("#viewer")
    slider = tab.locator("#slider")
    box = slider.bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2, steps=5)
    tab.mouse.up()
    assert abs(float(slider.evaluate("node => node.value")) - 25) < 3
    tab.keyboard.press("+")
    transforms = tab.eval_on_selector_all("#before, #after", "nodes => nodes.map(node => node.style.transform)")
    assert transforms[0] == transforms[1] != "translate(0px, 0px) scale(1)"
    tab.keyboard.press("Shift+ArrowLeft")
    assert "translate(40px" in tab.eval_on_selector("#after", "node => node.style.transform")
    tab.keyboard.press("Escape")
    assert not tab.is_visible("#viewer")


def test_a_part_is_tried_and_tried_again_where_the_frame_moves(tab, photo):
    pick(tab, photo)
    expect(tab.locator("#preview-status")).to_contain_text("96×60")
    first = tab.get_attribute("#preview-after", "src")
    tab.focus("#picker")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#preview-after")).not_to_have_attribute("src", first)


def test_photos_can_be_dropped_and_pasted(tab, photo):
    content = list(photo.read_bytes())
    for kind, target, field in (("drop", "#drop", "dataTransfer"), ("paste", "body", "clipboardData")):
        tab.eval_on_selector(
            target,
            """(node, [kind, field, content]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(content)], `${kind}.png`, { type: "image/png" }));
                const type = kind === "drop" ? DragEvent : ClipboardEvent;
                node.dispatchEvent(new type(kind, { [field]: transfer, bubbles: true, cancelable: true }));
            }""",
            [kind, field, content],
        )
    assert tab.locator("#photos .name").all_inner_texts() == ["drop.png", "paste.png"]
    tab.click("#clear")
    assert tab.is_hidden("#queue")


def test_a_bad_picture_fails_alone(tab, photo, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    pick(tab, bad, photo)
    tab.select_option("#mode", "scale:2")
    tab.click("#run")
    tab.wait_for_selector("#photos a[download]")
    assert "image" in tab.inner_text("#photos .failed")


def test_everything_has_a_name_and_can_be_reached_by_keyboard(tab, photo):
    pick(tab, photo)
    nameless = tab.evaluate(
        """() => [...document.querySelectorAll("input, select, button, a[href], [tabindex='0']")]
            .filter((node) => node.offsetParent && !(node.labels?.length || node.ariaLabel || node.textContent.trim()))
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []
    seen = set()
    for _ in range(25):
        tab.keyboard.press("Tab")
        seen.add(tab.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"pick", "mode", "format", "picker", "run", "Remove"} <= seen


def test_it_fits_a_phone(browser, server, photo):
    context = browser.new_context(viewport={"width": 360, "height": 740}, device_scale_factor=2, is_mobile=True)
    page = context.new_page()
    page.goto(str(server.base_url))
    pick(page, photo)
    page.wait_for_selector("#photos li")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()
