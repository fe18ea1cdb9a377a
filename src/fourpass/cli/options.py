"""Options of ``fourpass upscale``: parse their values and check for contradictions."""

from __future__ import annotations

import re
from pathlib import Path

from fourpass.errors import ConfigError
from fourpass.jobs import one_file
from fourpass.jobs.one_file import UpscaleOptions


def number(option: str, text: str | None) -> int | None:
    """Read a number that may end in K, M, G or T, such as 250M or 2G."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B|P|PX)?", text.strip().upper())
    value = int(float(match[1]) * 1000 ** " KMGT".index(match[2] or " ")) if match else 0
    if value < 1:
        raise ConfigError(f"{option} {text} is not a number above 0", hint="write it like 250M or 2G")
    return value


def restore(text: str) -> float | str:
    """Read ``--restore``: a number within 0..1, or ``auto``."""
    if text.strip().lower() == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError(f"--restore {text} is neither a number from 0 to 1 nor auto")
    return value


def box(text: str | None) -> tuple[int, int] | None:
    """Read a size like 1920x1080, columns first."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\s*[xX×]\s*(\d+)", text.strip())
    if match is None:
        raise ConfigError(f"--fit {text} is not a size like 1920x1080")
    return int(match[1]), int(match[2])


def check(wanted: UpscaleOptions, output: str | None, report: str | None, resume: bool) -> None:
    """Reject options that are invalid for any picture.

    Raises:
        ConfigError: an option's value, or two that contradict each other.
    """
    one_file.check(wanted)
    if output == "-" and report == "-":
        raise ConfigError("-o - and --json - would both write to standard output", hint="give --json a file")
    if resume and (output is None or output == "-" or (Path(output).suffix and not Path(output).is_dir())):
        raise ConfigError("--resume keeps its list in the output folder", hint="name a folder with -o")


def tag(wanted: UpscaleOptions, usual_scale: int) -> str:
    """Return what tells the name of an output from that of its input, beside it: x4, or 1920x1080."""
    if wanted.fit:
        return f"{wanted.fit[0]}x{wanted.fit[1]}"
    for name, value in wanted.size.items():
        return f"x{value:g}" if name == "scale" else f"{name}{value:g}"
    return f"x{usual_scale}"
