"""Jobs: a bounded queue, their states and events, and their files, which age out."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fourpass.server.options import Options
from fourpass.server.pool import Failure, Pool, TaskResult
from fourpass.server.settings import Settings

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
OVER = (DONE, FAILED, CANCELLED)


@dataclass
class Job:
    """One picture on its way.

    Attributes:
        id: unguessable; who knows it may see the job, nobody else can find it.
        folder: holds its upload and its result under names of our own.
        task: what the worker is given.
        state: queued, running, done, failed or cancelled.
        progress: share that is done, 0..1.
        report: what the worker said of the result.
        failure: why it failed.
        name: of the upload, as the client gave it.
        options: what was wished.
    """

    id: str
    folder: Path
    task: Any = None
    state: str = QUEUED
    progress: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    name: str = ""
    options: Options | None = None
    created: float = field(default_factory=time.time)
    finished: float = 0.0
    seconds: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether it is done, failed or cancelled."""
        return self.state in OVER

    def touch(self) -> None:
        """Wake whoever watches."""
        self.changed.set()
        self.changed = asyncio.Event()


class QueueFullError(Exception):
    """There are as many jobs waiting as may."""


class Jobs:
    """All jobs of a server, and the threads that carry them to the workers."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        folder: Path,
        note: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.pool, self.folder, self._note, self._clock = settings, pool, folder, note, clock
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self.pixels = 0
        self._jobs: dict[str, Job] = {}
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()
        self._threads = ThreadPoolExecutor(settings.workers, thread_name_prefix="job")
        self._carriers: list[asyncio.Task[None]] = []
        self.closing = False

    def start(self) -> None:
        """Begin to carry jobs; call it in the event loop."""
        self._carriers = [asyncio.create_task(self._carry()) for _ in range(self.settings.workers)]
        self._carriers += [asyncio.create_task(self._sweep()), asyncio.create_task(self.pool.keep_whole())]

    @property
    def waiting(self) -> int:
        """Jobs that are queued or whose upload is coming in."""
        return sum(job.state == QUEUED for job in self._jobs.values())

    @property
    def running(self) -> int:
        """Jobs that workers are at."""
        return sum(job.state == RUNNING for job in self._jobs.values())

    def admit(self) -> Job:
        """Take a place in the queue, before the upload is read.

        Raises:
            QueueFullError: none is free.
        """
        if self.waiting >= self.settings.queue:
            raise QueueFullError
        job = Job(secrets.token_urlsafe(24), self.folder / secrets.token_hex(16))
        job.folder.mkdir(mode=0o700)
        self._jobs[job.id] = job
        return job

    def submit(self, job: Job) -> None:
        """Queue an admitted job whose upload has arrived."""
        self._waiting.put_nowait(job)

    def refuse(self, job: Job) -> None:
        """Give an admitted job's place back: its upload was no good, so it never became a job."""
        self._jobs.pop(job.id, None)
        shutil.rmtree(job.folder, ignore_errors=True)

    def find(self, id: str) -> Job | None:
        """Return a job by its id."""
        return self._jobs.get(id)

    def cancel(self, job: Job) -> None:
        """Stop a job; one that is running takes its worker with it."""
        job.cancelled.set()
        if job.state == QUEUED:
            self._finish(job, CANCELLED, Failure("cancelled", "the job was cancelled"))

    def forget(self, job: Job) -> None:
        """Cancel a job and remove all that is kept of it."""
        self.cancel(job)
        self._jobs.pop(job.id, None)
        if job.over:
            shutil.rmtree(job.folder, ignore_errors=True)

    async def wait(self, job: Job) -> None:
        """Return when a job is over."""
        while not job.over:
            await job.changed.wait()

    async def watch(self, job: Job, heartbeat: float) -> AsyncIterator[Job | None]:
        """Yield a job each time it changes, the last time when it is over; None where nothing changed for a while.

        A watcher that is slow misses steps in between; nothing is kept for it.
        """
        while True:
            changed = job.changed
            yield job
            if job.over:
                return
            while True:
                try:
                    await asyncio.wait_for(changed.wait(), heartbeat)
                    break
                except asyncio.TimeoutError:
                    yield None

    async def close(self) -> None:
        """Finish what runs, within the grace, and cancel the rest; a second call finds nothing left to do."""
        self.closing = True
        for job in list(self._jobs.values()):
            if job.state == QUEUED:
                self._finish(
                    job, CANCELLED, Failure("cancelled", "the server is shutting down; send the job again later")
                )
        deadline = time.monotonic() + self.settings.grace_seconds
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        for job in list(self._jobs.values()):
            job.cancelled.set()
        while self.running:
            await asyncio.sleep(0.05)
        for carrier in self._carriers:
            carrier.cancel()
        await asyncio.gather(*self._carriers, return_exceptions=True)
        self._threads.shutdown()

    async def _carry(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            job = await self._waiting.get()
            if job.over:
                continue
            job.state = RUNNING
            job.touch()
            began = time.monotonic()

            def advance(share: float, job: Job = job) -> None:
                loop.call_soon_threadsafe(self._advance, job, share)

            def work(job: Job = job, advance: Callable[[float], None] = advance) -> TaskResult:
                return self.pool.run(
                    job.task, seconds=self.settings.job_seconds, cancelled=job.cancelled, progress=advance
                )

            outcome = await loop.run_in_executor(self._threads, work)
            job.seconds = time.monotonic() - began
            self.seconds += job.seconds
            if isinstance(outcome, Failure):
                self._finish(job, CANCELLED if outcome.kind == "cancelled" else FAILED, outcome)
            else:
                job.report, job.progress = outcome, 1.0
                self._note(outcome)
                self.pixels += int(outcome.get("output_pixels", 0))
                self._finish(job, DONE, None)

    def _advance(self, job: Job, share: float) -> None:
        if job.state == RUNNING:
            job.progress = share
            job.touch()

    def _finish(self, job: Job, state: str, failure: Failure | None) -> None:
        job.state, job.failure, job.finished = state, failure, self._clock()
        self.counts[state] += 1
        job.touch()
        if state != DONE or job.id not in self._jobs:
            shutil.rmtree(job.folder, ignore_errors=True)

    async def _sweep(self) -> None:
        while True:
            self.sweep()
            await asyncio.sleep(min(5.0, self.settings.keep_seconds))

    def sweep(self) -> None:
        """Remove what is too old, and the oldest results where they are too many."""
        over = sorted((job for job in self._jobs.values() if job.over), key=lambda job: job.finished)
        sizes = {job.id: _size(job.folder) for job in over}
        total = sum(sizes.values())
        for job in over:
            if self._clock() - job.finished > self.settings.keep_seconds or total > self.settings.keep_bytes:
                total -= sizes[job.id]
                self.forget(job)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*")) if folder.is_dir() else 0
