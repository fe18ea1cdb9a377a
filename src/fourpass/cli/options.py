"""Options of ``fourpass upscale``: what their texts mean, and which contradict each other."""

from __future__ import annotations

import re
from pathlib import Path

from fourpass.errors import ConfigError
from fourpass.jobs import job
from fourpass.jobs.job import Wishes


def number(option: str, text: str | None) -> int | None:
    """Read a number that may end in K, M, G or T, in thousands of a size: 250M, 2G."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B|P|PX)?", text.strip().upper())
    value = int(float(match[1]) * 1000 ** " KMGT".index(match[2] or " ")) if match else 0
    if value < 1:
        raise ConfigError(f"{option} {text} is not a number above 0", hint="write it like 250M or 2G")
    return value


def box(text: str | None) -> tuple[int, int] | None:
    """Read a size like 1920x1080, columns first."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\s*[xX×]\s*(\d+)", text.strip())
    if match is None:
        raise ConfigError(f"--fit {text} is not a size like 1920x1080")
    return int(match[1]), int(match[2])


def check(wishes: Wishes, output: str | None, report: str | None, resume: bool) -> None:
    """Refuse what makes no sense whatever the pictures are.

    Raises:
        ConfigError: an option's value, or two that contradict each other.
    """
    job.check(wishes)
    if output == "-" and report == "-":
        raise ConfigError("-o - and --json - would both write to standard output", hint="give --json a file")
    if resume and (output is None or output == "-" or (Path(output).suffix and not Path(output).is_dir())):
        raise ConfigError("--resume keeps its list in the output folder", hint="name a folder with -o")


def tag(wishes: Wishes, usual_scale: int) -> str:
    """Return what tells the name of an output from that of its input, beside it: x4, or 1920x1080."""
    if wishes.fit:
        return f"{wishes.fit[0]}x{wishes.fit[1]}"
    for name, value in wishes.size.items():
        return f"x{value:g}" if name == "scale" else f"{name}{value:g}"
    return f"x{usual_scale}"
