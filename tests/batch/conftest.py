"""What the tests of ``fourpass batch`` share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def as_in_other_processes(real_processor):
    """Workers are processes of their own, which no patch reaches: ``auto`` must mean here what it means there."""
