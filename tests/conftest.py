"""Fixtures that every test may use."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fourpass.defaults import DEFAULT_MODEL
from fourpass.engine import hardware
from fourpass.weights import Metadata, Weights, file, save

# Before torch is loaded, whose OpenMP ncnn then uses: threads that spin while they wait make busy machines very slow.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

ROOT = Path(__file__).parents[1]
BF16_INSTRUCTIONS = hardware.bf16_instructions  # the real one


def pytest_terminal_summary(terminalreporter):
    """Count what was skipped, and name why, once for each reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", ())
    )
    if reasons:
        terminalreporter.section(f"skipped: {reasons.total()}")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5} {reason}")


@pytest.fixture(scope="session", autouse=True)
def fp32_unless_asked():
    """Exact tests compare numbers in float32: ``auto`` means that on every processor while they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "bf16_instructions", lambda: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_measured(tmp_path_factory):
    """What was measured on this machine does not decide which backend tests run on."""
    with pytest.MonkeyPatch.context() as patch:
        folder = str(tmp_path_factory.mktemp("cache"))
        patch.setenv("XDG_CACHE_HOME", folder)
        patch.setenv("LOCALAPPDATA", folder)
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
        assert "FOURPASS_BROWSER" not in os.environ, "FOURPASS_BROWSER is set, and there is no Chromium"
        pytest.skip("wants Chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="wants playwright, of the dev extra")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


@pytest.fixture(scope="session")
def tiny() -> Weights:
    """EUSR with few features and weights of a size that makes every layer matter."""
    torch = pytest.importorskip("torch")
    from fourpass.models.eusr import EUSR

    numbers = {"features": 8, "shared_blocks": 2, "upscale_blocks": 1, "scales": [2, 4, 8]}
    torch.manual_seed(7)
    network = EUSR(**numbers)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * 0.7 / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(torch.randn_like(parameter) * 3)
    tensors = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    return Weights(tensors, Metadata("eusr", numbers, "tiny", "none", 0, "CC0-1.0"), "tiny")


@pytest.fixture(scope="session")
def photo_like() -> np.ndarray:
    """A picture of edges, waves and noise, uint8 (75, 53, 3)."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:75, 0:53]
    waves = 128 + 60 * np.stack([np.sin(x / 7 + y / (9 + c)) for c in range(3)], axis=2)
    waves[20:50, 15:30] += 50
    return np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def small_relatives(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small networks in place of the packaged ones: the default model, and its perceptual end."""
    torch = pytest.importorskip("torch")
    from fourpass.models.eusr import EUSR

    packaged = tmp_path_factory.mktemp("packaged")
    numbers = {"features": 4, "shared_blocks": 1, "upscale_blocks": 1, "scales": [2, 4, 8]}
    for seed, name in enumerate((DEFAULT_MODEL, "sharp")):
        torch.manual_seed(seed)
        state = {key: value.numpy() for key, value in EUSR(4, 1).state_dict().items()}
        corner = {"strength": seed}
        metadata = Metadata("eusr", numbers, "test", "noise", 0, "Apache-2.0", family=DEFAULT_MODEL, corner=corner)
        save(Weights(state, metadata), packaged / f"{name}.safetensors")
    monkeypatch.setattr(file, "PACKAGED", packaged)
