"""How much each term of a recipe counts: the norm of its weighted gradient on the upscaled picture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fourpass.losses.terms import generator_terms
from fourpass.models.multipass import multipass
from fourpass.training import baselines
from fourpass.training.adversary import NAME, Adversary
from fourpass.training.loop import Tools
from fourpass.training.perceptual import PerceptualTraining


def weighted_gradients(
    phase: PerceptualTraining | baselines.Baseline, *, step: int = 0, lessons: int = 0
) -> dict[str, float]:
    """Measure the terms of a phase on one of its batches, with its weights as they are; the generator does not move.

    Args:
        phase: prepared, see `fourpass.training.perceptual.prepare` and `fourpass.training.baselines.prepare`.
        step: whose batch it is.
        lessons: updates that the discriminator has first, on the batches before; it moves.

    Returns:
        term -> Euclidean norm, over all values of the batch's upscaled pictures (0..255), of the gradient of weight
        times term; the mean over the step's paths. Terms of weight 0 are left out.
    """
    tools = Tools(phase)
    for earlier in range(step - lessons, step):
        truth, upscaled = _pictures(phase, earlier, tools)
        Adversary(phase.recipe, phase.networks[NAME], tools).teach(truth, list(upscaled.values()), (0, 0, earlier))
    truth, upscaled = _pictures(phase, step, tools)
    norms: dict[str, list[float]] = {}
    for one in upscaled.values():
        leaf = one.detach().requires_grad_()
        for name, term in _weighted_terms(phase, truth, leaf, tools).items():
            (slope,) = torch.autograd.grad(term, leaf, retain_graph=True)
            norms.setdefault(name, []).append(float(slope.norm()))
    return {name: sum(values) / len(values) for name, values in norms.items()}


def _pictures(
    phase: PerceptualTraining | baselines.Baseline, step: int, tools: Tools
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Truth and upscaled pictures of a step, the latter by path."""
    network = phase.networks[phase.main]
    with torch.no_grad(), tools.autocast():
        if isinstance(phase, PerceptualTraining):
            cut = phase.batch(step, (phase.recipe.seed, 0, step))
            low, truth = (torch.from_numpy(array).to(tools.device).float() for array in (cut.low, cut.truth))
            passes = multipass(network, low, paths=cut.paths, downscale=phase.recipe.downscale)
            return truth, {path: one.float() for path, one in passes.items()}
        patches = phase.batch(step, (phase.recipe.seed, 0, step))
        low, truth = (torch.from_numpy(array).to(tools.device).float() for array in (patches.low, patches.high))
        return truth, {f"x{patches.scale}": network(low, patches.scale).float()}


def _weighted_terms(
    phase: PerceptualTraining | baselines.Baseline, truth: Tensor, upscaled: Tensor, tools: Tools
) -> dict[str, Tensor]:
    judge = None
    if NAME in phase.networks:
        judge = Adversary(phase.recipe, phase.networks[NAME], tools).judge_beside(truth)
    if isinstance(phase, PerceptualTraining):
        weights = phase.recipe.loss_weights
        networks = phase.asked(tools) | ({NAME: judge} if judge else {})
        terms = generator_terms(truth, [upscaled], weights, networks, phase.settings)
        return {name: weights[name] * term for name, term in terms.items()}
    scale = phase.recipe.scales[0]
    asked = baselines.Asked(phase, truth, upscaled, scale, tools, judge)
    given = {name: getattr(phase.recipe, name) for name in baselines.TERMS}
    return {name: weight * baselines.TERMS[name](asked) for name, weight in given.items() if weight}
