"""A slice of fuzzing for every run of the tests; `fuzz.py` goes on for as long as one likes."""

from __future__ import annotations

import random
from pathlib import Path

import fuzz
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 2**40))
def test_damaged_files_are_read_and_written_or_refused_in_one_line(tmp_path: Path, number: int) -> None:
    choice = random.Random(number)
    _, data = fuzz.damaged(choice)
    assert fuzz.try_one(choice, data, tmp_path) in ("refused", "read", "written")


# Cases that found a fault once.
@pytest.mark.parametrize("number", [520, 974, 1221, 1636, 103169, 104421, 1021692])
def test_what_was_found_once(tmp_path: Path, number: int) -> None:
    choice = random.Random(number)
    _, data = fuzz.damaged(choice)
    fuzz.try_one(choice, data, tmp_path)


@pytest.mark.parametrize("name", [name for name in fuzz.SEEDS if name != "header.heic"])
def test_seeds_are_whole(tmp_path: Path, name: str) -> None:
    assert fuzz.try_one(random.Random(0), fuzz.SEEDS[name], tmp_path) in ("read", "written")
