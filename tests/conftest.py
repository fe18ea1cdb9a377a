"""Fixtures that every test may use."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fourpass.inference import hardware

ROOT = Path(__file__).parents[1]
BF16_INSTRUCTIONS = hardware.bf16_instructions  # the real one


@pytest.fixture(scope="session", autouse=True)
def fp32_unless_asked():
    """Exact tests compare numbers in float32: ``auto`` means that on every processor while they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "bf16_instructions", lambda: None)
        yield


@pytest.fixture
def real_processor(monkeypatch):
    """What this processor has counts again."""
    monkeypatch.setattr(hardware, "bf16_instructions", BF16_INSTRUCTIONS)


@pytest.fixture(scope="session")
def references() -> Path:
    """The small reference values that are kept with the tests."""
    return Path(__file__).parent / "references"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared data beside the checkout; without it, the test skips."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"wants the shared data in {folder.name}/ beside the checkout")
    return folder


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; without one, the test skips."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("wants Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="wants playwright, of the dev extra")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()
