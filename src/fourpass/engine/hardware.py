"""What this machine offers: bfloat16 instructions, processors and free memory. No other module checks."""

from __future__ import annotations

import math
import os
import platform
import sys
from pathlib import Path

_GIB = 2**30


def bf16_instructions() -> str | None:
    """Return which instructions make bfloat16 fast here: ``AMX``, ``AVX512-BF16``, or None.

    Only Linux reports this; elsewhere None is returned and float32 runs.
    """
    flags = set(_of_processor("flags").split())
    if "amx_bf16" in flags and "amx_tile" in flags:
        return "AMX"
    return "AVX512-BF16" if "avx512_bf16" in flags else None


def processor() -> str:
    """Return the processor's name, or what little Python knows about it."""
    return _of_processor("model name") or platform.processor() or platform.machine()


def _of_processor(field: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    line = next((line for line in text.splitlines() if line.startswith(field)), "")
    return line.partition(":")[2].strip()


def usable_cpus() -> int:
    """Return how many processors this process may use: its affinity, and the quota of its control group."""
    if sys.platform == "linux":
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = cpu_quota()
    return count if quota is None else max(1, min(count, quota))


def cpu_quota() -> int | None:
    """Return the processors that the control group grants, rounded up, or None without a quota."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1, math.ceil(int(limit) / int(period)))


def free_memory() -> int:
    """Return the bytes of memory that can be used without swapping, within the control group's limit.

    If the system does not report it (as on macOS), half of the installed memory, or 2 GiB if that is unknown too.
    """
    if sys.platform == "win32":
        return _free_memory_windows()
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        try:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        except (OSError, ValueError):
            return 2 * _GIB
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        free = min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no control group, or one without a limit ("max")
        pass
    return max(free, 0)


def _free_memory_windows() -> int:
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        )

    status = Status()
    status.length = ctypes.sizeof(Status)
    windll = getattr(ctypes, "windll")  # noqa: B009
    if not windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return 2 * _GIB
    return int(status.free)
