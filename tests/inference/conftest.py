"""Small networks for the engine's tests."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass.weights import Metadata, Weights


@pytest.fixture(scope="session")
def tiny() -> Weights:
    """EUSR with few features and weights of a size that makes every layer matter."""
    torch = pytest.importorskip("torch")
    from fourpass.models.eusr import EUSR

    numbers = {"features": 8, "shared_blocks": 2, "upscale_blocks": 1, "scales": [2, 4, 8]}
    torch.manual_seed(7)
    network = EUSR(**numbers)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.copy_(torch.randn_like(parameter) * 0.7 / parameter[0].numel() ** 0.5)
            else:
                parameter.copy_(torch.randn_like(parameter) * 3)
    tensors = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    return Weights(tensors, Metadata("eusr", numbers, "tiny", "none", 0, "CC0-1.0"), "tiny")


@pytest.fixture(scope="session")
def photo_like() -> np.ndarray:
    """A picture of edges, waves and noise, uint8 (75, 53, 3)."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:75, 0:53]
    waves = 128 + 60 * np.stack([np.sin(x / 7 + y / (9 + c)) for c in range(3)], axis=2)
    waves[20:50, 15:30] += 50
    return np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)
