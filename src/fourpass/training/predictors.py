"""Phase 2: the aesthetic and the subjective score predictor (4PP-EUSR paper, sections 3.4 and 4.2).

The last layer first, then all layers; the earth mover's distance between predicted and real distributions of scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourpass import weights
from fourpass.data.scored import ScoredPictures, earth_movers_distance, mean_scores
from fourpass.errors import DatasetError
from fourpass.metrics.correlation import kendall, pearson, spearman
from fourpass.models.nima import NIMA, mean_score
from fourpass.training import distributed
from fourpass.training.loop import Tools
from fourpass.training.predictor_recipes import PredictorRecipe

BATCH = 32  # crops at a time where nothing is learnt


@dataclass(frozen=True)
class PredictorBatch:
    """Crops (N, 3, 192, 192) uint8, or their features (N, 1280) where those are known, and distributions (N, 10).

    `head` tells the first stage from the second. The last `ranked` crops are ladders, one after the other.
    """

    head: bool
    crops: NDArray[np.uint8] | None
    features: NDArray[np.float32] | None
    distributions: NDArray[np.float32]
    ranked: int = 0


@dataclass
class PredictorTraining:
    """The phase as `fourpass.training.loop` takes it.

    Attributes:
        kind: ``aesthetic`` or ``subjective``.
        head_steps: steps of the first stage.
        known: features (crops of a picture, pictures, 1280) for the first stage; None for new crops each epoch.
    """

    kind: str
    recipe: PredictorRecipe
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    metadata: weights.Metadata
    training: ScoredPictures
    validation: ScoredPictures
    head_steps: int
    report: Callable[[str], None]
    known: NDArray[np.float32] | None = None
    main: str = "nima"
    _reported: int = field(default=0, repr=False)

    @property
    def network(self) -> NIMA:
        """The predictor."""
        network = self.networks[self.main]
        assert isinstance(network, NIMA)
        return network

    def batch(self, step: int, seed: Sequence[int]) -> PredictorBatch:
        """Cut this process's crops of the pictures whose turn it is; every picture has its turn once an epoch."""
        head = step < self.head_steps
        size = self.recipe.head_batch if head else self.recipe.batch
        count, world = len(self.training), distributed.world()
        first = ((step if head else step - self.head_steps) * world + distributed.rank()) * size
        random = np.random.default_rng([*seed, distributed.rank()])
        turns = [divmod(place, count) for place in range(first, first + size)]
        orders = {
            epoch: np.random.default_rng([seed[0], int(head), epoch]).permutation(count)
            for epoch in {epoch for epoch, _ in turns}
        }
        indices = [int(orders[epoch][place]) for epoch, place in turns]
        if head and self.known is not None:
            chosen = random.integers(len(self.known), size=size)
            return PredictorBatch(head, None, self.known[chosen, indices], self.training.distributions[indices])
        crops, distributions = self.training.batch(indices, random)
        if head or not self.recipe.ranked_ladders:
            return PredictorBatch(head, crops, None, distributions)
        ladders = self.training.ladders
        rungs = ladders[random.integers(len(ladders), size=self.recipe.ranked_ladders)].ravel()
        more, labels = self.training.batch(rungs.tolist(), random)
        return PredictorBatch(
            head, np.concatenate([crops, more]), None, np.concatenate([distributions, labels]), len(rungs)
        )

    def step(self, batch: PredictorBatch, tools: Tools) -> dict[str, Tensor]:
        """Predict, compare, update: the last layer, or all of them."""
        network = self.network
        target = torch.from_numpy(batch.distributions).to(tools.device)
        fixed = batch.head or self.recipe.batch_norm == "fixed"
        for index, layer in enumerate(network.trunk.features):
            layer.train(not fixed and index >= self.recipe.frozen_layers)
        if batch.features is not None:
            features = torch.from_numpy(batch.features).to(tools.device)
        else:
            assert batch.crops is not None
            with tools.autocast(), torch.set_grad_enabled(not batch.head):
                features = network.features(to_tensor(batch.crops, tools.device)).float()
        predicted = network.distribution(features)
        loss = distance(predicted, target, self.recipe.loss)
        values = {"loss": loss.detach()}
        if batch.ranked:
            scores = mean_score(predicted[-batch.ranked :]).view(-1, self.training.ladders.shape[1])
            values["rank"] = (ranking := rank_loss(scores, self.recipe.rank_margin)).detach()
            loss = loss + self.recipe.rank_weight * ranking
        tools.update("head" if batch.head else "all", loss)
        return values

    def validate(self) -> dict[str, float]:
        """Distances and correlations on centre crops; the score is SROCC, or minus the distance for aesthetics."""
        predicted, kept = predict(self.network, self.validation)
        truth, scores = self.validation.distributions[kept], self.validation.scores[kept]
        found = mean_scores(predicted)
        numbers = {
            "emd": float(earth_movers_distance(predicted, truth).mean()),
            "squared_emd": float(earth_movers_distance(predicted, truth, squared=True).mean()),
            "srocc": spearman(found, scores),
            "plcc": pearson(found, scores),
            "krocc": kendall(found, scores),
        }
        skipped = {**self.training.skipped, **self.validation.skipped}
        if len(skipped) > self._reported:
            name, why = next(iter(skipped.items()))
            self.report(f"{len(skipped)} pictures left out so far, {name} the first: {why}")
            self._reported = len(skipped)
        score = numbers["srocc"] if self.kind == "subjective" else -numbers["emd"]
        return {"score": score, **numbers, "skipped": float(len(skipped))}

    def samples(self) -> dict[str, NDArray[np.uint8]]:
        """The crops with the lowest and the highest predicted scores, in a row, lowest first."""
        predicted, kept = predict(self.network, self.validation)
        order = np.argsort(mean_scores(predicted))
        chosen = [*order[:4], *order[-4:]]
        return {"lowest-to-highest": np.concatenate([self.validation.crop(kept[place]) for place in chosen], axis=1)}


def distance(predicted: Tensor, target: Tensor, kind: str = "squared") -> Tensor:
    """Mean earth mover's distance of distributions (N, 10): ``squared`` or ``root``, see `PredictorRecipe.loss`."""
    squares = (predicted.cumsum(1) - target.cumsum(1)).square()
    if kind == "squared":
        return squares.sum(1).mean()
    return (squares.mean(1) + 1e-12).sqrt().mean()  # the root's slope at 0 is infinite


def rank_loss(scores: Tensor, margin: float) -> Tensor:
    """How far scores (ladders, rungs) fall short of falling by a margin from rung to rung, on average."""
    return torch.relu(margin + scores[:, 1:] - scores[:, :-1]).mean()


def predict(network: NIMA, pictures: ScoredPictures) -> tuple[NDArray[np.float32], list[int]]:
    """Predict the distributions of all pictures' centre crops.

    Args:
        network: in evaluation mode.
        pictures: those that cannot be read are left out, and noted in `ScoredPictures.skipped`.

    Returns:
        distributions (N, 10), and the indices of the N pictures that could be read.

    Raises:
        DatasetError: none can be read.
    """
    kept: list[int] = []
    found = []
    for start in range(0, len(pictures), BATCH):
        crops = []
        for index in range(start, min(start + BATCH, len(pictures))):
            try:
                crops.append(pictures.crop(index))
            except DatasetError:
                continue
            kept.append(index)
        if crops:
            device = next(network.parameters()).device
            with torch.no_grad():
                probabilities, _ = network(to_tensor(np.stack(crops).transpose(0, 3, 1, 2), device))
            found.append(probabilities.float().cpu().numpy())
    if not kept:
        raise DatasetError(f"none of {len(pictures)} pictures can be read: {next(iter(pictures.skipped.values()))}")
    return np.concatenate(found), kept


def to_tensor(crops: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Return (N, 3, H, W) uint8 as float32 on 0..255, channels last."""
    return torch.from_numpy(crops).to(device).float().contiguous(memory_format=torch.channels_last)
