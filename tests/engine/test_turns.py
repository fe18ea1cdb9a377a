"""Processes that share a GPU take turns."""

from __future__ import annotations

import threading

import pytest

from fourpass.engine.turns import cache_folder, turn

pytest.importorskip("fcntl")


def test_one_at_a_time_on_each_gpu():
    order, began = [], threading.Event()

    def second():
        began.set()
        with turn(0):
            order.append("second")

    other = threading.Thread(target=second)
    with turn(0):
        other.start()
        began.wait()
        with turn(1):  # another one is free
            order.append("another")
        other.join(0.2)
        order.append("first")
    other.join(10)
    assert order == ["another", "first", "second"]


def test_the_processor_needs_no_turns():
    with turn(None), turn(None):
        pass


def test_without_a_place_for_the_lock_nobody_waits(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with turn(0), turn(0):
        pass


def test_the_lock_is_private(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with turn(2):
        assert (cache_folder() / "gpu-2.lock").stat().st_mode & 0o077 == 0
