"""The only training loop: step, log, validate, checkpoint, resume, roll back. Phases plug into it.

A phase is any object with the attributes and methods of `Phase`; there is nothing to inherit. The loop asks it for the
batch of a step (in a thread, ahead of time), has it do the step, and now and then has it validate. All that the loop
needs to know about a phase's insides is which networks and optimizers hold its state. An adversarial step reads:

    def step(self, batch, tools):
        with tools.autocast():
            upscaled = self.networks["generator"](batch.low, 4)
            loss_d = ...                                    # of upscaled.detach()
        tools.update("discriminator", loss_d)               # backward, average over processes, clip, step
        with tools.autocast():
            loss_g = ...
        tools.update("generator", loss_g)                   # touches the generator's gradients alone
        return {"loss": loss_g, "loss_d": loss_d}

Everything drawn at random is a function of (the recipe's seed, step, rollbacks), so a run that was stopped and goes on
equals one that was not, to the bit, in fp32 and with a schedule by steps.
"""

from __future__ import annotations

import math
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from fourpass import weights
from fourpass.data.loader import Prefetcher
from fourpass.errors import FourpassError
from fourpass.training import checkpoint, distributed
from fourpass.training.journal import Journal
from fourpass.training.precision import pick_dtype
from fourpass.training.recipes import Recipe

WINDOW = 50  # steps whose mean loss the collapse guard watches


class Phase(Protocol):
    """What the loop wants of a phase.

    Attributes:
        recipe: its settings.
        networks: every network whose state must be in a checkpoint, by name. On their device, see `precision.place`.
        optimizers: every optimizer, by name; each group's ``lr`` is its peak rate, the loop follows the schedule.
        main: name of the network that is averaged (EMA), validated and exported.
        metadata: of the exported weights; `steps` counts those behind the start weights.
    """

    recipe: Any
    networks: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    main: str
    metadata: weights.Metadata

    def batch(self, step: int, seed: Sequence[int]) -> Any:
        """Return this process's (`distributed.rank`) batch of a step; called from threads, draws from `seed` alone."""

    def step(self, batch: Any, tools: Tools) -> Mapping[str, Tensor]:
        """Do one step, optimizers included, and return scalars to log; ``loss`` must be among them."""

    def validate(self) -> Mapping[str, float]:
        """Return numbers of `main` as it is now; ``score``, larger is better, decides which checkpoint is the best."""

    def samples(self) -> Mapping[str, NDArray[np.uint8]]:
        """Return a few (H, W, 3) pictures to look at."""


class CollapseError(Exception):
    """A loss or gradient that is not finite, or a loss far above what it was."""


@dataclass
class Progress:
    """Where a run is; all of it goes into the checkpoint."""

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    rollbacks: int = 0
    lowest: float | None = None
    recent: list[float] = field(default_factory=list)

    def done(self, recipe: Recipe) -> float:
        """Share of the run that is over, 0..1."""
        share = self.seconds / (3600 * recipe.hours) if recipe.hours else self.step / recipe.steps
        return min(share, 1.0)


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended: ``finished``, ``time budget``, ``SIGINT`` or ``SIGTERM``, and where."""

    reason: str
    step: int
    best: float | None


class Tools:
    """What a step needs besides its phase: mixed precision, and the way from a loss to new weights."""

    def __init__(self, phase: Phase) -> None:
        self.device = next(phase.networks[phase.main].parameters()).device
        self.dtype = pick_dtype(phase.recipe.precision, self.device)
        self._optimizers = phase.optimizers
        self._clip = phase.recipe.clip

    def autocast(self) -> torch.autocast:
        """Context in which convolutions run in the recipe's precision."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def update(self, name: str, loss: Tensor) -> Tensor:
        """Move one optimizer's parameters down a loss's gradient, and return the gradient's norm before clipping.

        Gradients flow through other networks but stay out of their parameters.

        Raises:
            CollapseError: the gradient is not finite; no parameter was touched.
        """
        optimizer = self._optimizers[name]
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss, inputs=parameters)
        distributed.average_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, self._clip or math.inf)
        if not torch.isfinite(norm):
            raise CollapseError(f"gradient of {name} is {float(norm)}")
        optimizer.step()
        return norm


def train(phase: Phase, out: Path, *, time_budget: float | None = None) -> Outcome:
    """Run a phase to its end, or go on with it where the folder has a checkpoint.

    Args:
        phase: what to train.
        out: folder of the run: ``last.pt`` and ``best.pt`` (to go on), ``last.safetensors`` and ``best.safetensors``
            (to use; averaged weights), ``log.jsonl``, ``tensorboard/``, ``samples/``.
        time_budget: seconds after which to stop, with a checkpoint, even though the run is not over.

    Raises:
        FourpassError: the loss collapsed more often than the recipe allows.
        WeightsError: the checkpoint there is damaged or of another architecture, or cannot be written.
    """
    started = time.monotonic()
    recipe: Recipe = phase.recipe
    tools, progress = Tools(phase), Progress()
    average = _copy_state(phase.networks[phase.main]) if recipe.ema else {}
    peaks = {name: [group["lr"] for group in opt.param_groups] for name, opt in phase.optimizers.items()}
    last = out / "last.pt"
    resumed = distributed.from_first(last.exists() if distributed.rank() == 0 else None)
    if resumed:
        average, progress = _restore(phase, last)
    distributed.copy_from_first(phase.networks)
    journal = Journal(out, progress.step, silent=distributed.rank() != 0)
    if resumed:
        journal.say(f"{last}: going on from step {progress.step}")
    journal.event("resume" if resumed else "start", progress.step, recipe=asdict(recipe), dtype=str(tools.dtype))
    if not resumed:
        _validate(phase, average, progress, journal, out)
        _save(phase, average, progress, out)

    reason = "finished"
    batches = _batches(phase, progress)
    window: dict[str, list[float]] = defaultdict(list)
    clock, logged_at, logged_step = time.monotonic(), time.monotonic(), progress.step
    try:
        with _signals() as received:
            while progress.done(recipe) < 1:
                batch = next(batches)
                torch.manual_seed(_seed(phase, progress))
                _set_rates(phase, progress, peaks)
                try:
                    terms = phase.step(batch, tools)
                    now = time.monotonic()
                    spent = time_budget is not None and now - started >= time_budget
                    values, elapsed, stop = _agree(terms, now - clock, spent or bool(received))
                    _guard(values, progress, recipe)
                except CollapseError as collapse:
                    batches.close()
                    average, progress = _roll_back(phase, last, progress, str(collapse), journal)
                    batches = _batches(phase, progress)
                    clock, logged_step = time.monotonic(), min(logged_step, progress.step)
                    continue
                clock = now
                progress.step += 1
                progress.seconds += elapsed
                _update_average(average, phase.networks[phase.main], recipe.ema, progress.step)

                for name, value in values.items():
                    window[name].append(value)
                over = stop or progress.done(recipe) >= 1
                remaining = _remaining(recipe, progress, (now - logged_at) / max(1, progress.step - logged_step))
                journal.progress(progress.step, progress.done(recipe), remaining, values["loss"])
                if _due(progress.step, recipe.log_every) or over:
                    means = {name: sum(numbers) / len(numbers) for name, numbers in sorted(window.items())}
                    span = max(now - logged_at, 1e-9)
                    means |= {
                        "learning_rate": next(iter(phase.optimizers.values())).param_groups[0]["lr"],
                        "steps_per_second": (progress.step - logged_step) / span,
                        "data_wait": batches.waited / span,
                        "hours": progress.seconds / 3600,
                    }
                    journal.terms(progress.step, means)
                    window.clear()
                    batches.waited, logged_at, logged_step = 0.0, now, progress.step
                interrupted = stop and bool(received)
                improved = False
                if _due(progress.step, recipe.validate_every) or (over and not interrupted):
                    improved = _validate(phase, average, progress, journal, out)
                if improved or over or _due(progress.step, recipe.checkpoint_every):
                    _save(phase, average, progress, out, best=improved)
                if stop and progress.done(recipe) < 1:
                    reason = received[0] if received else "time budget"
                    break
    finally:
        batches.close()
        journal.event("stop", progress.step)
        journal.close()
    return Outcome(reason, progress.step, progress.best)


def _batches(phase: Phase, progress: Progress) -> Prefetcher[Any]:
    rollbacks = progress.rollbacks
    return Prefetcher(lambda step: phase.batch(step, (phase.recipe.seed, rollbacks, step)), first=progress.step)


def _seed(phase: Phase, progress: Progress) -> int:
    """Seed for what the step itself draws, dropout say: another one in each process."""
    parts = (phase.recipe.seed, progress.rollbacks, progress.step, distributed.rank(), 1)
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def rate_factor(recipe: Recipe, step: int, done: float, rollbacks: int = 0) -> float:
    """Return what the peak learning rate is multiplied by: schedule, warm-up, and one half for each rollback.

    Args:
        recipe: says which schedule.
        step: steps done, from 0.
        done: share of the run that is over, 0..1; the cosine follows it.
        rollbacks: collapses so far.
    """
    factor = 0.5**rollbacks
    if recipe.schedule == "halving":
        factor *= recipe.decay ** (step // recipe.halve_every)
    elif recipe.schedule == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * done))
    return factor * min(1.0, (step + 1) / recipe.warm_up) if recipe.warm_up else factor


def _set_rates(phase: Phase, progress: Progress, peaks: Mapping[str, Sequence[float]]) -> None:
    recipe = phase.recipe
    factor = rate_factor(recipe, progress.step, progress.done(recipe), progress.rollbacks)
    for name, optimizer in phase.optimizers.items():
        for group, peak in zip(optimizer.param_groups, peaks[name], strict=True):
            group["lr"] = peak * factor


def _agree(terms: Mapping[str, Tensor], elapsed: float, stop: bool) -> tuple[dict[str, float], float, bool]:
    """Average a step's scalars, its time and the wish to stop over all processes, so that all act alike."""
    scalars = [term.detach().float().cpu().double().reshape(()) for term in terms.values()]
    flat = distributed.mean(torch.stack([*scalars, torch.tensor(elapsed).double(), torch.tensor(stop).double()]))
    *means, elapsed, stopped = flat.tolist()
    return dict(zip(terms, means, strict=True)), elapsed, stopped > 0


def _guard(values: Mapping[str, float], progress: Progress, recipe: Recipe) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise CollapseError(f"{name} is {value}")
    progress.recent = [*progress.recent, values["loss"]][-WINDOW:]
    if not recipe.collapse or len(progress.recent) < WINDOW:
        return
    mean = sum(progress.recent) / WINDOW
    if progress.lowest is not None and mean > recipe.collapse * progress.lowest > 0:
        raise CollapseError(f"mean loss of {WINDOW} steps is {mean:.4g}, and was {progress.lowest:.4g}")
    progress.lowest = mean if progress.lowest is None else min(mean, progress.lowest)


def _roll_back(
    phase: Phase, last: Path, progress: Progress, why: str, journal: Journal
) -> tuple[dict[str, Tensor], Progress]:
    """Return to the last checkpoint, with other batches and half the learning rate from there on."""
    failed, count = progress.step, progress.rollbacks + 1
    if count > phase.recipe.rollbacks:
        raise FourpassError(
            f"{last.parent}: collapsed at step {failed + 1} ({why}) after {progress.rollbacks} rollbacks; "
            "lower learning_rate or clip in the recipe, and start again from the checkpoint that is there"
        )
    average, progress = _restore(phase, last)
    progress.rollbacks = count
    progress.recent = []
    journal.say(f"step {failed + 1}: {why}; back to step {progress.step} with half the learning rate")
    journal.event("rollback", failed + 1, reason=why, back_to=progress.step)
    return average, progress


def _restore(phase: Phase, last: Path) -> tuple[dict[str, Tensor], Progress]:
    content = distributed.from_first(checkpoint.load(last, _architecture(phase)) if distributed.rank() == 0 else None)
    checkpoint.restore(content, phase.networks, phase.optimizers)
    device = next(phase.networks[phase.main].parameters()).device
    average = {name: tensor.to(device) for name, tensor in content["average"].items()}
    if phase.recipe.ema and not average:
        average = _copy_state(phase.networks[phase.main])
    return average if phase.recipe.ema else {}, Progress(**content["progress"])


def _save(phase: Phase, average: Mapping[str, Tensor], progress: Progress, out: Path, best: bool = False) -> None:
    if distributed.rank() != 0:
        return
    checkpoint.save(
        out / "last.pt",
        architecture=_architecture(phase),
        networks=phase.networks,
        optimizers=phase.optimizers,
        average=average,
        progress=asdict(progress),
        recipe={key: list(v) if isinstance(v, tuple) else v for key, v in asdict(phase.recipe).items()},
    )
    _export(phase, average, progress.step, out / "last.safetensors")
    if best:
        checkpoint.link(out / "last.pt", out / "best.pt")
        _export(phase, average, progress.step, out / "best.safetensors")


def _export(phase: Phase, average: Mapping[str, Tensor], step: int, file: Path) -> None:
    state = average or phase.networks[phase.main].state_dict()
    tensors = {name: tensor.detach().float().cpu().contiguous().numpy() for name, tensor in state.items()}
    metadata = replace(phase.metadata, steps=phase.metadata.steps + step)
    weights.save(weights.Weights(tensors, metadata), file)


def _architecture(phase: Phase) -> dict[str, Any]:
    """What a checkpoint must agree on: the exported network, its numbers, and which networks there are."""
    numbers = {key: list(v) if isinstance(v, tuple) else v for key, v in phase.metadata.numbers.items()}
    return {
        "architecture": phase.metadata.architecture,
        **numbers,
        "networks": sorted(phase.networks),
        "optimizers": sorted(phase.optimizers),
    }


def _validate(phase: Phase, average: Mapping[str, Tensor], progress: Progress, journal: Journal, out: Path) -> bool:
    """Validate the averaged weights and keep sample pictures; return whether they are the best so far."""
    if distributed.rank() != 0 or not phase.recipe.validate_every:
        return False
    network = phase.networks[phase.main]
    with _averaged(network, average), torch.no_grad():
        modes = {name: item.training for name, item in phase.networks.items()}
        for item in phase.networks.values():
            item.eval()
        numbers = dict(phase.validate())
        journal.pictures(progress.step, phase.samples())
        for name, item in phase.networks.items():
            item.train(modes[name])
    if not numbers:
        return False
    journal.terms(progress.step, numbers, kind="validation")
    if progress.best is not None and not numbers["score"] > progress.best:
        return False
    progress.best, progress.best_step = numbers["score"], progress.step
    return True


def _copy_state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _update_average(average: Mapping[str, Tensor], network: nn.Module, decay: float, step: int) -> None:
    """Move the running average towards the weights; faster at the start, so that it forgets where it began."""
    if not average:
        return
    decay = min(decay, (1 + step) / (10 + step))
    state = network.state_dict()
    kept = [average[name] for name, tensor in state.items() if tensor.is_floating_point()]
    current = [tensor for tensor in state.values() if tensor.is_floating_point()]
    torch._foreach_lerp_(kept, current, 1 - decay)
    for name, tensor in state.items():
        if not tensor.is_floating_point():
            average[name].copy_(tensor)


@contextmanager
def _averaged(network: nn.Module, average: Mapping[str, Tensor]) -> Iterator[None]:
    """Give a network its averaged weights for a while."""
    if not average:
        yield
        return
    own = _copy_state(network)
    network.load_state_dict(dict(average))
    try:
        yield
    finally:
        network.load_state_dict(own)


@contextmanager
def _signals() -> Iterator[list[str]]:
    """Collect SIGINT and SIGTERM in a list instead of dying of them; a second one of a kind kills as ever."""
    received: list[str] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

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


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0


def _remaining(recipe: Recipe, progress: Progress, seconds_a_step: float) -> float:
    if recipe.hours:
        return max(0.0, recipe.hours * 3600 - progress.seconds)
    return (recipe.steps - progress.step) * seconds_a_step
