"""Upscaling: models, tiles, streams, sizes, colour, and fidelity to the input."""
