"""fourpass: perceptual image super-resolution that people can use and trust."""

from __future__ import annotations

__version__ = "0.1.0"
