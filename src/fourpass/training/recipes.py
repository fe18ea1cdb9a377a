"""Training recipes: one frozen dataclass per phase, the paper's numbers as defaults, TOML for changes."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from fourpass.data.patches import DRAWS
from fourpass.data.wear import Wear
from fourpass.errors import ConfigError
from fourpass.training import recipe_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCHEDULES = ("constant", "halving", "cosine")
PRECISIONS = ("auto", "fp32", "bf16")
OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings that every phase has. Numbers are never negative; 0 means "none" where that makes sense.

    Attributes:
        steps: length of the run.
        hours: if set, the length of the run is this much training time instead, and the schedule follows the clock.
        batch: patches or pictures per step, in each process.
        learning_rate: peak of the first optimizer; phases with a second one have a setting for it in their own recipe.
        schedule: ``constant``, ``halving`` (every `halve_every` steps) or ``cosine`` (to 0 at the end).
        halve_every, decay: steps, and what the learning rate is multiplied by after so many; usually one half.
        warm_up: steps of linear rise at the start.
        ema: decay of the running average of the weights, which is what is validated and exported; 0 for none.
        clip: largest norm of the gradient, longer ones are cut to it; 0 for no limit.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto``: bf16 where the processor has instructions for it.
        seed: of everything that is drawn.
        log_every, validate_every, checkpoint_every: steps; 0 for never (checkpoints: at the end alone).
        collapse: the run goes back to its last checkpoint when the mean loss of 50 steps is this many times the
            lowest such mean so far; 0 for never. A value that is not finite always sends it back.
        rollbacks: how often that may happen before the run gives up.
    """

    steps: int
    hours: float = 0.0
    batch: int
    learning_rate: float
    schedule: str = "constant"
    halve_every: int = 0
    decay: float = 0.5
    warm_up: int = 0
    ema: float = 0.0
    clip: float = 0.0
    precision: str = "auto"
    seed: int = 0
    log_every: int = 100
    validate_every: int = 1000
    checkpoint_every: int = 1000
    collapse: float = 4.0
    rollbacks: int = 5

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            _check_number(item.name, getattr(self, item.name))
        for name in ("steps", "batch", "learning_rate"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is 0", subject="recipe", hint="it must be positive")
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("precision", self.precision, PRECISIONS)
        if self.schedule == "halving" and not self.halve_every:
            raise ConfigError("schedule 'halving' needs halve_every, in steps", subject="recipe")
        if self.ema >= 1:
            raise ConfigError(f"ema {self.ema} is not below 1", subject="recipe")


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe(Recipe):
    """Phase 1, a faithful network of one shared trunk and a path for each scale (4PP-EUSR paper, section 4.1).

    Attributes:
        scales: factors trained, one drawn at random each step.
        odds: how often each is drawn, as weights.
        patches: side of the low-resolution patch of each.
        candidates: places that each patch is chosen from, by gradient; 1 for plain random places.
        draw: how a patch gets its picture: ``area``, larger ones more often; ``picture``, all alike (the authors'
            program).
        init: weights to start from: a packaged name or a file; empty for random ones.
        optimizer: ``adam`` (the paper) or ``muon``, see `fourpass.training.optimizers.Muon`.
        compile: run the network through `torch.compile` (wants a C++ compiler). Pays where passes over memory weigh as
            much as convolutions, as in bf16 with AMX; `benchmarks/train.py --compile` tells.
        teacher: models whose outputs are learnt, in place of the truth: ONNX or weights files or packaged names, at
            most one a scale. A scale without a teacher learns the truth. See `fourpass.training.teacher`.
        teacher_share: of the patches of a scale that has a teacher, how many learn its output; others learn the truth.
        wear: a table ``[wear]``: what wears the inputs, see `fourpass.data.wear.Wear`; targets stay clean. None:
            nothing.
    """

    architecture: ClassVar[str]  # key of `fourpass.models.BUILDERS`

    steps: int = 1_000_000
    batch: int = 16
    learning_rate: float = 1e-4
    schedule: str = "halving"
    halve_every: int = 200_000
    scales: tuple[int, ...] = (2, 4, 8)
    odds: tuple[float, ...] = (1.0, 1.0, 1.0)
    patches: tuple[int, ...] = (48, 48, 48)
    candidates: int = 1
    draw: str = "area"
    init: str = ""
    optimizer: str = "adam"
    compile: bool = False
    teacher: tuple[str, ...] = ()
    teacher_share: float = 1.0
    wear: Wear | None = field(default=None, metadata={"table": Wear})

    @property
    def numbers(self) -> dict[str, Any]:
        """What the network is built from, for the metadata of its weights."""
        return {name: getattr(self, name) for name in self._sizes} | {"scales": list(self.scales)}

    _sizes: ClassVar[tuple[str, ...]]  # the network's own numbers, all of them positive

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("draw", self.draw, DRAWS)
        for name in (*self._sizes, "candidates"):
            if not getattr(self, name):
                raise ConfigError(f"{name} is 0", subject="recipe", hint="it must be positive")
        if not self.scales or not set(self.scales) <= {2, 4, 8} or len(set(self.scales)) < len(self.scales):
            raise ConfigError(
                f"scales {list(self.scales)} must be chosen from 2, 4 and 8, each at most once", subject="recipe"
            )
        for name in ("odds", "patches"):
            values = getattr(self, name)
            if len(values) != len(self.scales):
                raise ConfigError(f"{name} has {len(values)} values for {len(self.scales)} scales", subject="recipe")
        if not sum(self.odds) or not all(self.patches):
            raise ConfigError("odds must not all be 0, and no patch may be 0", subject="recipe")
        if self.teacher_share > 1:
            raise ConfigError(f"teacher_share {self.teacher_share} is not within 0..1", subject="recipe")


@dataclass(frozen=True, kw_only=True)
class EusrRecipe(PretrainRecipe):
    """The paper's network.

    Attributes:
        features, shared_blocks, upscale_blocks: see `fourpass.models.eusr.EUSR`.
        glorot: random weights outside residual blocks start as Glorot's (the authors' program), not as torch's.
    """

    architecture = "eusr"
    _sizes = ("features", "shared_blocks", "upscale_blocks")

    features: int = 64
    shared_blocks: int = 32
    upscale_blocks: int = 1
    glorot: bool = False


@dataclass(frozen=True, kw_only=True)
class SwiftRecipe(PretrainRecipe):
    """The small network.

    Attributes:
        features, blocks: see `fourpass.models.swift.Swift`.
    """

    architecture = "swift"
    _sizes = ("features", "blocks")

    features: int = 64
    blocks: int = 7


_Recipe = TypeVar("_Recipe", bound=Recipe | Wear)


def load(kind: type[_Recipe], path: Path | None, overrides: Mapping[str, Any] | None = None) -> _Recipe:
    """Read a recipe: the defaults of its phase, overridden by a TOML file and then by the command line.

    Args:
        kind: dataclass of the phase.
        path: TOML file of keys of that dataclass; None for the defaults. Its key ``extends`` names one or more
            recipes to start from: files relative to this one, or packaged recipes such as ``cpu/eusr``. A later one
            overrides an earlier one, and the file itself overrides them all.
        overrides: more such keys, stronger than the file's.

    Raises:
        ConfigError: no such file, not TOML, an unknown key, or a value of the wrong type or range.
    """
    values = _read(path) if path else {}
    return build(kind, {**values, **(overrides or {})}, source=str(path or "recipe"))


def build(kind: type[_Recipe], values: Mapping[str, Any], source: str = "recipe") -> _Recipe:
    """Make a recipe of plain values, with every key and type checked; raises as `load` does."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown key {key!r}", subject=source, hint=f"known keys are {', '.join(sorted(known))}")
    checked = {key: _value(known[key], value, source) for key, value in values.items()}
    try:
        return kind(**checked)
    except ConfigError as error:
        raise (error.about(source) if error.subject == "recipe" else error) from None
    except TypeError as error:
        raise ConfigError(str(error), subject=source) from None


def parse_override(text: str) -> tuple[str, Any]:
    """Read ``key=value`` as the command line takes it; the value is TOML, or text where it is not.

    Raises:
        ConfigError: there is no ``=``.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError("not of the form key=value", subject=text, key="set", values={"text": text})
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _value(item: dataclasses.Field[Any], value: Any, source: str) -> Any:
    kind = item.metadata.get("table")
    if kind is None:
        return _convert(item.name, value, str(item.type), source)
    if value is None or isinstance(value, kind):
        return value
    if isinstance(value, Mapping):
        return build(kind, value, f"{source}, table {item.name}")
    raise ConfigError(
        f"{item.name} = {value!r} is not a table", subject=source, hint=f"write its keys below a line [{item.name}]"
    )


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a recipe file and those that it extends."""
    if path.resolve() in above:
        raise ConfigError(f"extends itself through {above[-1].name}", subject=path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", subject=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"not TOML ({error})", subject=path) from None
    bases = values.pop("extends", [])
    below: dict[str, Any] = {}
    for base in [bases] if isinstance(bases, str) else bases:
        if not isinstance(base, str):
            raise ConfigError(
                f"extends = {bases!r} is not the name of a recipe file, or a list of such names", subject=path
            )
        file = path.parent / base
        below |= _read(file if file.is_file() else recipe_files.packaged(base) or file, (*above, path.resolve()))
    return below | values


def _convert(key: str, value: Any, kind: str, source: str) -> Any:
    """Check a TOML value against a field's type, as its annotation spells it."""
    if kind.startswith("tuple"):
        item = kind.removeprefix("tuple[").split(",")[0]
        if isinstance(value, (list, tuple)):
            return tuple(_convert(key, element, item, source) for element in value)
    elif kind == "bool" or isinstance(value, bool):
        if kind == "bool" and isinstance(value, bool):
            return value
    elif kind == "float" and isinstance(value, (int, float)):
        return float(value)
    elif (kind == "int" and isinstance(value, int)) or (kind == "str" and isinstance(value, str)):
        return value
    raise ConfigError(f"{key} = {value!r} is not of type {kind}", subject=source)


def _check_number(name: str, value: Any) -> None:
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, (int, float)) and not (math.isfinite(number) and number >= 0):
            raise ConfigError(
                f"{name} = {number} is negative or not finite", subject="recipe", hint="it must be 0 or more"
            )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise a ConfigError unless a setting is one of its choices."""
    if value not in choices:
        raise ConfigError(f"{name} {value!r} is not one of {', '.join(choices)}", subject="recipe")
