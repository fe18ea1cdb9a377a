"""``fourpass compare``: one HTML page to look at results side by side, and to vote on them blind."""

from __future__ import annotations

import math
from pathlib import Path

import typer

from fourpass.cli.evaluate import make_folder, protocol_of, write
from fourpass.disk import overwriting
from fourpass.errors import ConfigError


def compare(
    pictures: list[Path] = typer.Argument(None, help="Two or more pictures or folders; NAME=PATH gives one a name."),
    reference: Path | None = typer.Option(None, help="The ground truth: a picture or a folder."),
    output: Path = typer.Option(Path("compare.html"), "-o", "--output", help="The HTML page to write."),
    scale: int = typer.Option(4, help="Scale of the results; it decides file names and how the reference is cropped."),
    metrics: str = typer.Option("psnr,ssim,niqe", help="Any of psnr, rmse, ssim, niqe, brisque, ma, pi."),
    ma_model: Path | None = typer.Option(None, help="The authors' model.mat, for ma and pi."),
    channel: str = typer.Option("y", help="Channel for PSNR, RMSE and SSIM: y, y8, gray or rgb."),
    border: int = typer.Option(4, help="Pixels to crop from each side."),
    votes: list[Path] = typer.Option([], help="Rate exported votes instead of writing a page; may be repeated."),
) -> None:
    """Write an HTML page to compare results: slider, zoom, metrics and a blind test."""
    from fourpass.evaluation.compare import load_entries, page, rate_votes
    from fourpass.evaluation.measures import choose
    from fourpass.imaging.formats import SUFFIXES

    if votes:
        for label, strength, won, played in rate_votes(votes):
            elo = 400 * math.log10(strength)
            print(f"{label}: strength {strength:.3f}, Elo {elo:+.0f}, won {won:g} of {played:g}")
        return
    names = list(choose([name.strip() for name in metrics.split(",") if name.strip()]))
    if "lr_psnr" in names:
        raise ConfigError("lr_psnr needs the low-resolution inputs", hint="use fourpass evaluate instead")
    labelled = _labelled(pictures or [])
    others = [each for each in (reference, ma_model) if each]
    overwriting.check([*labelled.values(), *others], [output], suffixes=SUFFIXES)
    entries = load_entries(labelled, reference, scale)
    text = page(entries, names, protocol_of(scale, channel, border, ma_model))
    make_folder(output.parent)
    write(output, text)
    size = f"{len(text) / 1e6:.1f} MB"
    print(f"{output}: {len(entries)} x {len(entries[0].versions)} pictures, {size}; open it in a browser")


def _labelled(pictures: list[Path]) -> dict[str, Path]:
    """Names of the sources: given with NAME=, else the shortest ending of each path that is unique."""
    found: dict[str, Path] = {}
    for path in pictures:
        name, _, rest = str(path).rpartition("=")
        plain = path if path.exists() or not name else Path(rest)
        label = name if plain is not path else path.name if path.is_dir() else path.stem
        if label in found:
            label = f"{plain.resolve().parent.name}/{label}"
        if label in found or label == "Reference":
            raise ConfigError(f"two of the pictures are called {label!r}", hint=f"name one of them: NAME={plain}")
        found[label] = plain
    return found
