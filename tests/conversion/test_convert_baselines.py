"""Released checkpoints: EDSR and MDSR under both namings, SRResNet as other programs write it, VGG's two files.

The other programs' networks are rebuilt here as plain torch modules with their names, and must agree in their outputs.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fourpass.conversion import convert  # noqa: E402
from fourpass.errors import WeightsError  # noqa: E402
from fourpass.models import build  # noqa: E402
from fourpass.models.vgg import VGG  # noqa: E402
from fourpass.upscaling.upscaler import Upscaler  # noqa: E402

FEATURES = 4


def official(references, file: str) -> dict[str, torch.Tensor]:
    data = np.load(references / f"{file}.npz")
    return {name[4:]: torch.from_numpy(data[name]) for name in data if name.startswith("var:")}


@pytest.mark.parametrize(
    ("file", "numbers"),
    [
        ("edsr_x3", {"features": 8, "blocks": 2, "scales": [3], "residual_scaling": 0.1}),
        ("edsr_x4", {"features": 8, "blocks": 2, "scales": [4], "residual_scaling": 0.1}),
        ("mdsr", {"features": 8, "blocks": 2, "scales": [2, 3, 4], "residual_scaling": 1.0}),
    ],
)
def test_official_pt_files(references, tmp_path, file, numbers):
    torch.save(official(references, file), tmp_path / "model.pt")
    weights = convert(tmp_path / "model.pt")
    assert weights.metadata.architecture == file.split("_")[0]
    assert weights.metadata.numbers == numbers
    build(weights)


def test_the_baselines_residuals_are_not_scaled(tmp_path):
    with torch.device("cpu"):
        from fourpass.models.edsr import EDSR

        torch.save(EDSR(64, 1, (2,), 1.0).state_dict(), tmp_path / "edsr_baseline_x2.pt")
    assert convert(tmp_path / "edsr_baseline_x2.pt").metadata.numbers["residual_scaling"] == 1.0


def test_edsr_in_basicsrs_naming(references, tmp_path):
    """BasicSR's names, and its way to normalise: (x / 255 - mean) * 255, with the mean out of the file."""
    renamed = {}
    for name, value in official(references, "edsr_x4").items():
        if name.startswith(("sub_mean", "add_mean")):
            continue
        for ours, theirs in (
            ("head.0.", "conv_first."),
            ("body.2.", "conv_after_body."),
            ("body.0.body.0.", "body.0.conv1."),
            ("body.0.body.2.", "body.0.conv2."),
            ("body.1.body.0.", "body.1.conv1."),
            ("body.1.body.2.", "body.1.conv2."),
            ("tail.0.", "upsample."),
            ("tail.1.", "conv_last."),
        ):
            if name.startswith(ours):
                name = theirs + name.removeprefix(ours)
                break
        renamed[name] = value
    torch.save({"params": renamed}, tmp_path / "EDSR_x4.pth")
    data = np.load(references / "edsr_x4.npz")
    with torch.no_grad():
        output = build(convert(tmp_path / "EDSR_x4.pth"))(torch.from_numpy(data["x"])).numpy()
    np.testing.assert_allclose(output, data["out"], rtol=0, atol=1e-4)


class PlainBlock(nn.Module):
    """The block of leftthomas/SRGAN: biases in front of batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.prelu = nn.Conv2d(FEATURES, FEATURES, 3, padding=1), norm(), nn.PReLU()
        self.conv2, self.bn2 = nn.Conv2d(FEATURES, FEATURES, 3, padding=1), norm()

    def forward(self, x):
        return x + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x)))))


class PlainUpsampling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.prelu = nn.Conv2d(FEATURES, 4 * FEATURES, 3, padding=1), nn.PReLU()

    def forward(self, x):
        return self.prelu(nn.functional.pixel_shuffle(self.conv(x), 2))


class LeftThomas(nn.Module):
    """github.com/leftthomas/SRGAN: pictures on 0..1, tanh, five blocks there and three here."""

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, FEATURES, 9, padding=4), nn.PReLU())
        self.block2, self.block3, self.block4 = PlainBlock(), PlainBlock(), PlainBlock()
        self.block5 = nn.Sequential(nn.Conv2d(FEATURES, FEATURES, 3, padding=1), norm())
        self.block6 = nn.Sequential(PlainUpsampling(), PlainUpsampling(), nn.Conv2d(FEATURES, 3, 9, padding=4))

    def forward(self, x):
        first = self.block1(x)
        x = self.block5(self.block4(self.block3(self.block2(first))))
        return (torch.tanh(self.block6(first + x)) + 1) / 2


class Rcb(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        conv = lambda: nn.Conv2d(FEATURES, FEATURES, 3, padding=1, bias=False)  # noqa: E731
        self.rcb = nn.Sequential(conv(), norm(), nn.PReLU(), conv(), norm())

    def forward(self, x):
        return x + self.rcb(x)


class Upsample(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.upsample_block = nn.Sequential(
            nn.Conv2d(FEATURES, 4 * FEATURES, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()
        )

    def forward(self, x):
        return self.upsample_block(x)


class Lornatang(nn.Module):
    """github.com/Lornatang/SRGAN-PyTorch: pictures on 0..1, clipped; its outer convolutions changed names once."""

    def __init__(self, stem: str) -> None:
        super().__init__()
        self.stem = stem
        setattr(self, f"{stem}1", nn.Sequential(nn.Conv2d(3, FEATURES, 9, padding=4), nn.PReLU()))
        self.trunk = nn.Sequential(Rcb(), Rcb())
        setattr(self, f"{stem}2", nn.Sequential(nn.Conv2d(FEATURES, FEATURES, 3, padding=1, bias=False), norm()))
        self.upsampling = nn.Sequential(Upsample(), Upsample())
        setattr(self, f"{stem}3", nn.Conv2d(FEATURES, 3, 9, padding=4))

    def forward(self, x):
        first = getattr(self, f"{self.stem}1")(x)
        x = first + getattr(self, f"{self.stem}2")(self.trunk(first))
        return getattr(self, f"{self.stem}3")(self.upsampling(x)).clamp(0, 1)


def norm() -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(FEATURES)
    with torch.no_grad():
        for value in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
            value.copy_(0.5 + torch.rand(FEATURES))
    return layer


@pytest.mark.parametrize(
    "network", [LeftThomas, lambda: Lornatang("conv_block"), lambda: Lornatang("conv")], ids=["a", "b", "c"]
)
def test_srresnet_of_other_programs(tmp_path, network):
    torch.manual_seed(3)
    theirs = network().eval()
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, tmp_path / "g.pth")
    weights = convert(tmp_path / "g.pth")
    assert weights.metadata.architecture == "srresnet"
    image = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        expected = 255 * theirs(image)
        output = build(weights).eval()(255 * image, 4).clamp(0, 255)
    assert expected.std() > 5
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-3)


def test_upscale_finds_out_what_a_pth_file_is(references, tmp_path):
    torch.save(official(references, "mdsr"), tmp_path / "some_file.pth")
    upscaler = Upscaler(str(tmp_path / "some_file.pth"), threads=1)
    assert upscaler.scales == (2, 3, 4)
    assert upscaler.upscale(np.zeros((6, 5, 3), np.uint8), 3).shape == (18, 15, 3)


def test_evaluation_takes_a_pth_file(references, tmp_path):
    from fourpass.evaluation.methods import build as build_method
    from fourpass.evaluation.methods import parse_methods

    torch.save(official(references, "edsr_x4"), tmp_path / "edsr_x4-4f62e9ef.pt")
    (method,) = parse_methods([f"EDSR={tmp_path}/edsr_x4-4f62e9ef.pt@self-ensemble"])
    assert (method.label, method.self_ensemble, len(method.sha256)) == ("EDSR", True, 12)
    assert build_method(method, 4, 1)(np.zeros((6, 5, 3), np.uint8)).shape == (24, 20, 3)


@pytest.mark.parametrize(
    ("file", "lost", "message"),
    [
        ("edsr_x4", "tail.0.", "not belong to any known architecture"),
        ("edsr_x4", "body.", "has no tensor named like body"),
        ("mdsr", "upsample.1", r"has no tensor named like upsample\.1\.0\.weight"),
    ],
)
def test_a_file_that_is_not_whole(references, tmp_path, file, lost, message):
    tensors = {name: value for name, value in official(references, file).items() if not name.startswith(lost)}
    torch.save(tensors, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=message) as error:
        convert(tmp_path / "part.pth")
    assert "part.pth" in str(error.value)


def test_an_srresnet_that_is_not_one(tmp_path):
    state = Lornatang("conv").state_dict()
    torch.save({**state, "attention.weight": torch.zeros(3)}, tmp_path / "g.pth")
    with pytest.raises(WeightsError, match=r"has the tensor attention\.weight, which SRResNet does not have"):
        convert(tmp_path / "g.pth")
    del state["trunk.1.rcb.4.running_var"]
    torch.save(state, tmp_path / "g.pth")
    with pytest.raises(WeightsError, match=r"lacks the tensor trunk\.1\.rcb\.4\.running_var"):
        convert(tmp_path / "g.pth")


def test_msrresnet_is_refused_by_name(tmp_path):
    names = ("conv_first", "body.0.conv1", "upconv1", "upconv2", "conv_hr", "conv_last")
    torch.save({"params": {f"{name}.weight": torch.zeros(4, 3, 3, 3) for name in names}}, tmp_path / "m.pth")
    with pytest.raises(WeightsError, match="BasicSR's MSRResNet"):
        convert(tmp_path / "m.pth")


@pytest.mark.parametrize(("depth", "last"), [(16, "conv5_3"), (19, "conv5_4")])
def test_torchvisions_vgg(tmp_path, depth, last, monkeypatch):
    monkeypatch.setattr("fourpass.models.vgg.CHANNELS", (64, 2, 2, 2, 2))
    state = VGG(depth, last).state_dict()
    torch.save({**state, "classifier.0.weight": torch.zeros(4, 4)}, tmp_path / "vgg.pth")
    network = build(convert(tmp_path / "vgg.pth"))
    image = torch.rand(1, 3, 32, 32) * 255
    network(image, last)
    assert network.features["0"].weight.equal(state["features.0.weight"])
    assert set(network.state_dict()) == set(state)


def test_hed_tensors_vgg16(tmp_path, monkeypatch):
    """Against the Keras layout written out: HWIO kernels, BGR minus Caffe's mean, ReLU, 2x2 pooling."""
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr("fourpass.models.vgg.CHANNELS", (2, 3, 3, 3, 3))
    generator = np.random.default_rng(0)
    kernels = []
    with h5py.File(tmp_path / "hed.weights.h5", "w") as archive:
        channels = 3
        for block, (count, width) in enumerate(zip((2, 2, 3, 3, 3), (2, 3, 3, 3, 3), strict=True), 1):
            for index in range(count):
                folder = f"block{block}/layers/conv2d" + (f"_{index}" if index else "") + "/vars"
                kernel = generator.normal(0, 0.3, (3, 3, channels, width)).astype(np.float32)
                bias = generator.normal(0, 0.3, width).astype(np.float32)
                archive[f"{folder}/0"], archive[f"{folder}/1"] = kernel, bias
                kernels.append((block, kernel, bias))
                channels = width
        archive["fuse/vars/0"] = np.zeros((1, 1, 5, 1), np.float32)
    network = build(convert(tmp_path / "hed.weights.h5"))
    image = generator.uniform(0, 255, (16, 20, 3)).astype(np.float32)

    x = torch.from_numpy((image[:, :, ::-1] - np.float32([104.00699, 116.66877, 122.67892])).transpose(2, 0, 1)[None])
    for position, (block, kernel, bias) in enumerate(kernels[:7]):
        if position and block > kernels[position - 1][0]:
            x = nn.functional.max_pool2d(x, 2)
        weight = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy())
        x = nn.functional.conv2d(x, weight, torch.from_numpy(bias), padding=1).relu()
    found = network(torch.from_numpy(image.transpose(2, 0, 1)[None].copy()), "conv3_3")
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)


def test_damaged_h5(tmp_path):
    pytest.importorskip("h5py")
    (tmp_path / "hed.weights.h5").write_bytes(b"not hdf5")
    with pytest.raises(WeightsError, match="not a complete HDF5 file"):
        convert(tmp_path / "hed.weights.h5")
