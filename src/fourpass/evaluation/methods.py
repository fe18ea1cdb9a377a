"""What can be evaluated: bicubic, packaged or given weights along one of three paths, and results on disk."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fourpass import conversion, weights
from fourpass.errors import ConfigError, WeightsError
from fourpass.evaluation.images import RgbImage
from fourpass.imaging.resize import imresize
from fourpass.losses.published import METHODS
from fourpass.paths import PATHS, SCALE, follow

Kind = Literal["bicubic", "ground-truth", "model", "folder"]

# Packaged weights -> name of the method in the paper's tables; the perceptual network ships under the project's name.
SHIPPED = "4PP-EUSR (shipped)"  # the packaged perceptual network, which is not trained as published
NAMES = {name: method.title for name, method in METHODS.items()} | {"fourpass": SHIPPED}
# First 12 digits of the weights' hash -> what must stand beside their numbers, where their own note does not say it.
DISCLOSED = {
    "811b37fcc428": "trained with grain, and with the statistics that NIQE is computed from, which the paper has not"
}

# What a table or figure shows under other names than those: its rows -> how the packaged weights make them.
_PATHS = {path: f"fourpass@{path}" for path in PATHS}
# Tables 4 and 5 compare runs that differ in one thing alone, so the packaged network has no place in them.
ROWS: dict[str, dict[str, str]] = {
    "table3": _PATHS,
    "fig9": _PATHS,
    "table4": {},
    "fig10": {},
    "table5": {},
    "fig11": {},
}


@dataclass(frozen=True)
class Method:
    """One row of a table.

    Attributes:
        label: its name in tables.
        kind: where its pictures come from.
        source: name of packaged weights, file or folder; empty for bicubic and the ground truth.
        path: ``direct``, or one of `fourpass.paths.PATHS`.
        self_ensemble: average over the eight flips and turns (geometric self-ensemble).
        steps: training steps behind the weights; None where unknown.
        sha256: first 12 digits of the weights' hash; empty where there are none.
        note: what the weights say of themselves, say that their loss asked a stand-in; may be empty.
        strength: blend of the packaged faithful (0) and perceptual (1) weights; None takes the source as it is.
    """

    label: str
    kind: Kind
    source: str = ""
    path: str = "direct"
    self_ensemble: bool = False
    steps: int | None = None
    sha256: str = ""
    note: str = ""
    strength: float | None = None


def parse_methods(items: Sequence[str], *, self_ensemble: bool = False) -> list[Method]:
    """Read method items, separated by commas.

    An item is ``[LABEL=]SOURCE[@PATH]``: SOURCE is ``bicubic``, ``ground-truth``, the name of packaged weights, a
    ``.safetensors``, ``.pth`` or ``.onnx`` file, or a folder of results; PATH is ``x2-x2``, ``x8-downscale``,
    ``self-ensemble`` or ``strength:0.5``. Put an item that contains a comma in double quotes.

    Args:
        items: for example ``["bicubic,eusr", "Ours=run/best.safetensors@x2-x2"]``.
        self_ensemble: use the self-ensemble for every model.

    Raises:
        ConfigError: a path is unknown, two methods share a label, or there is none.
        WeightsError: a source is nothing of the above.
    """
    texts = [text.strip() for row in csv.reader(items, skipinitialspace=True) for text in row if text.strip()]
    methods = [_parse(text, self_ensemble) for text in texts]
    labels = [method.label for method in methods]
    if not methods:
        raise ConfigError("no method is named", hint="for example: bicubic,eusr", key="no-method")
    for label in labels:
        if labels.count(label) > 1:
            raise ConfigError(
                f"two methods are called {label!r}", hint="name one of them: NAME=...", key="name-methods"
            )
    return methods


def packaged_methods(item: str) -> list[Method]:
    """What a table or figure of the paper shows and is at hand with the package, under the paper's names.

    Args:
        item: ``table2``, ``fig7`` and so on; what is not in `ROWS` shows bicubic and every packaged network.
    """
    available = set(weights.available())
    ensemble = {METHODS[name].title for name in METHODS if METHODS[name].self_ensemble}  # in the paper's own results
    networks = {title: name + "@self-ensemble" * (title in ensemble) for name, title in NAMES.items()}
    rows = ROWS.get(item, {"Bicubic": "bicubic"} | networks)
    at_hand = [f'"{label}={text}"' for label, text in rows.items() if text.split("@")[0] in {"bicubic", *available}]
    return parse_methods(at_hand) if at_hand else []


def build(method: Method, scale: int, threads: int | None = None) -> Callable[[RgbImage], RgbImage]:
    """Return the function that upscales one picture (H, W, 3) by the scale, for a ``bicubic`` or ``model`` method.

    Raises:
        ConfigError: the network does not make this scale, or the path is for x4 only.
    """
    if method.kind == "bicubic":
        return partial(imresize, scale=scale)
    if method.path in PATHS and scale != SCALE:
        raise ConfigError(f"the path {method.path} upscales by {SCALE}, not by {scale}", subject=method.label)
    from fourpass.upscaling.upscaler import Upscaler

    # Weights and not their packaged name, which would blend the faithful and the perceptual ones; and the same
    # precision on every machine.
    whole = method.source.endswith(".onnx") or method.strength is not None
    model = method.source if whole else conversion.load(method.source)
    upscaler = Upscaler(model, precision="fp32", threads=threads, strength=method.strength)
    for needed in PATHS.get(method.path, (scale,)):
        if needed not in upscaler.scales:
            made = ", ".join(map(str, upscaler.scales))
            raise ConfigError(f"supports the scales {made}, but x{needed} is needed", subject=method.label)

    def run(image: Any, factor: int) -> Any:
        return upscaler.upscale(image, factor, self_ensemble=method.self_ensemble)

    if method.path not in PATHS:
        return lambda image: np.asarray(run(image, scale), np.uint8)
    # What lies between two runs of the network is not rounded; the x8 path is halved antialiased, as the text says.
    return lambda image: _bytes(follow(method.path, _unit(image), run, lambda large: imresize(large, 0.5)))


def _parse(text: str, self_ensemble: bool) -> Method:
    label, _, item = text.rpartition("=")
    source, _, path = item.partition("@")
    if source == "bicubic":
        return Method(label or "Bicubic", "bicubic")
    if source == "ground-truth":
        return Method(label or "Ground truth", "ground-truth")
    if Path(source).is_dir():
        return Method(label or Path(source).resolve().name, "folder", source)
    ensemble, strength, route = self_ensemble or path == "self-ensemble", None, "direct"
    if path.startswith("strength:"):
        strength = _strength(path)
    elif path in PATHS:
        route = path
    elif path not in ("", "self-ensemble"):
        raise ConfigError(f"{path!r} is not one of {', '.join(PATHS)}, self-ensemble, strength:0.5", subject=text)
    marks = [path if path != "self-ensemble" else "", "self-ensemble" if ensemble else ""]
    named = " ".join([NAMES.get(source) or Path(source).stem, *(f"({mark})" for mark in marks if mark)])
    steps, sha256, note = _provenance(source) if strength is None else (None, "", "")
    return Method(label or named, "model", source, route, ensemble, steps, sha256, note, strength)


def _strength(path: str) -> float:
    try:
        return float(path.removeprefix("strength:"))
    except ValueError:
        raise ConfigError(f"{path!r} does not give a strength from 0 to 1") from None


def _provenance(source: str) -> tuple[int | None, str, str]:
    if source.endswith(".onnx"):
        if not Path(source).is_file():
            raise WeightsError("no such file", subject=source)
        return None, "", ""
    try:
        loaded = conversion.load(source)
    except WeightsError as error:
        raise WeightsError(
            error.reason,
            subject=error.subject,
            hint=f"{error.hint}; " * bool(error.hint)
            + "nor is it bicubic, ground-truth, an .onnx file or a folder of results",
        ) from None
    sha256 = loaded.sha256[:12]
    note = "; ".join(text for text in (loaded.metadata.note, DISCLOSED.get(sha256, "")) if text)
    return loaded.metadata.steps, sha256, note


def _unit(image: RgbImage) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)


def _bytes(image: NDArray[np.floating[Any]]) -> RgbImage:
    return np.asarray(np.floor(np.clip(image, 0, 1) * 255 + 0.5), np.uint8)
