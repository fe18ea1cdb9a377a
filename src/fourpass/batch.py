"""Many pictures over many processes or machines, with Ray (extra ``batch``): bounded, resumable, never losing one.

Each worker is an actor that holds the network and works on one picture at a time, so no more pictures are in flight
than there are workers. `fourpass.jobs` decides which outputs to make and which are done, as for one process; the
driver keeps the record. If a worker dies, a new worker takes its picture; a picture that kills
several is set aside with its error, like one that cannot be read.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fourpass.defaults import DEFAULT_MODEL
from fourpass.disk import overwriting
from fourpass.errors import BackendError, ConfigError, FourpassError, WeightsError, missing_extra
from fourpass.jobs import inputs, one_file, record, settings, stores
from fourpass.jobs.one_file import UpscaleOptions
from fourpass.jobs.pairs import FilePair, pairs
from fourpass.jobs.report import FileOutcome

MANIFEST = record.RECORD


@dataclass(frozen=True)
class Work:
    """The settings of a run: everything an output depends on besides the picture itself.

    Attributes:
        wanted: size and file options.
        model, strength, restore, backend, precision, threads: as `fourpass.Upscaler` takes them.
        key: format of the outputs; None: each input's own.
    """

    wanted: UpscaleOptions
    model: str = DEFAULT_MODEL
    strength: float | None = None
    restore: float | str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    key: str | None = None

    def digest(self) -> str:
        """Return a hash of the settings and the contents of all weights; the number of threads does not count.

        Raises:
            WeightsError: weights are missing.
        """
        return settings.digest_of(
            settings.settings(
                self.wanted,
                model=self.model,
                strength=self.strength,
                restore=self.restore,
                backend=self.backend,
                precision=self.precision,
            )
        )


@dataclass
class Tally:
    """The outcome of a run."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    retried: int = 0
    pixels: int = 0
    seconds: float = 0.0
    failures: list[tuple[str, str]] = field(default_factory=list)


def run(
    source: str,
    target: str,
    work: Work,
    *,
    address: str | None = None,
    workers: int = 1,
    attempts: int = 3,
    report: Callable[[FileOutcome, Tally, int], None] | None = None,
) -> Tally:
    """Upscale every picture of a folder, a list or an object store.

    Args:
        source: folder, file with one path per line (``.txt``), or URL that fsspec opens (``s3://bucket/photos``).
        target: folder or URL for the outputs, arranged in the same tree as the inputs, and for the manifest.
        work: what to do.
        address: of a Ray cluster (``auto``, ``ray://head:10001``); None: this machine, for as long as the run takes.
        workers: actors, each with its own network.
        attempts: how many workers a picture may crash before it is set aside.
        report: called after each picture with its outcome, the tally, and the total number of pictures.

    Raises:
        ConfigError: there is nothing to do, source or target cannot be opened, or an output would be an input.
        WeightsError: the weights are not there, damaged, or not the same on every machine.
        BackendError: ray or fsspec is not installed.
    """
    try:
        import ray
    except ImportError:
        raise missing_extra("batch", "ray") from None
    if workers < 1 or attempts < 1:
        raise ConfigError(f"workers {workers} and attempts {attempts} must be at least 1")
    one_file.check(work.wanted)
    keeping, found = _plan(source, target, work)
    own = not ray.is_initialized()
    if own:
        _begin(ray, workers, address)
    try:
        return _drive(ray, found, work, keeping, workers, attempts, report)
    finally:
        if own:
            ray.shutdown()


def _begin(ray: Any, workers: int, address: str | None) -> None:
    cpus = None if address else workers
    try:
        ray.init(address=address, num_cpus=cpus, include_dashboard=False, log_to_driver=False)
    except Exception as error:  # Ray raises plain ones
        said = " ".join(str(error).split())[:200]
        way_out = "check the address" if address else "try again when the machine is less busy, or use fourpass upscale"
        raise BackendError(f"Ray cannot be started ({said})", hint=way_out) from None


def _plan(source: str, target: str, work: Work) -> tuple[record.Keeping, list[FilePair]]:
    """Plan the run and check that it can start."""
    if source.endswith(".txt"):
        names = inputs.of_list(source)
    elif inputs.is_folder(overwriting.local(source)):
        names = [source]
    else:
        raise ConfigError(
            "no such folder", subject=source, hint="give a folder, a .txt list, or a URL like s3://bucket/photos"
        )
    if stores.is_url(target):
        stores.check_target(target)
    keeping = record.keep(target, names, work.digest(), resume=True)
    assert keeping is not None
    found = pairs(
        names,
        target,
        ext=work.key or "auto",
        recursive=True,
        made=keeping.record.made(),
        into_folder=True,
    )
    others: list[overwriting.Name] = [*settings.weights_files(work.model)]
    others += [source] if source.endswith(".txt") else []
    overwriting.check(others, [*(pair.target for pair in found), keeping.record.file])
    keeping.record.begin()
    return keeping, found


def _drive(
    ray: Any,
    found: list[FilePair],
    work: Work,
    keeping: record.Keeping,
    workers: int,
    attempts: int,
    report: Callable[[FileOutcome, Tally, int], None] | None,
) -> Tally:
    remote = ray.remote(num_cpus=1)(_Worker)
    idle = deque(remote.remote(work, keeping.settings) for _ in range(min(workers, len(found))))
    waiting = deque((pair, 1) for pair in found)
    flying: dict[Any, tuple[Any, tuple[FilePair, int]]] = {}
    tally, began = Tally(), time.monotonic()
    while waiting or flying:
        while waiting and idle:
            actor, (pair, attempt) = idle.popleft(), waiting.popleft()
            before = keeping.record.entry(pair.target)
            if keeping.begun and not (before and before.get("status") == "done"):
                keeping.record.add(pair.target, {"status": "begun", "settings": keeping.settings})
            flying[actor.upscale.remote(pair, before)] = (actor, (pair, attempt))
        (ready,), _ = ray.wait(list(flying), num_returns=1)
        actor, (pair, attempt) = flying.pop(ready)
        try:
            outcome = ray.get(ready)
            idle.append(actor)
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, (WeightsError, BackendError)):  # every other picture would fail the same way
                raise error.cause from None
            idle.append(actor)  # an unexpected error; the worker survives
            outcome = _failed(pair, f"unexpected: {error.cause!r}")
        except ray.exceptions.RayActorError:
            idle.append(remote.remote(work, keeping.settings))
            with contextlib.suppress(OSError):
                stores.forget(pair.target)
            if attempt < attempts:
                tally.retried += 1
                waiting.append((pair, attempt + 1))
                continue
            outcome = _failed(pair, f"killed {attempts} workers (out of memory, or a damaged picture)")
        _count(tally, outcome)
        tally.seconds = time.monotonic() - began
        if outcome.status != "skipped":
            keeping.record.add(pair.target, outcome.entry(keeping.settings))
        if report:
            report(outcome, tally, len(found))
    return tally


class _Worker:
    """The actor: it holds one network and upscales one picture at a time."""

    def __init__(self, work: Work, digest: str) -> None:
        self._work, self._digest = work, digest
        self._upscaler: Any = None

    def upscale(self, pair: FilePair, before: record.RecordEntry | None) -> FileOutcome:
        """Upscale one picture and return the outcome: done, skipped or failed."""
        from fourpass.jobs import work as step

        outcome = FileOutcome(pair.source, pair.target, "planned")
        try:
            content = step.source_of(pair)
            if step.is_over(pair, content, outcome, before, self._digest):
                outcome.status = "skipped"
                return outcome
        except FourpassError as error:
            step.fail(outcome, error)
            return outcome
        streams = step.Streams()
        item = step.plan_one(pair, outcome, self._work.wanted, self._loaded(), streams, content)
        step.upscale_one(item, self._loaded(), self._work.wanted, streams, content=content)
        return outcome

    def _loaded(self) -> Any:
        if self._upscaler is None:
            from fourpass.upscaling.upscaler import Upscaler

            work = self._work
            if work.digest() != self._digest:
                raise WeightsError(
                    "differs between the machines of this run",
                    subject=work.model,
                    hint="copy the same file to all of them",
                )
            self._upscaler = Upscaler(
                work.model,
                backend=work.backend,
                precision=work.precision,
                threads=work.threads,
                strength=work.strength,
                restore=work.restore,
            )
        return self._upscaler


def _failed(pair: FilePair, error: str) -> FileOutcome:
    text = " ".join(error.split())
    return FileOutcome(pair.source, pair.target, "failed", text if pair.source in text else f"{pair.source}: {text}")


def _count(tally: Tally, outcome: FileOutcome) -> None:
    setattr(tally, outcome.status, getattr(tally, outcome.status) + 1)
    if outcome.status == "done":
        tally.pixels += outcome.output_pixels
    if outcome.status == "failed":
        tally.failures.append((outcome.input, outcome.error or ""))
