"""The only training loop: step, log, validate, checkpoint, resume, roll back. Phases plug into it.

A phase is any object with the attributes and methods of `fourpass.training.phase.Phase`; there is nothing to inherit.
The loop asks it for the batch of a step (in a thread, ahead of time), has it do the step, and now and then has it
validate. All that the loop needs to know about a phase's insides is which networks and optimizers hold its state. An
adversarial step reads:

    def step(self, batch, tools):
        with tools.autocast():
            upscaled = self.networks["generator"](batch.low, 4)
            loss_d = ...                                    # of upscaled.detach()
        tools.update("discriminator", loss_d)               # backward, average over processes, clip, step
        with tools.autocast():
            loss_g = ...
        tools.update("generator", loss_g)                   # touches the generator's gradients alone
        return {"loss": loss_g, "loss_d": loss_d}

Everything drawn at random is a function of (the recipe's seed, rollbacks, step), so a run that was stopped and goes on
equals one that was not, to the bit, in fp32 and with a schedule by steps.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fourpass.data.loader import Prefetcher
from fourpass.training import distributed
from fourpass.training.averaging import update_average
from fourpass.training.meter import Meter
from fourpass.training.phase import CollapseError, NotFiniteError, Phase, Tools
from fourpass.training.progress import rate_factor, set_rates
from fourpass.training.run import Run, roll_back, save, start, validate

__all__ = ["CollapseError", "NotFiniteError", "Phase", "Tools", "TrainingOutcome", "train"]


# What a run writes into its folder, besides ``samples/`` and ``tensorboard/``.
FILES = ("last.pt", "previous.pt", "best.pt", "last.safetensors", "best.safetensors", "log.jsonl")


@dataclass(frozen=True)
class TrainingOutcome:
    """How a call of `train` ended: ``finished``, ``time budget`` or a signal's name, and where."""

    reason: str
    step: int
    best: float | None


def train(phase: Phase, out: Path, *, time_budget: float | None = None) -> TrainingOutcome:
    """Run a phase to its end, or go on with it where the folder has a checkpoint.

    Args:
        phase: what to train.
        out: folder of the run. The run writes ``last.pt``, ``previous.pt`` and ``best.pt`` there to resume from,
            ``last.safetensors`` and ``best.safetensors`` (averaged weights) to use, ``log.jsonl``, ``tensorboard/`` and
            ``samples/``.
        time_budget: seconds after which to stop, with a checkpoint, even though the run is not over.

    Raises:
        FourpassError: the training collapsed more often than the recipe allows.
        WeightsError: the checkpoint there is damaged or of another architecture, or cannot be written.
        ConfigError: the folder cannot be written.
    """
    deadline = time.monotonic() + time_budget if time_budget is not None else math.inf
    with _signals() as received:
        run = start(phase, out)
        try:
            reason = _steps(run, deadline, received)
        finally:
            run.journal.event("stop", run.progress.step)
            run.journal.close()
    return TrainingOutcome(reason, run.progress.step, run.progress.best)


def _steps(run: Run, deadline: float, received: list[str]) -> str:
    """Step until the run is over or has to stop, and return why it ended."""
    phase, recipe, progress = run.phase, run.phase.recipe, run.progress
    batches, meter = _batches(run), Meter(progress.step)
    try:
        while progress.done(recipe) < 1:
            set_rates(phase.optimizers, run.peaks, rate_factor(recipe, progress))
            torch.manual_seed(_seed(run))
            batch = next(batches)
            terms, collapse = _attempt(run, batch)
            seconds, stop, collapsed = _agree(meter.lap(), time.monotonic() >= deadline or received, collapse)
            try:
                if collapsed:
                    raise collapse or CollapseError("another process collapsed")
                values = _average(terms)
                progress.watch(values, recipe)
            except CollapseError as error:
                batches.close()
                roll_back(run, error)
                progress, batches = run.progress, _batches(run)
                meter = Meter(progress.step)
                continue
            progress.step += 1
            progress.seconds += seconds
            update_average(run.average, run.network, recipe.ema, progress.step)

            meter.add(values)
            over = stop or progress.done(recipe) >= 1
            run.journal.progress(progress, recipe, meter.seconds_per_step(progress.step), values["loss"])
            if _due(progress.step, recipe.log_every) or over:
                rate = next(iter(phase.optimizers.values())).param_groups[0]["lr"]
                numbers = meter.report(progress.step, batches)
                run.journal.terms(progress.step, {**numbers, "learning_rate": rate, "hours": progress.seconds / 3600})
            improved = False
            if _due(progress.step, recipe.validate_every) or (over and not received):
                improved = validate(run)
            if improved or over or _due(progress.step, recipe.checkpoint_every):
                save(run, best=improved)
            if stop and progress.done(recipe) < 1:
                return received[0] if received else "time budget"
    finally:
        batches.close()
    return "finished"


def _batches(run: Run) -> Prefetcher[Any]:
    phase, rollbacks = run.phase, run.progress.rollbacks
    return Prefetcher(lambda step: phase.batch(step, (phase.recipe.seed, rollbacks, step)), first=run.progress.step)


def _seed(run: Run) -> int:
    """Seed for what the step itself draws, dropout say: another one in each process."""
    progress = run.progress
    parts = (run.phase.recipe.seed, progress.rollbacks, progress.step, distributed.rank(), 1)
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def _attempt(run: Run, batch: Any) -> tuple[Mapping[str, Tensor], CollapseError | None]:
    try:
        return run.phase.step(batch, run.tools), None
    except CollapseError as collapse:
        return {}, collapse


def _agree(seconds: float, stop: object, collapse: CollapseError | None) -> tuple[float, bool, bool]:
    """Share the time of a step, a request to stop and a collapse with all processes, so that all act the same way."""
    flags = [seconds, float(bool(stop)), float(collapse is not None)]
    seconds, stops, collapses = distributed.mean(torch.tensor(flags, dtype=torch.float64)).tolist()
    return seconds, stops > 0, collapses > 0


def _average(terms: Mapping[str, Tensor]) -> dict[str, float]:
    """Return a step's scalars, averaged over all processes."""
    scalars = [term.detach().double().cpu().reshape(()) for term in terms.values()]
    return dict(zip(terms, distributed.mean(torch.stack(scalars)).tolist(), strict=True))


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


@contextmanager
def _signals() -> Iterator[list[str]]:
    """Collect SIGINT, SIGTERM and SIGHUP in a list instead of exiting; a second one of the same kind exits."""
    received: list[str] = []
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored, as nohup has it, stays so; but a shell's background jobs have Ctrl-C ignored and are sent it.
    heard = [each for each in numbers if each == signal.SIGINT or signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.getsignal(number) for number in heard}

    def note(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
