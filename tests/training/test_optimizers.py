"""Muon against the polar factor that SVD gives, against torch's own Adam, and through a checkpoint."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="training wants the train extra")

from torch import nn  # noqa: E402

from fourpass.training.optimizers import Muon, build_optimizer, is_matrix, orthogonal  # noqa: E402


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 3, 3),
    )


def gradients(net, seed):
    torch.manual_seed(seed)
    net.zero_grad()
    net(torch.rand(2, 3, 12, 12)).square().mean().backward()


@pytest.mark.parametrize("shape", [(20, 90), (90, 20), (24, 24)])
def test_orthogonal_keeps_directions_and_evens_out_their_lengths(shape):
    matrix = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.mT @ orthogonal(matrix) @ right.mT
    lengths = found.diagonal(dim1=1, dim2=2)
    assert 0.65 < float(lengths.min()) <= float(lengths.max()) < 1.25
    assert float((found - torch.diag_embed(lengths)).abs().max()) < 1e-3


def test_orthogonal_of_nothing_is_nothing():
    assert not orthogonal(torch.zeros(1, 20, 30)).any()


def test_an_update_measures_a_fifth_of_the_learning_rate():
    net = network()
    before = net[2].weight.detach().clone()
    optimizer = Muon(net.parameters(), 1e-2)
    gradients(net, 1)
    optimizer.step()
    change = net[2].weight.detach() - before
    assert float(change.square().mean().sqrt()) == pytest.approx(0.2 * 1e-2, rel=0.2)
    assert float((change * net[2].weight.grad).sum()) < 0


def test_what_is_no_matrix_moves_as_torchs_adam_moves_it():
    net = network()
    twin = copy.deepcopy(net)
    names = [name for name, parameter in net.named_parameters() if not is_matrix(parameter)]
    assert names == ["0.weight", "0.bias", "2.bias", "4.bias", "6.weight", "6.bias"]
    ours = Muon(net.parameters(), 1e-2, adam_share=0.3)
    theirs = torch.optim.Adam([twin.get_parameter(name) for name in names], lr=3e-3)
    for seed in range(4):
        gradients(net, seed)
        for name, parameter in twin.named_parameters():
            parameter.grad = net.get_parameter(name).grad.clone()
        ours.step()
        theirs.step()
    for name in names:
        torch.testing.assert_close(net.get_parameter(name), twin.get_parameter(name))


def test_a_reloaded_state_goes_on_as_if_nothing_had_happened():
    one, other = network(), network()
    first = build_optimizer("muon", one.parameters(), 1e-2)
    for seed in range(3):
        gradients(one, seed)
        first.step()
    other.load_state_dict(one.state_dict())
    second = build_optimizer("muon", other.parameters(), 1e-2)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for net, optimizer in ((one, first), (other, second)):
        gradients(net, 7)
        optimizer.step()
    for mine, same in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, same)


def test_frozen_parameters_stay():
    net = network()
    net[2].weight.requires_grad_(False)
    before = net[2].weight.clone()
    optimizer = build_optimizer("muon", net.parameters(), 1e-1)
    gradients(net, 0)
    optimizer.step()
    assert torch.equal(net[2].weight, before)
