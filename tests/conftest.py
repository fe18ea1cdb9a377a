"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


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
