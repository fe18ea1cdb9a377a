"""The page, used in a real browser at a desk's and a phone's width; nothing is asked of anybody else.

With FOURPASS_SCREENSHOTS=FOLDER, pictures of it are left there to be looked at.
"""

import io
import json
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
pytest.importorskip("httpx")
expect = pytest.importorskip("playwright.sync_api", reason="wants playwright, of the dev extra").expect
pytest.importorskip("axe_playwright_python.sync_playwright", reason="wants axe, of the dev extra")

import handlers  # noqa: E402
from live import serving  # noqa: E402
from tabs import DESK, PHONE, closed, made, no_findings, opened, pick, rectangle, run, shoot  # noqa: E402

from fourpass.imaging import files  # noqa: E402

DRAG = """([selector, points]) => {
    const node = document.querySelector(selector);
    node.setPointerCapture = () => {};
    const box = node.getBoundingClientRect();
    for (const [type, pointerId, x, y] of points) {
        node.dispatchEvent(new PointerEvent(type, {
            pointerId, clientX: box.left + x, clientY: box.top + y, bubbles: true, pointerType: "touch",
        }));
    }
}"""


@pytest.fixture(scope="module")
def server():
    with serving(handlers.nearest, max_output_pixels=8_000_000) as client:
        yield client


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def photo(folder):
    return made(folder, "rot & blau.png", 120, 60)


@pytest.fixture(scope="module")
def slow(folder):
    return made(folder, "slow.png", handlers.SLOW, 40)


@pytest.fixture
def tab(browser, server):
    """The page at a desk; fails on any script error and on any request to another server."""
    page = opened(browser, server, DESK)
    yield page
    closed(page)
    forgotten(server)


@pytest.fixture
def phone(browser, server):
    page = opened(browser, server, PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    yield page
    closed(page)
    forgotten(server)


def forgotten(server):
    """Nothing of one test is left for the next."""
    jobs = server.app.state.jobs
    for job in list(jobs._jobs):
        server.delete(f"/v1/jobs/{job}")
    while jobs.running:
        time.sleep(0.05)


def upscaled(tab, *photos, mode="scale:2"):
    """Pick, upscale, wait for all."""
    tab.select_option("#mode", mode)
    pick(tab, *photos)
    run(tab)
    expect(tab.get_by_role("button", name=re.compile("^Download (?!all)"))).to_have_count(
        tab.locator("#photos li").count()
    )


def saved(tab, press):
    with tab.expect_download() as waiting:
        press()
    return waiting.value


def compared(tab):
    """Open the viewer, and wait for both pictures."""
    tab.get_by_role("button", name=re.compile("^Compare")).first.click()
    expect(tab.locator("#stage .after img")).to_be_visible()


def test_pick_upscale_download(tab, photo):
    upscaled(tab, photo)
    download = saved(tab, lambda: tab.click("text=Download"))
    assert download.suggested_filename == "rot & blau_x2.png"
    result = files.read(download.path()).frames[0]
    assert result.shape == (120, 240, 3)
    np.testing.assert_array_equal(result[0, [0, -1]], [[200, 0, 0], [0, 0, 200]])


@pytest.mark.parametrize("size", [(40, 400), (400, 40), (120, 60)])
def test_before_and_after_lie_on_each_other_and_fit_the_frame(tab, folder, size):
    upscaled(tab, made(folder, "shape.png", *size))
    compared(tab)
    before, after = rectangle(tab, "#stage .before img"), rectangle(tab, "#stage .after img")
    frame = rectangle(tab, "#stage")
    assert before == pytest.approx(after)
    assert after[2] / after[3] == pytest.approx(size[0] / size[1], rel=0.01)
    assert after[2] <= frame[2] + 1
    assert after[3] <= frame[3] + 1
    assert max(after[2] / frame[2], after[3] / frame[3]) == pytest.approx(1, abs=0.01)  # it fits, and fills


def test_on_a_phone_too(phone, folder):
    upscaled(phone, made(folder, "tall.png", 40, 100))
    compared(phone)
    before, after, frame = (rectangle(phone, each) for each in ("#stage .before img", "#stage .after img", "#stage"))
    assert before == pytest.approx(after)
    assert after[3] == pytest.approx(frame[3], abs=1)
    phone.click("text=Side by side")
    before, after = rectangle(phone, "#stage .before img"), rectangle(phone, "#stage .after img")
    assert before[2:] == pytest.approx(after[2:])
    assert before[3] <= frame[3] / 2 + 1


def test_100_percent_is_one_pixel_to_one(phone, tab, folder):
    for page in (tab, phone):
        upscaled(page, made(folder, "one.png", 60, 30))
        compared(page)
        page.click("#whole")
        ratio = page.evaluate("devicePixelRatio")
        assert rectangle(page, "#stage .after img")[2] * ratio == pytest.approx(120)
        assert page.inner_text("#zoom-value") == "100 %"
        page.click("#fit")
        assert page.inner_text("#zoom-value") != "100 %"


def under(tab, x, y):
    """Which point of the picture, as shares of its sides, lies under a point of the stage."""
    frame, image = rectangle(tab, "#stage"), rectangle(tab, "#stage .after img")
    return [(frame[0] + x - image[0]) / image[2], (frame[1] + y - image[1]) / image[3]]


def test_zoom_goes_to_the_pointer_and_both_move_together(tab, folder):
    upscaled(tab, made(folder, "zoom.png", 160, 80))
    compared(tab)
    frame = rectangle(tab, "#stage")
    x, y = frame[2] * 0.7, frame[3] * 0.4
    before = under(tab, x, y)
    tab.mouse.move(frame[0] + x, frame[1] + y)
    for _ in range(3):
        tab.mouse.wheel(0, -300)
        tab.wait_for_timeout(50)
    assert rectangle(tab, "#stage .after img")[2] > 3 * frame[2]
    assert under(tab, x, y) == pytest.approx(before, abs=0.01)
    old = rectangle(tab, "#stage .after img")
    tab.mouse.down()
    tab.mouse.move(frame[0] + x + 50, frame[1] + y + 20, steps=4)
    tab.mouse.up()
    moved = rectangle(tab, "#stage .after img")
    assert [moved[0] - old[0], moved[1] - old[1]] == pytest.approx([50, 20], abs=1)
    assert rectangle(tab, "#stage .before img") == pytest.approx(moved)
    tab.keyboard.press("0")
    assert rectangle(tab, "#stage .after img")[2] <= frame[2] + 1
    tab.keyboard.press("+")
    tab.keyboard.press("1")
    assert tab.inner_text("#zoom-value") == "100 %"


def test_two_fingers_zoom_and_one_pans(phone, folder):
    upscaled(phone, made(folder, "pinch.png", 160, 160))
    compared(phone)
    old = rectangle(phone, "#stage .after img")
    spread = [["pointerdown", 1, 180, 300], ["pointerdown", 2, 200, 300], ["pointermove", 1, 130, 300], ["pointermove", 2, 250, 300]]  # fmt: skip  # noqa: E501
    phone.evaluate(DRAG, ["#stage", [*spread, ["pointerup", 1, 130, 300], ["pointerup", 2, 250, 300]]])
    zoomed = rectangle(phone, "#stage .after img")
    assert zoomed[2] == pytest.approx(6 * old[2], rel=0.05)
    phone.evaluate(DRAG, ["#stage", [["pointerdown", 1, 200, 300], ["pointermove", 1, 170, 290], ["pointerup", 1, 170, 290]]])  # fmt: skip  # noqa: E501
    assert rectangle(phone, "#stage .after img")[:2] == pytest.approx([zoomed[0] - 30, zoomed[1] - 10], abs=1)


def test_the_line_slides_and_the_other_layouts_show_both(tab, photo):
    upscaled(tab, photo)
    compared(tab)
    line = tab.locator("#stage .line")
    expect(line).to_be_focused()
    tab.keyboard.press("ArrowLeft")
    expect(line).to_have_attribute("aria-valuenow", "45")
    box, frame = line.bounding_box(), rectangle(tab, "#stage")
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.mouse.down()
    tab.mouse.move(frame[0] + frame[2] / 4, box["y"] + box["height"] / 2, steps=5)
    tab.mouse.up()
    expect(line).to_have_attribute("aria-valuenow", "25")
    assert "75%" in tab.eval_on_selector("#stage .before", "node => node.style.clipPath")
    tab.click("text=Side by side")
    before, after = rectangle(tab, "#stage .before img"), rectangle(tab, "#stage .after img")
    assert after[0] - before[0] == pytest.approx(frame[2] / 2, abs=1)
    tab.get_by_role("button", name="Toggle").click()
    expect(tab.locator("#stage .before")).to_be_hidden()
    tab.keyboard.press("b")
    expect(tab.locator("#stage .before")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.locator("#viewer")).to_be_hidden()


def test_tiff_is_shown_before_and_after(tab, folder):
    upscaled(tab, made(folder, "scan.tif", 50, 40))
    expect(tab.locator("#preview-compare .after img")).to_be_visible()
    assert tab.eval_on_selector("#photos .thumb img", "node => node.naturalWidth") == 50
    compared(tab)
    sizes = tab.eval_on_selector_all("#stage img", "nodes => nodes.map(node => node.naturalWidth)")
    assert sizes == [100, 50]  # after, before
    assert saved(tab, lambda: tab.click("#close") or tab.click("text=Download")).suggested_filename == "scan_x2.tif"


def test_a_part_is_tried_and_tried_again_where_the_frame_moves(tab, photo):
    pick(tab, photo)
    expect(tab.locator("#preview")).to_be_visible()
    assert tab.locator("#preview-compare img:visible").count() in (0, 2)  # never a broken one
    height = rectangle(tab, "#preview")[3]
    expect(tab.locator("#preview-status")).to_contain_text("96×60")
    assert tab.eval_on_selector_all("#preview-compare img", "nodes => nodes.every(node => node.naturalWidth)")
    assert rectangle(tab, "#preview")[3] == pytest.approx(height, abs=2)  # nothing jumps
    first = tab.get_attribute("#preview-compare .after img", "src")
    tab.focus("#picker")
    tab.keyboard.press("ArrowLeft")
    expect(tab.locator("#preview-compare .after img")).not_to_have_attribute("src", first)


def test_dragging_the_dial_kills_no_worker_and_ends_with_the_last_value(tab, photo, server):
    pool = server.app.state.previews.pool
    before, replaced = pool.pids(), pool.replaced
    pick(tab, photo)
    tab.focus("#strength")
    tab.keyboard.press("Home")
    for _ in range(8):
        tab.keyboard.press("ArrowRight")
        tab.wait_for_timeout(60)
    for _ in range(200):  # what was asked for before may come first
        if tab.evaluate("window.sent.strength") == "0.4":
            break
        tab.wait_for_timeout(100)
    assert tab.evaluate("window.sent.strength") == "0.4"
    expect(tab.locator("#preview-status")).to_contain_text("96×60")
    assert (pool.pids(), pool.replaced) == (before, replaced)


def test_a_preview_does_not_wait_for_a_running_job(tab, photo, slow):
    pick(tab, slow)
    run(tab)
    expect(tab.locator("#photos progress:visible")).to_have_count(1)
    pick(tab, photo)
    tab.get_by_role("button", name="Try a part rot & blau.png").click()
    expect(tab.locator("#preview-status")).to_contain_text("96×60")
    assert tab.locator("#photos progress:visible").count() == 1


def test_the_dial_stands_where_the_weights_say_at_each_scale(tab, photo, server):
    [strength] = [dial for dial in server.get("/v1/models").json()["dials"] if dial["name"] == "strength"]
    pick(tab, photo)
    for scale, usual in strength["defaults"].items():
        tab.select_option("#mode", f"scale:{scale}")
        expect(tab.locator("#strength-value")).to_have_text(f"auto ({usual:.2f})")
        expect(tab.locator("#strength")).to_have_value(f"{usual:g}")
    tab.fill("#strength", "0.3")
    tab.select_option("#mode", "scale:4")
    expect(tab.locator("#strength-value")).to_have_text("0.30")
    tab.click("#strength-auto")
    expect(tab.locator("#strength-value")).to_have_text(f"auto ({strength['defaults']['4']:.2f})")


def test_a_model_with_two_dials_has_a_pad(browser, server, photo):
    page = opened(browser, server, DESK)

    def with_restore(route):
        told = route.fetch().json()
        told["dials"] = [dial for dial in told["dials"] if dial["name"] != "restore"]
        told["dials"].append({"name": "restore", "ends": ["as it is", "cleaned"], "defaults": {"4": 0.2}})
        route.fulfill(json=told)

    def without_restore(route):
        route.fulfill(body=photo.read_bytes(), content_type="image/png")

    decision = {"restore": 0.35, "reason": "JPEG of quality 80 by its tables"}
    page.route("**/v1/restore", lambda route: route.fulfill(json=decision))
    page.route("**/v1/models", with_restore)
    page.route("**/v1/preview", without_restore)
    page.route("**/v1/plan*", lambda route: route.fulfill(json={"size": [480, 240], "megapixels": 0.1, "format": "png", "seconds": 1, "problem": None, "sensible": None}))  # fmt: skip  # noqa: E501
    page.reload()
    page.wait_for_selector("html[data-ready]")
    pick(page, photo)
    words = page.locator(".pad").inner_text()
    assert {"true to the photo, as it is", "looks sharp, cleaned"} <= set(words.split("\n"))
    expect(page.locator("#restore-value")).to_have_text("auto (0.35)")
    expect(page.locator("#restore-reason")).to_have_text("auto: JPEG of quality 80 by its tables")
    box = page.locator(".pad").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    expect(page.locator("#strength-value")).to_have_text("0.25")
    expect(page.locator("#restore-value")).to_have_text("0.75")
    page.focus(".pad")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#strength-value")).to_have_text("0.30")
    expect(page.locator("#restore-value")).to_have_text("0.70")
    page.wait_for_timeout(500)
    assert page.evaluate("window.sent.restore") == "0.7"
    assert page.eval_on_selector(".pad .dot", "node => node.style.top") == "65%"
    shoot(page, "pad")
    no_findings(page)
    closed(page)


def test_what_is_done_stays_done_and_what_is_added_while_it_runs_is_done_too(tab, photo, slow, folder, server):
    sent = []
    tab.on("request", lambda r: sent.append(r.url) if r.url.endswith("/v1/jobs") else None)
    upscaled(tab, photo)
    pick(tab, slow)
    run(tab)
    expect(tab.locator("#photos progress:visible")).to_have_count(1)
    pick(tab, made(folder, "late.png", 50, 50))
    tab.get_by_role("button", name="Cancel slow.png").click()
    expect(tab.get_by_role("button", name="Download late.png")).to_be_visible()
    assert len(sent) == 3
    expect(tab.locator("#run")).to_have_attribute("aria-disabled", "true")
    expect(tab.locator("#run")).to_have_text("Upscale")
    tab.click("#run", force=True)
    tab.wait_for_timeout(300)
    assert len(sent) == 3
    tab.select_option("#mode", "scale:4")
    tab.get_by_role("button", name="Again with these settings late.png").click()
    expect(tab.locator("#photos li", has_text="late.png")).to_contain_text("200×200")


def test_cancel_retry_and_remove_stop_the_job_on_the_server(tab, slow, server):
    jobs = server.app.state.jobs
    pick(tab, slow)
    run(tab)
    tab.get_by_role("button", name="Cancel slow.png").click()
    expect(tab.locator("#photos li")).to_contain_text("cancelled")
    expect(tab.get_by_role("button", name="Retry slow.png")).to_be_focused()
    tab.get_by_role("button", name="Retry slow.png").click()
    expect(tab.locator("#photos li")).to_contain_text("upscaling")
    tab.get_by_role("button", name="Remove slow.png").click()
    expect(tab.locator("#photos li")).to_have_count(0)
    for _ in range(100):
        if not jobs.running and not jobs.waiting:
            break
        time.sleep(0.1)
    assert (jobs.running, jobs.waiting) == (0, 0)


def test_removed_while_it_is_sent_leaves_no_job(tab, slow, server):
    jobs = server.app.state.jobs
    tab.route("**/v1/jobs", lambda route: (time.sleep(0.5), route.continue_()))
    pick(tab, slow)
    run(tab)
    tab.get_by_role("button", name="Remove slow.png").click()
    tab.wait_for_timeout(1500)
    for _ in range(50):
        if not jobs.running and not jobs.waiting:
            break
        time.sleep(0.1)
    assert (jobs.running, jobs.waiting) == (0, 0)
    tab.unroute_all(behavior="ignoreErrors")


def test_results_survive_a_reload(tab, photo, server):
    tab.fill("#strength", "0.3")
    upscaled(tab, photo)
    tab.reload()
    expect(tab.get_by_role("button", name="Download rot & blau.png")).to_be_visible()
    expect(tab.locator("#photos li")).to_contain_text("240×120")
    compared(tab)
    tab.keyboard.press("Escape")
    assert saved(tab, lambda: tab.click("text=Download")).suggested_filename == "rot & blau_x2.png"
    tab.click("summary")
    assert "strength 0.3" in tab.inner_text("#photos details")
    expect(tab.locator("#strength-value")).to_contain_text("auto")
    tab.click("text=Use these settings")
    expect(tab.locator("#strength-value")).to_have_text("0.30")
    expect(tab.locator("#mode")).to_have_value("scale:2")
    [id] = json.loads(tab.evaluate("localStorage['fourpass-jobs']"))
    server.delete(f"/v1/jobs/{id}")  # as the server's limits do
    tab.reload()
    tab.wait_for_selector("html[data-ready]")
    expect(tab.locator("#photos li")).to_have_count(0)
    closed_lines = [line for line in tab.trouble if "404" not in line]
    tab.trouble[:] = closed_lines


def test_leaving_with_photos_that_are_not_done_asks_first(tab, photo):
    asked = []
    tab.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    pick(tab, photo)
    tab.click("#queue-title")
    tab.reload()
    assert asked == ["beforeunload"]
    tab.reload()
    assert asked == ["beforeunload"]


def test_all_results_as_one_zip(tab, photo, folder):
    upscaled(tab, photo, made(folder, "b.png", 30, 30))
    download = saved(tab, lambda: tab.click("#download-all"))
    assert download.suggested_filename == "fourpass.zip"
    with zipfile.ZipFile(io.BytesIO(Path(download.path()).read_bytes())) as archive:
        assert archive.namelist() == ["rot & blau_x2.png", "b_x2.png"]
        assert files.read(archive.read("b_x2.png")).header.size == (60, 60)


def test_before_it_starts_it_says_what_comes_out_and_warns(tab, photo, folder):
    pick(tab, photo)
    tab.select_option("#mode", "scale:4")
    expect(tab.locator("#photos li")).to_contain_text("becomes 480×240 (0.12 megapixels) PNG, about")
    expect(tab.locator("#total")).to_contain_text("1 photo, about")
    tab.select_option("#mode", "width")
    tab.fill("#amount", "1500")
    expect(tab.locator("#photos .warning")).to_contain_text("largest, 8")
    expect(tab.locator("#run")).to_have_attribute("aria-disabled", "true")
    tab.click("#clear")
    pick(tab, made(folder, "large.jpg", 1000, 900))
    tab.select_option("#mode", "scale:8")
    expect(tab.locator("#photos .warning")).to_contain_text("up to 8 megapixels")
    tab.select_option("#mode", "sensible")
    expect(tab.locator("#photos li")).to_contain_text("becomes 2000×1800")
    expect(tab.locator("#photos .warning")).to_be_hidden()
    pick(tab, photo, photo)
    expect(tab.locator("#total")).to_have_text(re.compile(r"^3 photos, about \d+ (s|min)$"))


def test_progress_moves_and_time_is_told_for_small_photos(tab, slow):
    pick(tab, slow)
    run(tab)
    expect(tab.locator("#photos li")).to_contain_text("left")
    first = now = tab.eval_on_selector("#photos progress", "node => node.value")
    for _ in range(150):
        if now > first:
            break
        tab.wait_for_timeout(100)
        now = tab.eval_on_selector("#photos progress", "node => node.value")
    assert 0 < first < now < 1
    tab.click("#run")


def test_commands_to_copy(tab, folder):
    tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.select_option("#mode", "scale:2")
    tab.fill("#strength", "0.5")
    tab.select_option("#format", "webp")
    tab.check("#strip")
    pick(tab, made(folder, "it's.png", 30, 30))
    tab.click("summary")
    tab.get_by_role("button", name="Copy command line").click()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert copied == r"fourpass upscale 'it'\''s.png' -n swift --scale 2 --strength 0.5 --ext webp --strip"
    expect(tab.locator("#photos li")).to_contain_text("becomes")
    curl = tab.locator("#photos code").nth(1).inner_text()
    assert curl.startswith(
        r"""curl -F 'image=@"it'\''s.png"' -F scale=2 -F strength=0.5 -F format=webp -F strip=true """
    )
    assert "/v1/upscale" in curl


def test_the_focus_stays_where_people_work(tab, photo, folder):
    pick(tab, photo, made(folder, "second.png", 30, 30))
    expect(tab.locator("#run")).to_have_attribute("aria-disabled", "false")
    tab.focus("#run")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Download second.png")).to_be_visible()
    assert tab.evaluate("document.activeElement.id") == "run"
    tab.focus("[aria-label='Remove rot & blau.png']")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.ariaLabel") == "Remove second.png"
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "pick"


def test_a_box_stays_beside_its_words(tab):
    for width in (1280, 1000, 700, 390, 320):
        tab.set_viewport_size({"width": width, "height": 900})
        box, words = rectangle(tab, "#strip"), rectangle(tab, ".check span")
        assert box[1] + box[3] / 2 == pytest.approx(words[1] + words[3] / 2, abs=4)
        assert words[0] > box[0]


def test_a_wrong_token_then_the_right_one(browser, photo):
    with serving(handlers.nearest, token="a-long-secret-1") as server:
        context = browser.new_context(viewport=DESK)
        page = context.new_page()
        page.goto(str(server.base_url))
        page.fill("#token-value", "wrong-secret")
        page.click("text=Use it")
        expect(page.locator("#token-wrong")).to_have_text("That is not the token.")
        page.fill("#token-value", "a-long-secret-1")
        page.click("text=Use it")
        expect(page.locator("#strength-value")).to_contain_text("auto")
        expect(page.locator("#limits")).to_contain_text("megapixels")
        page.evaluate("sessionStorage.clear()")
        page.goto("about:blank")
        page.goto(f"{server.base_url}/#token=a-long-secret-1")  # as `fourpass serve --open` does
        expect(page.locator("#strength-value")).to_contain_text("auto")
        assert "secret" not in page.url
        upscaled(page, photo)
        assert saved(page, lambda: page.click("text=Download")).suggested_filename == "rot & blau_x2.png"
        compared(page)
        context.close()


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
    tab.select_option("#mode", "scale:2")
    pick(tab, bad, photo)
    expect(tab.locator("#photos .failed")).to_contain_text("image")
    run(tab)
    expect(tab.get_by_role("button", name="Download rot & blau.png")).to_be_visible()
    tab.trouble[:] = [line for line in tab.trouble if "422" not in line]


def test_an_example_to_try_and_an_app_to_install(tab, server):
    tab.click("#example")
    expect(tab.locator("#photos .name")).to_have_text("coffee.jpg")
    manifest = tab.evaluate("fetch(document.querySelector('[rel=manifest]').href).then((answer) => answer.json())")
    sizes = {icon["sizes"]: icon["src"] for icon in manifest["icons"]}
    for size, source in sizes.items():
        content = server.get(f"/page/{source}").content
        if size != "any":
            assert "x".join(map(str, files.read(content).header.size)) == size
    tab.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.context.set_offline(True)
    tab.goto(str(server.base_url))
    expect(tab.locator("#alert")).to_contain_text("fourpass serve")
    tab.context.set_offline(False)
    tab.trouble[:] = [line for line in tab.trouble if "ERR_INTERNET_DISCONNECTED" not in line]


def test_on_a_phone_the_main_button_is_in_reach_and_nothing_is_wider(phone, photo):
    assert phone.inner_text("#drop-title") == "Your photos"
    pick(phone, photo, photo, photo)
    expect(phone.locator("#run")).to_be_in_viewport()
    phone.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(phone.locator("#run")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert phone.eval_on_selector("#drop", "node => getComputedStyle(node).position") == "static"  # it scrolls away
    expect(phone.locator("#preview")).to_be_visible()
    hints = " ".join(phone.locator(".hint:visible").all_inner_texts())
    assert "Tap" in hints
    assert "arrow keys" not in hints


def test_everything_can_be_reached_by_keyboard(tab, photo):
    pick(tab, photo)
    expect(tab.locator("#preview-compare .after img")).to_be_visible()
    seen = set()
    for _ in range(30):
        tab.keyboard.press("Tab")
        seen.add(tab.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"pick", "example", "mode", "format", "strength", "picker", "run", "Remove"} <= seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("kind", "viewport"), [("desk", DESK), ("phone", PHONE)])
def test_axe_finds_nothing_in_any_state(browser, server, slow, kind, viewport, scheme):
    mobile = {"is_mobile": True, "has_touch": True} if kind == "phone" else {}
    page = opened(browser, server, viewport, scheme, **mobile)
    shoot(page, f"empty-{kind}-{scheme}")
    no_findings(page)
    page.click("#example")
    expect(page.locator("#preview-compare .after img")).to_be_visible()
    expect(page.locator("#total")).to_contain_text("about")
    shoot(page, f"full-ready-{kind}-{scheme}")
    no_findings(page)
    run(page)
    expect(page.get_by_role("button", name="Download coffee.jpg")).to_be_visible()
    pick(page, slow)
    run(page)
    expect(page.locator("#photos progress").last).to_be_visible()
    page.locator("summary").first.click()
    shoot(page, f"full-running-{kind}-{scheme}")
    no_findings(page)
    for layout in ("Slider", "Side by side", "Toggle"):
        if layout == "Slider":
            compared(page)
        page.get_by_role("button", name=layout).click()
        no_findings(page)
        shoot(page, f"viewer-{layout.replace(' ', '-').lower()}-{kind}-{scheme}")
    page.click("#close")
    page.click("#run")
    closed(page)
