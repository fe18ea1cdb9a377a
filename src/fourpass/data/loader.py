"""Makes the batches of coming steps in threads while the network works on this one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

_Batch = TypeVar("_Batch")


class Prefetcher(Generic[_Batch]):
    """Calls ``make(step)`` ahead of time and hands the results out in order.

    Args:
        make: returns the batch of a step; must be safe to call from several threads.
        first: step whose batch is wanted first.
        depth: batches kept ready.
        threads: batches made at a time.
    """

    def __init__(self, make: Callable[[int], _Batch], first: int, depth: int = 4, threads: int = 2) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="batches")
        self._pending: deque[Future[_Batch]] = deque()
        self._next = first
        self.waited = 0.0  # seconds that the network stood still for want of a batch
        for _ in range(depth):
            self._submit()

    def __next__(self) -> _Batch:
        start = time.perf_counter()
        batch = self._pending.popleft().result()
        self.waited += time.perf_counter() - start
        self._submit()
        return batch

    def close(self) -> None:
        """Forget the batches under way and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self) -> None:
        self._pending.append(self._pool.submit(self._make, self._next))
        self._next += 1
