"""Run a plan: all steps that can run and are not done yet, in order; the same call resumes an interrupted one."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from fourpass.disk import atomic
from fourpass.errors import ConfigError
from fourpass.reproduction.plan import Step

RECORD = "done.json"
INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM, 130, 143)


@dataclass(frozen=True)
class RunSummary:
    """How it went: names of steps, in order.

    Attributes:
        done: now or earlier.
        waiting: step -> what it waits for: data, or steps before it.
        failed: step -> exit code.
        stopped: exit code of the step that a signal ended; 0 for none.
    """

    done: list[str] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    stopped: int = 0


def run(
    steps: Sequence[Step],
    out: Path,
    missing: Collection[str],
    *,
    execute: Callable[[list[str]], int] | None = None,
    say: Callable[[str], None] = print,
    dry: bool = False,
) -> RunSummary:
    """Run the steps that can be run.

    A step counts as done when the same command has ended well before and what it makes is there. A training that was
    stopped goes on from its checkpoint, by the same command.

    Args:
        steps: each after those that it waits for.
        out: folder of the record.
        missing: names of missing sources.
        execute: runs ``fourpass`` with these words and returns the exit code; a process of its own by default.
        say: takes lines to print.
        dry: run nothing, and print what would be run.

    Raises:
        ConfigError: the record cannot be read or written.
    """
    recorded = _read(out / RECORD)
    waiting: dict[str, str] = {}
    failed: dict[str, int] = {}
    done: list[str] = []
    for step in steps:
        lacks = [name for name in (*step.sources, *step.after) if name in missing or name in waiting or name in failed]
        if not lacks and step.any_of and not set(step.any_of) & set(done):
            lacks = [f"any of {', '.join(step.any_of)}"]
        if lacks:
            waiting[step.name] = ", ".join(lacks)
            say(f"{step.name}: waits for {waiting[step.name]}")
            continue
        command = step.command(done)
        line = shlex.join(["fourpass", *command])
        if recorded.get(step.name) == command and step.makes.exists():
            say(f"{step.name}: done")
        elif dry:
            say(f"{step.name}: {line}")
        else:
            say(f"{step.name}: {line}")
            code = (execute or in_a_process)(command)
            if code in INTERRUPTED:
                return RunSummary(done, waiting, failed, code)
            if code or not step.makes.exists():
                failed[step.name] = code
                say(f"{step.name}: failed with exit code {code}; continuing with the others")
                continue
            recorded[step.name] = command
            _write(out / RECORD, recorded)
        done.append(step.name)
    return RunSummary(done, waiting, failed)


def in_a_process(command: list[str]) -> int:
    """Run ``fourpass`` with some words in a process of its own, which gets the signals that end this one first."""
    process: subprocess.Popen[bytes] | None = None

    def forward(number: int, _: FrameType | None) -> None:
        # Ctrl-C reaches the whole group by itself; a signal to this process alone must be passed on.
        if number == signal.SIGTERM and process is not None:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen([sys.executable, "-m", "fourpass.cli.app", *command])
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(file: Path) -> dict[str, list[str]]:
    try:
        found: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read ({error})", subject=file, hint="delete it; finished steps are then checked again"
        ) from None
    return found


def _write(file: Path, record: dict[str, list[str]]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot be created ({error.strerror})", subject=file.parent, hint="name another folder", key="folder"
        ) from None
    atomic.write(file, (json.dumps(record, indent=1) + "\n").encode(), ConfigError)
