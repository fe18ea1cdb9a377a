"""Upscale the pictures of evaluation sets, or take results from disk, and measure each against its ground truth."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from fourpass.data.layouts import Dataset, ImagePair
from fourpass.data.results import find_results
from fourpass.errors import BackendError, FourpassError
from fourpass.evaluation.images import RgbImage, load_pair, load_result, save_picture
from fourpass.evaluation.measures import MeasuringProtocol, Sample, measure
from fourpass.evaluation.methods import Method, build
from fourpass.imaging.resize import imresize

_BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Measurement:
    """The metrics of one result; None where a metric is undefined (no ``model.mat``, ground truth with itself)."""

    dataset: str
    image: str
    method: str
    values: dict[str, float | None]


@dataclass(frozen=True)
class _Job:
    """All that a worker needs to measure one result: its picture, or where that is, or None for bicubic."""

    dataset: str
    pair: ImagePair
    method: Method
    result: RgbImage | Path | None
    metrics: tuple[str, ...]
    protocol: MeasuringProtocol
    save_to: Path | None


def evaluate(
    datasets: Sequence[Dataset],
    methods: Sequence[Method],
    metrics: Sequence[str],
    protocol: MeasuringProtocol,
    *,
    workers: int = 1,
    save_images: Path | None = None,
    progress: Callable[[Measurement], None] = lambda _: None,
) -> list[Measurement]:
    """Measure every method on every picture of every set.

    Networks run in this process, on all cores; measuring, and bicubic, go over the workers.

    Args:
        datasets: what to measure on.
        methods: what to measure.
        metrics: names of `fourpass.evaluation.measures.METRICS`.
        protocol: scale, channel and border.
        workers: processes; with 1 all is done in this one. With more, the calling script must be importable.
        save_images: folder that upscaled pictures are written to, as METHOD/SET/NAME.png; None writes none.
        progress: called with each measurement as it is done.

    Returns:
        sets, methods and pictures in the given order.

    Raises:
        DatasetError: a result is missing, has another size, or equals its ground truth.
        FourpassError: whatever reading, upscaling or measuring a picture raises, with the picture named.
    """
    results = {
        (dataset.name, method.label): find_results(Path(method.source), dataset, protocol.scale)
        for dataset in datasets
        for method in methods
        if method.kind == "folder"
    }

    def jobs() -> Iterator[_Job]:
        networks = {method.label: build(method, protocol.scale) for method in methods if method.kind == "model"}
        for dataset in datasets:
            for method in methods:
                folder = save_images / method.label / dataset.name if save_images else None
                for pair in dataset.pairs:
                    target = folder / f"{pair.name}.png" if folder else None
                    job = _Job(dataset.name, pair, method, None, tuple(metrics), protocol, target)
                    if method.kind == "folder":
                        job = replace(job, result=results[dataset.name, method.label][pair.name], save_to=None)
                    elif method.kind == "model":
                        with _named(job):
                            _, low = load_pair(pair, protocol.scale)
                            job = replace(job, result=networks[method.label](low))
                    yield job

    measured = []
    for measurement in _spread(jobs(), workers):
        progress(measurement)
        measured.append(measurement)
    return measured


def _spread(jobs: Iterator[_Job], workers: int) -> Iterator[Measurement]:
    """Measure jobs in their order, a few of them ahead in other processes."""
    if workers == 1:
        yield from map(_measure, jobs)
        return
    # Not fork: inference libraries that are loaded here keep threads, which a forked process would lack.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_follow_parent)
    try:
        _start(pool)
        ahead = deque(pool.submit(_measure, job) for job in islice(jobs, 2 * workers))
        for job in jobs:
            yield ahead.popleft().result()
            ahead.append(pool.submit(_measure, job))
        while ahead:
            yield ahead.popleft().result()
    except BrokenProcessPool:
        raise BackendError(
            "a worker process was killed, most likely because memory ran out", hint="use fewer workers", key="workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, which ends its workers; and end when the parent is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _start(pool: ProcessPoolExecutor) -> None:
    """Start the workers, each with a single-threaded BLAS: the processes are the threads."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        pool.submit(int).result()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _measure(job: _Job) -> Measurement:
    with _named(job):
        reference, low = load_pair(job.pair, job.protocol.scale)
        sample = Sample(reference, _result(job, reference, low), low)
        if job.save_to:
            save_picture(job.save_to, sample.image)
        truth = job.method.kind == "ground-truth"
        values = {name: measure(name, sample, job.protocol, itself=truth) for name in job.metrics}
        return Measurement(job.dataset, job.pair.name, job.method.label, values)


def _result(job: _Job, reference: RgbImage, low: RgbImage) -> RgbImage:
    if job.method.kind == "bicubic":
        return imresize(low, size=(reference.shape[0], reference.shape[1]))
    if job.method.kind == "ground-truth":
        return reference
    if not isinstance(job.result, Path):
        assert job.result is not None
        return job.result
    return load_result(job.result, reference, job.protocol.scale)


@contextmanager
def _named(job: _Job) -> Iterator[None]:
    """Name the picture and the method in an error that passes through."""
    try:
        yield
    except FourpassError as error:
        place = f"{job.dataset}/{job.pair.name}, {job.method.label}"
        raise error.about(place + f": {error.subject}" * bool(error.subject)) from None
