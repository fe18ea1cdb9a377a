"""Options of ``fourpass upscale``: what their texts mean, which contradict each other, what an output depends on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fourpass.errors import ConfigError
from fourpass.upscaling.job import Wishes
from fourpass.upscaling.sizes import plan_size


def number(option: str, text: str | None) -> int | None:
    """Read a number that may end in K, M, G or T, in thousands of a size: 250M, 2G."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B|P|PX)?", text.strip().upper())
    value = int(float(match[1]) * 1000 ** " KMGT".index(match[2] or " ")) if match else 0
    if value < 1:
        raise ConfigError(f"{option} {text} is not a number above 0; write it like 250M or 2G")
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
    if wishes.size:
        plan_size((1000, 1000), **wishes.size)
    if wishes.quality is not None and not 1 <= wishes.quality <= 100:
        raise ConfigError(f"--quality {wishes.quality} is not within 1..100")
    if output == "-" and report == "-":
        raise ConfigError("-o - and --json - would both write to standard output; give --json a file")
    if resume and (output is None or output == "-" or (Path(output).suffix and not Path(output).is_dir())):
        raise ConfigError("--resume keeps its list in the output folder; name a folder with -o")


def tag(wishes: Wishes, usual_scale: int) -> str:
    """Return what tells the name of an output from that of its input, beside it: x4, or 1920x1080."""
    if wishes.fit:
        return f"{wishes.fit[0]}x{wishes.fit[1]}"
    for name, value in wishes.size.items():
        return f"x{value:g}" if name == "scale" else f"{name}{value:g}"
    return f"x{usual_scale}"


def settings(wishes: Wishes, model: str, strength: float | None, backend: str, fp32: bool) -> dict[str, Any]:
    """Return everything that the bytes of an output depend on besides the input and the output's format."""
    from fourpass import __version__, weights
    from fourpass.cli.manifest import digest

    pair = ("eusr", "fourpass")
    used = [name for name in pair if name in weights.available()] if model in pair else [model]
    return {
        "fourpass": __version__,
        "model": model,
        "sha256": [digest(weights.locate(name)) for name in used],
        "strength": strength,
        "backend": backend,
        "precision": "fp32" if fp32 else "auto",
        "self_ensemble": wishes.self_ensemble,
        "quality": wishes.quality,
        "strip": wishes.strip,
        "size": wishes.size,
    }
