"""VGG: torchvision's names and indices, and features equal to a plain Sequential's."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fourpass.models.vgg import IMAGENET_MEAN, IMAGENET_STD, VGG, layer_names  # noqa: E402

# torchvision.models.vgg.cfgs["E"] and ["D"], M for a pooling.
TORCHVISION = {
    19: [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
    16: [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
}


def plain(depth: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for entry in TORCHVISION[depth]:
        if entry == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, int(entry), 3, padding=1), nn.ReLU()]
            channels = int(entry)
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("depth", "last"), [(19, "conv5_4"), (16, "conv5_3")])
def test_names_are_torchvisions(depth, last):
    with torch.device("meta"):
        expected = {f"features.{name}": value.shape for name, value in plain(depth).state_dict().items()}
        ours = {name: value.shape for name, value in VGG(depth, last).state_dict().items()}
    assert ours == expected


def test_the_layers_of_the_losses():
    # SRGAN's phi 2,2 and phi 5,4, and CX's conv3_4, by torchvision's indices.
    names = layer_names(19)
    assert (names["conv2_2"], names["conv3_4"], names["conv5_4"]) == (7, 16, 34)


@pytest.mark.parametrize("layer", ["conv1_1", "conv2_2", "conv3_4"])
@pytest.mark.parametrize("activated", [True, False])
def test_features_equal_a_plain_sequential(layer, activated):
    torch.manual_seed(0)
    network = VGG(19, "conv3_4")
    reference = plain(19)
    reference.load_state_dict(
        {name.removeprefix("features."): value for name, value in network.state_dict().items()}, strict=False
    )
    image = 255 * torch.rand(2, 3, 17, 20)
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    expected = reference[: layer_names(19)[layer] + 1 + activated]((image - mean) / std)
    torch.testing.assert_close(network(image, layer, activated), expected)


def test_it_is_fixed():
    network = VGG(16, "conv1_2")
    assert not any(parameter.requires_grad for parameter in network.parameters())
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    network(image, "conv1_2").sum().backward()
    assert image.grad is not None


def test_unknown_layers_and_depths():
    with pytest.raises(ValueError, match="layer 'conv5_4' is not one of"):
        VGG(16, "conv5_4")
    with pytest.raises(ValueError, match="layer 'conv3_1' is not one of conv1_1, conv1_2"):
        VGG(19, "conv1_2")(torch.zeros(1, 3, 8, 8), "conv3_1")
    with pytest.raises(ValueError, match="depth 11 is not one of 16, 19"):
        layer_names(11)
