"""The README is true: its commands run, its options exist, its links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUNS = re.findall(r"<!-- runs -->\n```sh\n(.*?)```", README, re.S)
NAMED = sorted(set(re.findall(r"`(fourpass [a-z]+ [^`]*|fourpass [a-z]+)`", README)))


def run(words, folder):
    command = [sys.executable, "-m", "fourpass.cli.app", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=250, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", place / "examples")
    return place


@pytest.mark.parametrize("command", [line for block in RUNS for line in block.splitlines() if line])
def test_a_command_runs(command, folder):
    words = shlex.split(command, comments=True)
    assert words.pop(0) == "fourpass"
    done = run(words, folder)
    assert done.returncode == 0, done.stderr
    if "-o" in words and "--dry-run" not in words:
        assert (folder / words[words.index("-o") + 1]).exists()


@pytest.mark.parametrize("command", NAMED)
def test_a_command_that_is_named_exists_with_its_options(command, folder):
    words = shlex.split(command)[1:]
    done = run([words[0], "--help"], folder)
    assert done.returncode == 0, done.stderr
    for option in (word for word in words if word.startswith("-")):
        assert re.search(rf"(^|[\s,]){re.escape(option)}[\s,]", done.stdout), option


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_nothing_is_left_to_fill_in():
    assert not re.search(r"@[A-Z]+@|TODO|TBD", README)
