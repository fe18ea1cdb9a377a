"""Where and in what numbers a network trains: device, bf16 or fp32, and how glibc hands out memory."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import torch
from torch import nn

from fourpass.errors import ConfigError

# mallopt's numbers for its options, from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a name: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU if there is one.

    Raises:
        ConfigError: the device does not exist.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} is not one of auto, cpu, cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is not one of auto, cpu, cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r}: PyTorch sees no GPU here", hint="use cpu")
    return device


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return what convolutions run in: bfloat16 or float32.

    Args:
        precision: ``fp32``, ``bf16``, or ``auto``: bf16 where the processor multiplies in it, fp32 elsewhere (there,
            bf16 is emulated and several times slower).
        device: where the network is.
    """
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else has_fast_bf16()
        precision = "bf16" if fast else "fp32"
    return torch.bfloat16 if precision == "bf16" else torch.float32


def has_fast_bf16() -> bool:
    """Tell whether this processor has AMX or AVX512-BF16."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False  # not Linux
    return "amx_bf16" in flags or "avx512_bf16" in flags


def place(network: nn.Module, device: torch.device) -> nn.Module:
    """Move a network to a device, with convolutions in channels-last, as the loop expects."""
    return network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed memory rather than to return it, page by page, and to fault it in again each step.

    The same as starting with ``MALLOC_MMAP_MAX_=0`` and large ``MALLOC_TRIM_THRESHOLD_`` and ``MALLOC_TOP_PAD_``; and
    one arena for all threads, since those of other threads than the first cannot hold large blocks.

    Returns:
        whether this is glibc, and it agreed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20), (_ARENA_MAX, 1))
    agreed = [bool(mallopt(option, value)) for option, value in settings]
    return all(agreed)
