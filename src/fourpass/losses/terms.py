"""The generator's terms, one row each: what recipe, step and log read (4PP-EUSR paper, section 4.3).

To add a term: a function in `fourpass.losses`, and its row here. Its weight is then ``weight_NAME`` in recipes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from fourpass.errors import ConfigError
from fourpass.losses.perceptual import adversarial, reconstruction, representation, score_gap
from fourpass.losses.reconstruction import grid_error, maps_error
from fourpass.paths import SCALE

Networks = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class TermSettings:
    """The settings of terms besides their weights.

    Attributes:
        alphas: alpha_as and alpha_ss of equations 4 and 6, under ``aesthetic`` and ``subjective``.
        reduction: of the representation terms, see `fourpass.losses.perceptual.representation`.
    """

    alphas: Mapping[str, float] = field(default_factory=lambda: {"aesthetic": 0.8, "subjective": 0.8})
    reduction: str = "sum"


class Seen:
    """A batch of pictures, and what networks say of it; each is asked once.

    Args:
        picture: (N, 3, H, W) RGB on 0..255.
        networks: what may be asked, by name, see `generator_terms`.
        learn: whether gradients flow back to the pictures.
    """

    def __init__(self, picture: Tensor, networks: Networks, learn: bool) -> None:
        self.picture, self.networks, self._learn = picture, networks, learn
        self._answers: dict[str, Any] = {}

    def ask(self, name: str) -> Any:
        """Return a network's output for the pictures."""
        if name not in self._answers:
            with nullcontext() if self._learn else torch.no_grad():
                self._answers[name] = self.networks[name](self.picture)
        return self._answers[name]


@dataclass(frozen=True)
class Term:
    """One row of the table.

    Attributes:
        symbol: as the paper writes it; as its function is called where the paper has no such term.
        weight: the paper's (equation 8); 0 for a term that it does not have.
        asks: the network that it asks; empty for none.
        measure: (truth, upscaled, settings) -> scalar.
    """

    symbol: str
    weight: float
    asks: str
    measure: Callable[[Seen, Seen, TermSettings], Tensor]


def _score(kind: str) -> Callable[[Seen, Seen, TermSettings], Tensor]:
    return lambda truth, upscaled, settings: score_gap(truth.ask(kind)[0], upscaled.ask(kind)[0], settings.alphas[kind])


def _representation(kind: str) -> Callable[[Seen, Seen, TermSettings], Tensor]:
    return lambda truth, upscaled, settings: representation(
        truth.ask(kind)[1], upscaled.ask(kind)[1], settings.reduction
    )


TERMS: Mapping[str, Term] = MappingProxyType(
    {
        "reconstruction": Term("l_r", 0.03, "", lambda truth, one, _: reconstruction(truth.picture, one.picture)),
        "adversarial": Term("l_g", 0.1, "discriminator", lambda _, one, __: adversarial(one.ask("discriminator"))),
        "aesthetic_score": Term("l_as", 0.01, "aesthetic", _score("aesthetic")),
        "aesthetic_representation": Term("l_ar", 0.1, "aesthetic", _representation("aesthetic")),
        "subjective_score": Term("l_ss", 0.01, "subjective", _score("subjective")),
        "subjective_representation": Term("l_sr", 0.1, "subjective", _representation("subjective")),
        # None of the paper's terms from here on.
        "grid": Term("grid", 0.0, "", lambda truth, one, _: grid_error(truth.picture, one.picture, period=SCALE)),
        "maps": Term(
            "maps",
            0.0,
            "subjective maps",
            lambda truth, one, _: maps_error(*(x.ask("subjective maps") for x in (truth, one))),
        ),
        "statistics": Term(
            "statistics",
            0.0,
            "statistics",
            lambda truth, one, _: one.networks["statistics"](truth.picture, one.picture),
        ),
    }
)
PAPER: Mapping[str, float] = MappingProxyType({name: term.weight for name, term in TERMS.items() if term.weight})


def asked(weights: Mapping[str, float]) -> set[str]:
    """Return the networks that the terms with a weight ask."""
    return {TERMS[name].asks for name, weight in weights.items() if weight} - {""}


def generator_terms(
    truth: Tensor,
    upscaled: Sequence[Tensor],
    weights: Mapping[str, float],
    networks: Networks | None = None,
    settings: TermSettings | None = None,
) -> dict[str, Tensor]:
    """The terms of the generator's loss whose weight is not 0, each averaged over the upscaled batches.

    Args:
        truth: (N, 3, H, W) on 0..255.
        upscaled: the upscaled batches, each of truth's shape.
        weights: of terms, by the names of `TERMS`; one that is missing counts as 0.
        networks: ``discriminator``: picture -> logits; ``aesthetic`` and ``subjective``: picture -> (scores (N,),
            pooled features (N, 1280)); ``subjective maps``: picture -> maps of features; ``statistics``: (truth,
            upscaled) -> scalar. Those that no term with a weight asks are not called and may be missing.
        settings: see `TermSettings`.

    Raises:
        ConfigError: an unknown term, or one with a weight whose network is missing.
    """
    given, chosen = networks or {}, settings or TermSettings()
    for name, weight in weights.items():
        if name not in TERMS:
            raise ConfigError(f"loss term {name!r} is not one of {', '.join(TERMS)}")
        asks = TERMS[name].asks
        if weight and asks and asks not in given:
            raise ConfigError(
                f"the {name} loss has a weight, but there is no {asks} network", hint="set it to 0 or give one"
            )
    whole = Seen(truth, given, learn=False)
    pictures = [Seen(one, given, learn=True) for one in upscaled]
    return {
        name: torch.stack([term.measure(whole, one, chosen) for one in pictures]).mean()
        for name, term in TERMS.items()
        if weights.get(name)
    }


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """l: the sum of the terms, each times its weight (equation 8).

    Raises:
        ConfigError: there is no term, because every weight is 0.
    """
    if not terms:
        raise ConfigError("every loss weight is 0", hint="give at least one term a weight")
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum()
