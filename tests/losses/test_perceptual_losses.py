"""The 4PP-EUSR losses against numbers worked by hand, and which networks a weight of 0 leaves alone."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fourpass.errors import ConfigError
from fourpass.losses import perceptual as losses
from fourpass.losses import terms as table
from fourpass.losses.terms import PAPER, TERMS


def test_reconstruction() -> None:
    truth = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 1, 2, 2)
    assert losses.reconstruction(truth, truth + torch.tensor([3.0, -1.0])).item() == 2.0


def test_adversarial() -> None:
    """-log(sigmoid(0)) = log 2; -log(sigmoid(log 3)) = -log(3/4)."""
    logits = torch.tensor([0.0, math.log(3)])
    assert losses.adversarial(logits).item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_score_gap() -> None:
    """(10 - 4) - 0.8 * (10 - 5) = 2; (10 - 9) - 0.8 * (10 - 5) < 0, so 0."""
    assert losses.score_gap(torch.tensor([5.0, 5.0]), torch.tensor([4.0, 9.0])).item() == pytest.approx(1.0)
    assert losses.score_gap(torch.tensor([5.0]), torch.tensor([4.0]), alpha=1.0).item() == pytest.approx(1.0)


def test_representation() -> None:
    truth, upscaled = torch.zeros(1, 4), torch.tensor([[1.0, 2.0, 0.0, 1.0]])
    assert losses.representation(truth, upscaled).item() == 6.0
    assert losses.representation(truth, upscaled, "mean").item() == 1.5
    with pytest.raises(ConfigError, match="'max' is not one of sum, mean"):
        losses.representation(truth, upscaled, "max")


def test_discrimination() -> None:
    """Truth: log(4/3). Upscaled: the mean of log 2 and log 4."""
    loss = losses.discrimination(torch.tensor([math.log(3)]), [torch.zeros(2), torch.tensor([math.log(3)])])
    assert loss.item() == pytest.approx(math.log(4 / 3) + (math.log(2) + math.log(4)) / 2)
    loss = losses.discrimination(torch.tensor([math.log(3), 0.0]), [torch.zeros(2), torch.zeros(2)])
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2 + math.log(2))


def test_weights_are_the_papers() -> None:
    """Equation 8; the terms that the paper does not have count nothing unless they are asked for."""
    by_symbol = {term.symbol: term.weight for term in TERMS.values() if term.symbol.startswith("l_")}
    assert by_symbol == {"l_r": 0.03, "l_g": 0.1, "l_as": 0.01, "l_ar": 0.1, "l_ss": 0.01, "l_sr": 0.1}
    assert {name for name, term in TERMS.items() if not term.weight} == {"grid", "maps", "statistics"}
    terms = dict.fromkeys(PAPER, torch.tensor(1.0))
    assert table.weighted_sum(terms, PAPER).item() == pytest.approx(0.35)


def predict(image: Tensor) -> tuple[Tensor, Tensor]:
    mean = image.mean((1, 2, 3))
    return mean, mean[:, None].expand(-1, 2)


def test_terms_are_averaged_over_the_upscaled_pictures() -> None:
    truth = torch.full((1, 3, 2, 2), 5.0)
    terms = table.generator_terms(
        truth,
        [torch.full_like(truth, 4.0), torch.full_like(truth, 8.0)],
        PAPER,
        {"discriminator": lambda image: image.mean() - 4, "aesthetic": predict, "subjective": predict},
        table.TermSettings(alphas={"aesthetic": 0.8, "subjective": 1.0}),
    )
    assert terms["reconstruction"].item() == pytest.approx((1 + 3) / 2)
    assert terms["adversarial"].item() == pytest.approx((math.log(2) + math.log1p(math.exp(-4))) / 2)
    assert terms["aesthetic_score"].item() == pytest.approx((2 + 0) / 2)
    assert terms["subjective_score"].item() == pytest.approx((1 + 0) / 2)
    assert terms["aesthetic_representation"].item() == pytest.approx((2 * 1 + 2 * 9) / 2)


def test_a_weight_of_zero_leaves_its_network_alone() -> None:
    def must_not_run(image: Tensor) -> Tensor:
        raise AssertionError

    truth = torch.zeros(1, 3, 2, 2)
    weights = {"reconstruction": 1.0, "adversarial": 0.0, "aesthetic_score": 0.0, "subjective_representation": 0.1}
    networks = {"discriminator": must_not_run, "aesthetic": must_not_run, "subjective": predict}
    terms = table.generator_terms(truth, [truth], weights, networks)
    assert table.asked(weights) == {"subjective"}
    assert set(terms) == {"reconstruction", "subjective_representation"}


def test_each_network_is_asked_once_a_picture() -> None:
    seen: list[Tensor] = []

    def count(image: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(image)
        return predict(image)

    truth, one, other = (torch.zeros(1, 3, 2, 2) for _ in range(3))
    table.generator_terms(
        truth, [one, other], {"subjective_score": 1.0, "subjective_representation": 1.0}, {"subjective": count}
    )
    assert len(seen) == 3


def test_truth_needs_no_gradient_and_upscaled_gets_one() -> None:
    truth = torch.zeros(1, 3, 2, 2)
    upscaled = torch.ones(1, 3, 2, 2, requires_grad=True)
    weights = {**PAPER, "adversarial": 0.0}
    terms = table.generator_terms(truth, [upscaled], weights, {"aesthetic": predict, "subjective": predict})
    table.weighted_sum(terms, weights).backward()
    assert upscaled.grad is not None
    assert bool((upscaled.grad != 0).all())


def test_missing_networks_are_named() -> None:
    truth = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ConfigError, match="the adversarial loss has a weight, but there is no discriminator"):
        table.generator_terms(truth, [truth], PAPER)
    with pytest.raises(ConfigError, match="no subjective network"):
        table.generator_terms(truth, [truth], {**PAPER, "adversarial": 0}, {"aesthetic": predict})
    with pytest.raises(ConfigError, match="'sharpness' is not one of reconstruction, adversarial"):
        table.generator_terms(truth, [truth], {"sharpness": 1.0})
    with pytest.raises(ConfigError, match="every loss weight is 0"):
        table.weighted_sum({}, PAPER)
