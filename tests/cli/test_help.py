"""What a person finds without documentation: grouped help, the first words, the version, shell completion."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from fourpass import __version__
from fourpass.cli import app, help

Run = Callable[..., tuple[int, bytes, list[str]]]


def parameters(command: str) -> dict[str, Any]:
    module, function = app.COMMANDS[command].split(":")
    return {
        name: each.default
        for name, each in inspect.signature(getattr(importlib.import_module(module), function)).parameters.items()
        if hasattr(each.default, "param_decls")
    }


def test_alone_it_says_how_to_begin(fourpass: Run) -> None:
    code, out, err = fourpass()
    assert (code, err) == (0, [])
    named = re.findall(r"^  fourpass (\w+)", out.decode(), re.M)
    assert named == ["upscale", "serve", "doctor"]
    assert set(named) <= app.COMMANDS.keys()
    assert "fourpass --help" in out.decode()


def test_version(fourpass: Run) -> None:
    assert fourpass("--version") == (0, f"fourpass {__version__}\n".encode(), [])


def test_every_command_is_in_one_group(fourpass: Run) -> None:
    grouped = [name for names in help.COMMANDS.values() for name in names]
    assert sorted(grouped) == sorted(app.COMMANDS)
    out = fourpass("--help").out.decode()
    positions = [out.index(f"\n{group}:\n") for group in help.COMMANDS]
    assert positions == sorted(positions)


@pytest.mark.parametrize("command", help.OPTIONS)
def test_groups_name_options_that_exist_once(command: str) -> None:
    grouped = [name for names in help.OPTIONS[command].values() for name in names]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) <= parameters(command).keys()


@pytest.mark.parametrize("command", app.COMMANDS)
def test_every_option_is_shown_with_its_help(command: str, fourpass: Run) -> None:
    code, out, err = fourpass(command, "--help")
    assert (code, err) == (0, [])
    text = "".join(out.decode().split())  # lines are broken at spaces and after hyphens
    for name, option in parameters(command).items():
        if option.hidden:
            continue
        assert option.help, f"{command} {name} has no help"
        assert "".join(option.help.split()) in text, name
        for flag in option.param_decls or ():
            assert flag in text


def test_upscale_shows_what_a_beginner_needs_first(fourpass: Run) -> None:
    out = fourpass("upscale", "--help").out.decode()
    headings = re.findall(r"^(\w[\w ]+):$", out, re.M)
    assert headings == [
        *("Arguments", "What", "How large", "How it looks", "Files", "Speed and memory", "Rarely needed")
    ]
    rare = out[out.index("Rarely needed:") :]
    assert "--blend-pixels" in rare
    assert "--scale" not in rare


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("fourpass ups", ["upscale"]),
        ("fourpass upscale --meg", ["--megapixels"]),
        ("fourpass train eusr --recipe cpu/eusr", ["cpu/eusr", "cpu/eusr_muon", "cpu/eusr_small_batches"]),
    ],
)
def test_bash_completes(typed: str, completed: list[str]) -> None:
    words = typed.split()
    environment = os.environ | {
        "_FOURPASS_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-m", "fourpass.cli.app"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == completed
