"""A run's state, and its ways to and from disk: checkpoints, exported weights, validation, rolling back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fourpass import weights
from fourpass.errors import FourpassError
from fourpass.training import checkpoint, distributed
from fourpass.training.averaging import Average, averaged, start_average
from fourpass.training.journal import Journal
from fourpass.training.phase import CollapseError, NotFiniteError, Phase, Tools
from fourpass.training.progress import TrainingProgress, peak_rates


@dataclass
class Run:
    """Everything about a run that changes, and where it goes.

    Attributes:
        phase: what is trained.
        out: folder of the run.
        tools: what each step is given.
        peaks: learning rates before any schedule.
        metadata: of the exported weights, as they were when the run began.
        progress, average: see `TrainingProgress` and `averaging`.
        journal: where progress is reported.
    """

    phase: Phase
    out: Path
    tools: Tools
    peaks: Mapping[str, list[float]]
    metadata: weights.Metadata
    progress: TrainingProgress
    average: Average
    journal: Journal

    @property
    def network(self) -> nn.Module:
        """The network that is averaged, validated and exported."""
        return self.phase.networks[self.phase.main]

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return distributed.rank() == 0


def start(phase: Phase, out: Path) -> Run:
    """Begin a run, or take it up where the checkpoint in its folder left it.

    Raises:
        WeightsError: the checkpoint there is damaged or of another architecture.
        ConfigError: the folder cannot be written.
    """
    recipe = phase.recipe
    average = start_average(phase.networks[phase.main], recipe.ema)
    peaks = peak_rates(phase.optimizers)
    first = distributed.rank() == 0
    resumed = distributed.from_first((out / "last.pt").exists() if first else None)
    content = _restore(phase, out / "last.pt") if resumed else {}
    step = content["progress"]["step"] if content else 0
    journal = Journal(out, step, silent=not first)
    run = Run(phase, out, Tools(phase), peaks, phase.metadata, TrainingProgress(), average, journal)
    if content:
        _adopt(run, content)
    distributed.copy_from_first(phase.networks)
    if content:
        run.journal.say(f"{out / 'last.pt'}: resuming from step {step}")
        for key, value in checkpoint.plain(asdict(recipe)).items():
            if content["recipe"].get(key, value) != value:
                run.journal.say(f"{key} was {content['recipe'][key]!r} before, and is {value!r} now")
    run.journal.event("resume" if content else "start", step, recipe=asdict(recipe), dtype=str(run.tools.dtype))
    if not content:
        validate(run)
        save(run)
    return run


def save(run: Run, best: bool = False) -> None:
    """Write ``last.pt`` and ``last.safetensors``, and the same as ``best`` if it is; the former last stays as previous.

    Raises:
        WeightsError: the folder cannot be written or the disk is full; the old files are whole.
    """
    if not run.first:
        return
    last = run.out / "last.pt"
    if last.exists():
        checkpoint.link(last, run.out / "previous.pt")
    phase = run.phase
    content = {
        "architecture": _architecture(phase),
        "networks": {name: network.state_dict() for name, network in phase.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in phase.optimizers.items()},
        "average": run.average,
        "progress": asdict(run.progress),
        "metadata": {**asdict(run.metadata), "numbers": checkpoint.plain(run.metadata.numbers)},
        "recipe": checkpoint.plain(asdict(phase.recipe)),
    }
    checkpoint.save(last, content)
    _export(run, run.out / "last.safetensors")
    if best:
        checkpoint.link(last, run.out / "best.pt")
        _export(run, run.out / "best.safetensors")


def validate(run: Run) -> bool:
    """Validate the averaged weights and keep sample pictures; return whether they are the best so far."""
    phase, progress = run.phase, run.progress
    if not run.first or not phase.recipe.validate_every:
        return False
    modes = {name: network.training for name, network in phase.networks.items()}
    with averaged(run.network, run.average), torch.no_grad():
        for network in phase.networks.values():
            network.eval()
        numbers = dict(phase.validate())
        run.journal.pictures(progress.step, phase.samples())
    for name, network in phase.networks.items():
        network.train(modes[name])
    if not numbers:
        return False
    run.journal.terms(progress.step, numbers, kind="validation")
    if progress.best is not None and not numbers["score"] > progress.best:
        return False
    progress.best, progress.best_step = numbers["score"], progress.step
    return True


def roll_back(run: Run, why: CollapseError) -> None:
    """Return to a checkpoint, with other batches and half the learning rate from there on.

    Raises:
        FourpassError: it happened more often than the recipe allows.
    """
    failed, count = run.progress.step + 1, run.progress.rollbacks + 1
    if count > run.phase.recipe.rollbacks:
        raise FourpassError(
            f"collapsed at step {failed} ({why}), after {count - 1} rollbacks",
            subject=run.out,
            hint="lower learning_rate or clip in the recipe, and start again",
        )
    last, previous = run.out / "last.pt", run.out / "previous.pt"
    if run.first and not isinstance(why, NotFiniteError) and previous.exists():
        checkpoint.link(previous, last)  # the last one may have been written while it went wrong
    _adopt(run, _restore(run.phase, last))
    if run.average:  # lags behind the weights of the moment, and so lies further from the collapse
        run.network.load_state_dict(dict(run.average))
    run.progress.rollbacks = count
    run.progress.recent = []
    run.journal.say(f"step {failed}: {why}; back to step {run.progress.step} with half the learning rate")
    run.journal.event("rollback", failed, reason=str(why), back_to=run.progress.step)


def _restore(phase: Phase, file: Path) -> dict[str, Any]:
    """Read a checkpoint in the first process, and put it into the networks and optimizers of every one."""
    content: dict[str, Any] = distributed.from_first(
        checkpoint.load(file, _architecture(phase)) if distributed.rank() == 0 else None
    )
    for name, network in phase.networks.items():
        network.load_state_dict(content["networks"][name])
    for name, optimizer in phase.optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])
    return content


def _adopt(run: Run, content: Mapping[str, Any]) -> None:
    """Take a checkpoint's progress, average and metadata for a run's own."""
    run.progress = TrainingProgress(**content["progress"])
    if run.average and content["average"]:
        run.average = {name: tensor.to(run.tools.device) for name, tensor in content["average"].items()}
    elif run.average:
        run.average = start_average(run.network, run.phase.recipe.ema)
    if "metadata" in content:
        run.metadata = weights.Metadata(**content["metadata"])


def _export(run: Run, file: Path) -> None:
    state = run.average or run.network.state_dict()
    tensors = {name: tensor.detach().float().cpu().contiguous().numpy() for name, tensor in state.items()}
    metadata = replace(run.metadata, steps=run.metadata.steps + run.progress.step)
    weights.save(weights.Weights(tensors, metadata), file)


def _architecture(phase: Phase) -> dict[str, Any]:
    """What a checkpoint must agree on: the exported network, its numbers, and which networks there are."""
    return {
        "architecture": phase.metadata.architecture,
        **checkpoint.plain(phase.metadata.numbers),
        "networks": sorted(phase.networks),
        "optimizers": sorted(phase.optimizers),
    }
