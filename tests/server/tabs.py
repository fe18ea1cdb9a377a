"""The page in a browser, for the tests: to open it, to pick photos, to look at it."""

import os
import re
from pathlib import Path

import numpy as np
from axe_playwright_python import sync_playwright as axe
from playwright.sync_api import expect

from fourpass.imaging import files

expect.set_options(timeout=30_000)  # of a busy machine
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# Keeps the last value of each field of any form that is sent; a browser tells nobody what is in its uploads.
SENT = """window.sent = {}; const append = FormData.prototype.append;
FormData.prototype.append = function (name, value, ...more) {
    window.sent[name] = value;
    return append.call(this, name, value, ...more);
};"""


def made(folder, name, width, height):
    """A picture that is red on the left and blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 200
    files.write(folder / name, pixels)
    return folder / name


def opened(browser, server, viewport, scheme="light", **options):
    context = browser.new_context(viewport=viewport, color_scheme=scheme, **options)
    page = context.new_page()
    page.trouble = []
    page.on("pageerror", lambda error: page.trouble.append(str(error)))
    page.on("console", lambda message: page.trouble.append(message.text) if message.type == "error" else None)
    own = (str(server.base_url), "blob:", "data:")
    page.on("request", lambda r: page.trouble.append(r.url) if not r.url.startswith(own) else None)
    page.add_init_script(SENT)
    page.goto(str(server.base_url))
    page.wait_for_selector("html[data-ready]")
    return page


def closed(page, *allowed):
    page.context.close()
    assert [line for line in page.trouble if not re.search("|".join(allowed) or "^$", line)] == []


def pick(tab, *photos):
    tab.set_input_files("#pick", [str(photo) for photo in photos])


def run(tab):
    expect(tab.locator("#run")).to_have_text(re.compile("^Upscale"))
    expect(tab.locator("#run")).to_have_attribute("aria-disabled", "false")
    tab.click("#run")


def rectangle(tab, selector):
    return tab.eval_on_selector(
        selector, "node => { const b = node.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; }"
    )


def no_findings(page):
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def shoot(page, name):
    if "FOURPASS_SCREENSHOTS" in os.environ:
        page.screenshot(
            path=Path(os.environ["FOURPASS_SCREENSHOTS"]) / f"{name}.png", full_page=name.startswith("full")
        )
