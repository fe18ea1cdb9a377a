"""The look on the page follows the metadata of the weights: a pad for two axes, one dial for one, words for none."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="wants the extra serve")
pytest.importorskip("httpx")
expect = pytest.importorskip("playwright.sync_api", reason="wants playwright, of the dev extra").expect
pytest.importorskip("axe_playwright_python.sync_playwright", reason="wants axe, of the dev extra")

import handlers  # noqa: E402
from live import serving  # noqa: E402
from PIL import Image  # noqa: E402
from tabs import DESK, PHONE, closed, made, no_findings, opened, pick, rectangle, shoot  # noqa: E402

from fourpass import Upscaler, weights  # noqa: E402
from fourpass.imaging import files  # noqa: E402

# name -> where it lies on strength and restore
CORNERS = {"duo": (0, 0), "duo-sharp": (1, 0), "duo-clean": (0, 1), "duo-both": (1, 1)}
AUTO = 0.4  # strength at every scale


@pytest.fixture(scope="module")
def corners(tmp_path_factory):
    """Packaged weights in place of ours: a family of four corners, one of two, weights of none."""
    folder = tmp_path_factory.mktemp("packaged")
    plain, clean = weights.load("swift"), weights.load("swift-worn")
    base = replace(plain.metadata, family="", corner={}, defaults={})
    defaults = {"strength": {str(scale): AUTO for scale in (2, 4, 8)}}
    made = {}
    for name, (strength, restore) in CORNERS.items():
        start = clean if restore else plain
        tensors = {key: value * (1 - 0.02 * strength) for key, value in start.tensors.items()}
        made[name] = {key: value.astype(np.float16).astype(np.float32) for key, value in tensors.items()}
        corner = {axis: 1 for axis, end in (("strength", strength), ("restore", restore)) if end}
        told = replace(base, family="duo", corner=corner, defaults={} if corner else defaults)
        weights.save(weights.Weights(made[name], told), folder / f"{name}.safetensors")
    for name, corner in (("solo", {}), ("solo-sharp", {"strength": 1})):
        told = replace(base, family="solo", corner=corner, defaults={} if corner else defaults)
        weights.save(weights.Weights(made["duo-sharp" if corner else "duo"], told), folder / f"{name}.safetensors")
    weights.save(weights.Weights(made["duo"], base), folder / "alone.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights.file, "PACKAGED", folder)
        patch.setenv("FOURPASS_TEST_PACKAGED", str(folder))
        yield made, base


@pytest.fixture(scope="module")
def duo(corners):
    with serving(handlers.of_folder, model="duo") as client:
        yield client


def worn(quality=60):
    tiles = np.random.default_rng(2).integers(60, 190, (15, 16, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(tiles.repeat(4, 0).repeat(4, 1)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def png(content):
    stream = io.BytesIO()
    Image.open(io.BytesIO(content)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(("strength", "restore"), [(0, 0), (1, 1), (0.25, 0.75)])
def test_a_preview_between_four_corners_is_that_of_their_blend(duo, corners, tmp_path, strength, restore):
    made, base = corners
    shares = {name: math.prod(p if end else 1 - p for p, end in zip((strength, restore), ends, strict=True)) for name, ends in CORNERS.items()}  # fmt: skip  # noqa: E501
    mixed = {key: sum(share * made[name][key] for name, share in shares.items()) for key in made["duo"]}
    weights.save(weights.Weights(mixed, base), tmp_path / "mixed.safetensors", half=False)
    part = png(worn())
    wanted = Upscaler(tmp_path / "mixed.safetensors").upscale(files.read(part).frames[0], 2)
    chosen = {"scale": "2", "strength": str(strength), "restore": str(restore), "format": "png"}
    answer = duo.post("/v1/preview", files={"image": ("part.png", part)}, data=chosen)
    assert answer.status_code == 200
    np.testing.assert_allclose(files.read(answer.content).frames[0].astype(int), wanted, atol=1)


@pytest.mark.usefixtures("corners")
@pytest.mark.parametrize(("viewport", "scheme"), [(DESK, "light"), (PHONE, "dark")])
def test_two_axes_are_a_pad_that_works(browser, duo, tmp_path, viewport, scheme):
    page = opened(browser, duo, viewport, scheme)
    photo = tmp_path / "worn.jpg"
    photo.write_bytes(worn())
    decided = duo.post("/v1/restore", files={"image": ("worn.jpg", photo.read_bytes())}).json()["restore"]
    assert 0.5 < decided <= 1
    expect(page.locator("#restore-reason")).to_have_text("auto: as much as each photo needs")
    height = rectangle(page, "#dial")[3]
    pick(page, photo)
    expect(page.locator("#strength-value")).to_have_text(f"auto ({AUTO:.2f})")
    expect(page.locator("#restore-value")).to_have_text(f"auto ({decided:.2f})")
    expect(page.locator("#preview-compare .after img")).to_be_visible()
    assert rectangle(page, "#dial")[3] == pytest.approx(height, abs=1)  # what is found out moves nothing
    places = "node => [node.style.left, node.style.top].map(parseFloat)"
    auto = [100 * AUTO, 100 * (1 - decided)]
    assert page.eval_on_selector(".pad .dot", places) == pytest.approx(auto)
    assert page.eval_on_selector(".pad .knob", places) == pytest.approx(auto)
    first = page.get_attribute("#preview-compare .after img", "src")
    page.focus(".pad")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("#strength-value")).to_have_text(f"{AUTO + 0.1:.2f}")
    expect(page.locator("#restore-value")).to_have_text(f"{decided - 0.05:.2f}")
    assert page.eval_on_selector(".pad .dot", places) == pytest.approx(auto)  # auto stays where it was
    assert page.eval_on_selector(".pad .knob", places) == pytest.approx([auto[0] + 10, auto[1] + 5])
    expect(page.locator("#preview-compare .after img")).not_to_have_attribute("src", first)
    expect(page.locator("#preview-status")).to_contain_text("64×60")
    page.wait_for_timeout(500)
    assert (page.evaluate("window.sent.strength"), page.evaluate("window.sent.restore")) == (
        f"{AUTO + 0.1:g}",
        f"{decided - 0.05:g}",
    )
    for name in ("Strength", "Restore"):
        slider = page.get_by_role("slider", name=name)
        slider.fill("0.9")
        expect(page.locator(f"#{name.lower()}-value")).to_have_text("0.90")
        page.get_by_role("button", name=f"{name}: auto").click()
        expect(page.locator(f"#{name.lower()}-value")).to_contain_text("auto")
    words, box = page.locator(".pad .corner"), page.locator(".pad").bounding_box()
    corners = [words.nth(i).bounding_box() for i in range(4)]
    for corner in corners:  # whole, inside the pad
        assert corner["x"] >= box["x"] - 1
        assert corner["x"] + corner["width"] <= box["x"] + box["width"] + 1
    assert corners[0]["x"] + corners[0]["width"] <= corners[1]["x"]
    page.eval_on_selector("#dial", "node => node.scrollIntoView()")
    shoot(page, f"pad-{'desk' if viewport is DESK else 'phone'}-{scheme}")
    no_findings(page)
    closed(page)


@pytest.mark.usefixtures("corners")
@pytest.mark.parametrize(
    ("model", "axes"), [("solo", ["strength"]), ("duo-sharp", ["strength", "restore"]), ("alone", [])]
)
def test_the_look_has_as_many_dials_as_the_weights_have_axes(browser, folder, model, axes):
    with serving(handlers.nearest, model=model) as server:
        page = opened(browser, server, DESK)
        assert page.eval_on_selector_all("#dial input[type=range]", "nodes => nodes.map((node) => node.name)") == axes
        assert page.locator(".pad").count() == (len(axes) == 2)
        if model == "duo-sharp":  # a corner by its own name stands there
            expect(page.locator("#strength-value")).to_have_text("auto (1.00)")
        if not axes:
            expect(page.locator("#dial")).to_contain_text("one look")
        pick(page, made(folder, "a.png", 60, 40))
        expect(page.locator("#preview-status")).to_contain_text("60×40")
        page.click("summary")
        words = page.inner_text("#photos details")
        for axis in ("strength", "restore"):
            assert (axis in words) == (axis in axes)
        assert f"-n {model} " in words
        no_findings(page)
        page.context.close()
        assert page.trouble == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("photos")
