"""Worker processes that do the dangerous and the slow: a hostile file takes down a worker, never the server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from fourpass.errors import FourpassError

FULL = (errno.ENOSPC, errno.EDQUOT)  # of a disk, and of what a user may have of it
_PATIENCE = 5.0
_HEAL = 0.5  # seconds between looks for idle workers that died
_POLL = 0.02  # seconds between looks at deadlines and cancellations


@dataclass(frozen=True)
class Failure:
    """Why a task was not done.

    Attributes:
        kind: name of the fourpass error class, or ``crash``, ``timeout``, ``cancelled``, ``full``, ``internal``.
        detail: one line for the client.
        error: the fourpass error that it was, in whose place `fourpass.server.problems` may have words for a client.
    """

    kind: str
    detail: str
    error: FourpassError | None = None


TaskResult = dict[str, Any] | Failure
Handler = Callable[[Any, Callable[[float], None]], dict[str, Any]]


class Pool:
    """A fixed number of worker processes; `run` borrows one, and replaces it where it dies.

    Args:
        start: makes a worker's handler, called once in each process; importable by name, as they are spawned.
        argument: what `start` is given.
        workers: how many processes.
        patience: seconds that a worker has to leave off a task that was cancelled, before it is killed. It looks up
            between tiles.
    """

    def __init__(
        self, start: Callable[[Any], Handler], argument: Any, workers: int, patience: float = _PATIENCE
    ) -> None:
        self._start, self._argument, self._patience = start, argument, patience
        self._idle: queue.Queue[_Worker] = queue.Queue()
        self._lock = threading.Lock()
        self._all = [self._hire() for _ in range(workers)]
        for worker in self._all:
            self._idle.put(worker)
        self.replaced = 0
        self._closed = False

    def run(
        self,
        task: Any,
        *,
        seconds: float,
        cancelled: threading.Event,
        progress: Callable[[float], None],
    ) -> TaskResult:
        """Have a worker do a task; blocks, so call it from a thread of its own.

        Args:
            task: what the handler takes.
            seconds: longest time, from when a worker begins.
            cancelled: set from outside to stop it.
            progress: called with the share that is done.
        """
        worker = self._idle.get()
        try:
            if cancelled.is_set():
                return Failure("cancelled", "the job was cancelled")
            if not worker.alive():  # died between two tasks
                worker = self._replace(worker)
            outcome = worker.run(task, seconds, cancelled, progress)
            if isinstance(outcome, Failure) and not worker.usable:
                worker = self._replace(worker)
            return outcome
        finally:
            self._idle.put(worker)

    @property
    def alive(self) -> int:
        """How many workers live."""
        with self._lock:
            return sum(worker.alive() for worker in self._all)

    def heal(self) -> None:
        """Replace idle workers that died, before a task finds them; blocks while processes start."""
        for _ in range(self._idle.qsize()):
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                return
            try:
                if not worker.alive() and not self._closed:
                    worker = self._replace(worker)
            finally:
                self._idle.put(worker)

    async def keep_whole(self) -> None:
        """Go on healing, until cancelled."""
        while True:
            await asyncio.sleep(_HEAL)
            await asyncio.to_thread(self.heal)

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        with self._lock:
            return [worker.process.pid for worker in self._all if worker.process.pid]

    def close(self) -> None:
        """Stop all workers at once."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.stop()

    def _hire(self) -> _Worker:
        return _Worker(self._start, self._argument, self._patience)

    def _replace(self, worker: _Worker) -> _Worker:
        worker.stop()
        fresh = self._hire()
        with self._lock:
            self._all[self._all.index(worker)] = fresh
            self.replaced += 1
        return fresh


class _Worker:
    def __init__(self, start: Callable[[Any], Handler], argument: Any, patience: float) -> None:
        self._patience = patience
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.usable = True
        self._count = 0
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs, start, argument), daemon=True)
        self.process.start()
        theirs.close()

    def alive(self) -> bool:
        return self.usable and self.process.is_alive()

    def run(
        self, task: Any, seconds: float, cancelled: threading.Event, progress: Callable[[float], None]
    ) -> TaskResult:
        try:
            self._count += 1
            self._pipe.send((self._count, task))
            began = time.monotonic()
            why: Failure | None = None
            deadline = math.inf
            while True:
                if self._pipe.poll(_POLL):
                    kind, value = self._pipe.recv()
                    if kind == "progress":
                        progress(value)
                    elif kind == "left":
                        return why or Failure("cancelled", "the job was cancelled")
                    elif kind == "done":
                        return why or dict(value)
                    else:
                        return why or Failure(*value)
                now = time.monotonic()
                if why is None:
                    if cancelled.is_set():
                        why = Failure("cancelled", "the job was cancelled")
                    elif now - began > seconds:
                        why = Failure("timeout", f"the job took longer than {seconds:g} s; ask for a smaller output")
                    if why:
                        self._pipe.send((self._count, None))  # leave off
                        deadline = now + self._patience
                elif now > deadline:
                    self.usable = False
                    return why
        except (EOFError, OSError):
            self.usable = False
            return Failure("crash", "the worker died over this picture (out of memory, or a damaged file)")

    def stop(self) -> None:
        self.usable = False
        self.process.kill()  # it minds no gentler signal, and holds nothing that must be put in order
        self.process.join(5)
        self._pipe.close()


def _kind(error: BaseException) -> str:
    """Return the name of an error's class; ``full`` where a full disk is behind it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return "full"
        cause = cause.__context__
    return type(error).__name__


class _LeftOffError(BaseException):
    """Raised inside a task that is to be left off; not an Exception, so that nothing on the way makes it one."""


def _work(pipe: Connection, start: Callable[[Any], Handler], argument: Any) -> None:
    """Life of a worker process: get ready, take a task, do it, tell; until the pipe closes."""
    import signal
    import traceback

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # a group's signal is the server's to handle
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.umask(0o077)
    handler: Handler | None = None
    with contextlib.suppress(Exception):  # the first task says why
        handler = start(argument)
    with contextlib.suppress(EOFError, OSError):
        while True:
            number, task = pipe.recv()
            if task is None:  # to leave off what is done by now
                continue

            def advance(share: float, number: int = number) -> None:
                if pipe.poll() and pipe.recv() == (number, None):
                    raise _LeftOffError
                pipe.send(("progress", share))

            try:
                if handler is None:
                    handler = start(argument)
                pipe.send(("done", handler(task, advance)))
            except _LeftOffError:
                pipe.send(("left", None))
            except FourpassError as error:
                pipe.send(("failed", (_kind(error), str(error), error)))
            except Exception:
                traceback.print_exc()
                pipe.send(("failed", ("internal", "the server failed over this picture; its log says why")))
