"""The contextual loss against the paper's equations written out, its gradient, and its memory."""

import pytest

torch = pytest.importorskip("torch")

from fourpass.losses.contextual import contextual_loss  # noqa: E402


def dense(truth, upscaled, bandwidth=0.5, epsilon=1e-5):
    """Equations 1-5 of arXiv 1803.02077 as they stand, on one pair of pictures, with loops."""
    y = truth[0].flatten(1).T
    x = upscaled[0].flatten(1).T
    centre = y.mean(0)
    count = len(x), len(y)
    d = torch.stack(
        [
            torch.stack([1 - torch.cosine_similarity(x[i] - centre, y[j] - centre, dim=0) for j in range(count[1])])
            for i in range(count[0])
        ]
    )
    relative = d / (d.min(1, keepdim=True).values + epsilon)
    w = torch.exp((1 - relative) / bandwidth)
    cx = w / w.sum(1, keepdim=True)
    return -torch.log(cx.max(0).values.mean())


def features(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bandwidth", [0.5, 0.2])
def test_equals_the_papers_equations(bandwidth):
    truth, upscaled = features(1, 6, 4, 5), features(1, 6, 4, 5, seed=1)
    expected = dense(truth, upscaled, bandwidth)
    torch.testing.assert_close(contextual_loss(truth, upscaled, bandwidth=bandwidth), expected)


@pytest.mark.parametrize("chunk", [1, 7, 19, 20, 1000])
def test_chunks_change_nothing(chunk):
    truth, upscaled = features(2, 6, 4, 5), features(2, 6, 4, 5, seed=1).requires_grad_()
    whole = contextual_loss(truth, upscaled, chunk=10**6)
    (expected,) = torch.autograd.grad(whole, upscaled)
    parts = contextual_loss(truth, upscaled, chunk=chunk)
    (found,) = torch.autograd.grad(parts, upscaled)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(found, expected)


def test_gradient():
    truth, upscaled = features(2, 3, 3, 3), features(2, 3, 2, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: contextual_loss(truth, x, chunk=4), (upscaled,))


def test_position_does_not_matter_and_likeness_does():
    truth = features(1, 16, 6, 6)
    shuffled = truth.flatten(2)[:, :, torch.randperm(36)].view_as(truth)
    other = features(1, 16, 6, 6, seed=1)
    same = contextual_loss(truth, truth)
    torch.testing.assert_close(contextual_loss(truth, shuffled), same)
    assert 0 <= same < 1e-3
    assert contextual_loss(truth, other) > 0.5
    assert same < contextual_loss(truth, truth + 0.3 * other) < contextual_loss(truth, other)


def test_float32_of_a_flat_picture_is_finite():
    flat = torch.ones(1, 4, 3, 3)
    upscaled = torch.zeros(1, 4, 3, 3, requires_grad=True)
    loss = contextual_loss(flat, upscaled)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(upscaled.grad).all()


def test_memory_is_bounded_by_the_chunk():
    largest = 0

    def hook(tensor):
        nonlocal largest
        largest = max(largest, tensor.numel())
        return tensor

    truth, upscaled = torch.randn(1, 4, 40, 40), torch.randn(1, 4, 40, 40, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(hook, lambda tensor: tensor):
        contextual_loss(truth, upscaled, chunk=40).backward()
    assert largest <= 40 * 1600  # of the whole matrix's 1600 * 1600


def test_refusals():
    with pytest.raises(ValueError, match="differ in batch or channels"):
        contextual_loss(torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 2, 2))
    with pytest.raises(ValueError, match="chunk 0"):
        contextual_loss(torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), chunk=0)
