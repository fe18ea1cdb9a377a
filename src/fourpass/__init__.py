"""fourpass makes photos larger: perceptual image super-resolution.

`upscale` is for one picture; `upscale_and_report` also returns measurements and warnings. `Upscaler` is for several
pictures. `Engine` chooses what runs them, `blend` makes one model of two.
Importing fourpass is cheap; heavy modules load when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fourpass.defaults import DEFAULT_MODEL
from fourpass.errors import BackendError, ConfigError, FourpassError, ImageError, WeightsError

if TYPE_CHECKING:
    from fourpass.engine.engine import Engine as Engine
    from fourpass.upscaling.api import upscale as upscale
    from fourpass.upscaling.api import upscale_and_report as upscale_and_report
    from fourpass.upscaling.faithful import FaithfulUpscaler as FaithfulUpscaler
    from fourpass.upscaling.model import blend as blend
    from fourpass.upscaling.results import FrameFacts as FrameFacts
    from fourpass.upscaling.results import LossWarning as LossWarning
    from fourpass.upscaling.results import UpscaleResult as UpscaleResult
    from fourpass.upscaling.upscaler import Upscaler as Upscaler

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_MODEL",
    "BackendError",
    "ConfigError",
    "Engine",
    "FaithfulUpscaler",
    "FourpassError",
    "FrameFacts",
    "ImageError",
    "LossWarning",
    "UpscaleResult",
    "Upscaler",
    "WeightsError",
    "__version__",
    "blend",
    "upscale",
    "upscale_and_report",
]

# name -> the module that has it
_LAZY = {
    "Engine": "fourpass.engine.engine",
    "FaithfulUpscaler": "fourpass.upscaling.faithful",
    "FrameFacts": "fourpass.upscaling.results",
    "LossWarning": "fourpass.upscaling.results",
    "UpscaleResult": "fourpass.upscaling.results",
    "Upscaler": "fourpass.upscaling.upscaler",
    "blend": "fourpass.upscaling.model",
    "upscale": "fourpass.upscaling.api",
    "upscale_and_report": "fourpass.upscaling.api",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'fourpass' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(globals().keys() | _LAZY.keys())
