"""The convolution with a weight gradient by tiles, and the re-laid upscaling module: equal to the plain ones."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="networks want the train extra")

import torch.nn.functional as F  # noqa: E402

from fourpass.models import convolution  # noqa: E402
from fourpass.models.convolution import Convolution  # noqa: E402
from fourpass.models.eusr import EUSR, depth_to_space  # noqa: E402


@pytest.fixture
def tiled(monkeypatch):
    """Tiles wherever they fit, whatever processor this is; remembers the sides that were chosen."""
    sides = []
    choose = convolution._TiledGradient.apply

    def apply(x, weight, bias, side):
        sides.append(side)
        return choose(x, weight, bias, side)

    monkeypatch.setattr(convolution._TiledGradient, "apply", apply)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    return sides


@pytest.mark.parametrize(("kernel", "rows", "columns", "side"), [(3, 72, 96, 24), (5, 36, 72, 18), (3, 20, 80, 20)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_gradients_equal_the_plain_ones(tiled, kernel, rows, columns, side, layout):
    torch.manual_seed(0)
    conv = Convolution(4, 6, kernel)
    x = torch.randn(2, 4, rows, columns).contiguous(memory_format=layout).requires_grad_()
    target = torch.randn(2, 6, rows, columns)
    (conv(x) * target).sum().backward()
    assert tiled == [side]
    ours = x.grad.clone(), conv.weight.grad.clone(), conv.bias.grad.clone()
    x.grad = None
    conv.zero_grad()
    (F.conv2d(x, conv.weight, conv.bias, padding=kernel // 2) * target).sum().backward()
    for mine, plain in zip(ours, (x.grad, conv.weight.grad, conv.bias.grad), strict=True):
        torch.testing.assert_close(mine, plain, rtol=1e-4, atol=1e-4)


def test_tiles_are_for_long_rows_in_training_alone(tiled):
    conv = Convolution(3, 3, 3)
    conv(torch.zeros(1, 3, 48, 48))
    conv(torch.zeros(1, 3, 70, 67))  # no tile divides it
    with torch.no_grad():
        conv(torch.zeros(1, 3, 72, 72))
    with torch.autocast("cpu", torch.bfloat16):
        conv(torch.zeros(1, 3, 72, 72))
    conv.double()(torch.zeros(1, 3, 72, 72, dtype=torch.float64))
    assert tiled == []


def test_depth_to_space_has_the_gradient_of_its_definition():
    torch.manual_seed(0)
    parts = [torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    assert torch.autograd.gradcheck(lambda *given: depth_to_space(given), parts)
    ours = depth_to_space(parts)
    # PyTorch's own, whose channels are ordered (channel, row, column) instead of (row, column, channel).
    theirs = F.pixel_shuffle(torch.stack(parts, 2).reshape(2, 12, 4, 5), 2)
    torch.testing.assert_close(ours, theirs)
    last = depth_to_space([part.contiguous(memory_format=torch.channels_last) for part in parts])
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, ours)


def test_residual_sums_stay_in_bfloat16_under_autocast():
    network = EUSR(features=8, shared_blocks=1, scales=(2,))
    seen = []
    for module in network.modules():
        if type(module).__name__ in ("ResidualModule", "LocalResidualBlock", "EnhancedUpscalingModule"):
            module.register_forward_hook(lambda module, given, result: seen.append(result.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        result = network(torch.rand(1, 3, 8, 8) * 255, 2)
    assert set(seen) == {torch.bfloat16}
    assert result.dtype == torch.float32
    plain = network(torch.full((1, 3, 8, 8), 100.0), 2)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(torch.full((1, 3, 8, 8), 100.0), 2)
    torch.testing.assert_close(plain, rounded, rtol=0.02, atol=1.0)
