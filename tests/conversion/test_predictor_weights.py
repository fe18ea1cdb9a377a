"""Weights of MobileNetV2 from Keras, torchvision and ourselves; without Keras, torchvision or the internet."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from test_convert import graph
from torch import nn

from fourpass.conversion import convert
from fourpass.conversion.predictor_files import download_torchvision, from_keras_h5, read_teacher, read_trunk
from fourpass.conversion.predictors import from_keras, from_torchvision
from fourpass.errors import WeightsError
from fourpass.models import build
from fourpass.models.mobilenet_v2 import MobileNetV2, PaddedConv2d


def keras_arrays(references: Path) -> dict[str, np.ndarray]:
    with np.load(references / "nima_aesthetic.npz") as stored:
        return {key.removeprefix("var:"): stored[key] for key in stored.files if key.startswith("var:")}


def torchvision_network() -> MobileNetV2:
    """A MobileNetV2 as torchvision builds it: epsilon 1e-5, padding all round, and numbers that are not trivial."""
    torch.manual_seed(7)
    network = MobileNetV2()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.normal_(0, 0.2)
    return network.eval()


def torchvision_state(network: MobileNetV2) -> dict[str, torch.Tensor]:
    state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    return {**state, "classifier.1.weight": torch.zeros(1000, 1280), "classifier.1.bias": torch.zeros(1000)}


def test_keras_names_with_and_without_prefix_and_suffix(references: Path) -> None:
    arrays = keras_arrays(references)
    plain = from_keras(arrays, "reference")
    prefixed = {f"mobilenetv2_0.35_64/{name.removesuffix(':0')}": value for name, value in arrays.items()}
    for name, value in from_keras(prefixed, "reference").items():
        assert np.array_equal(value, plain[name])
    assert plain["dense.weight"].shape == (10, 1280)


def test_keras_h5_is_read_without_keras(references: Path, tmp_path: Path) -> None:
    arrays = keras_arrays(references)
    with h5py.File(tmp_path / "weights.h5", "w") as handle:
        for name, value in arrays.items():
            # Keras repeats the layer's name: /bn_Conv1/bn_Conv1/gamma:0
            handle[f"{name.split('/')[0]}/{name}"] = value
        handle["predictions/predictions/kernel:0"] = np.zeros((1280, 1000), np.float32)
    read = from_keras_h5(tmp_path / "weights.h5")
    expected = from_keras(arrays, "reference")
    assert read.keys() == expected.keys()
    assert all(np.array_equal(read[name], expected[name]) for name in expected)


def test_keras_file_of_another_network_is_told(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as handle:
        handle["dense/dense/kernel:0"] = np.zeros((4, 4))
    with pytest.raises(WeightsError, match="lacks Conv1/kernel, so it is not a Keras MobileNetV2"):
        from_keras_h5(tmp_path / "weights.h5")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a complete HDF5 file"):
        from_keras_h5(tmp_path / "broken.h5")


def test_convert_reads_the_authors_frozen_graph_and_npz(references: Path, tmp_path: Path) -> None:
    variables = {name.removesuffix(":0"): value for name, value in keras_arrays(references).items()}
    (tmp_path / "score_predictor_ava.pb").write_bytes(graph(variables))
    converted = convert(tmp_path / "score_predictor_ava.pb", lineage="aesthetic-authors")
    assert converted.metadata.architecture == "nima"
    assert converted.metadata.numbers == {"width": 0.35}
    assert converted.metadata.lineage == "aesthetic-authors"
    assert converted.sha256 == convert(references / "nima_aesthetic.npz").sha256
    build(converted)


def test_convert_tells_what_is_missing(references: Path, tmp_path: Path) -> None:
    variables = {name.removesuffix(":0"): value for name, value in keras_arrays(references).items()}
    without = {name: value for name, value in variables.items() if not name.startswith("dense")}
    np.savez(tmp_path / "trunk.npz", **without)
    with pytest.raises(WeightsError, match="without a dense layer of ten outputs cannot score"):
        convert(tmp_path / "trunk.npz")
    without = {name: value for name, value in variables.items() if name != "block_3_expand_BN/gamma"}
    np.savez(tmp_path / "torn.npz", **without)
    with pytest.raises(WeightsError, match="lacks block_3_expand_BN/gamma"):
        convert(tmp_path / "torn.npz")


def test_torchvisions_normalisation_and_epsilon_are_folded_in() -> None:
    theirs = torchvision_network()
    tensors = from_torchvision({k: v.numpy() for k, v in torchvision_state(theirs).items()}, "test")
    ours = MobileNetV2().eval()
    ours.load_state_dict({k.removeprefix("trunk."): torch.from_numpy(v) for k, v in tensors.items()})
    image = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        first_theirs, first_ours = theirs.features[0]((image - mean) / std), ours.features[0](image * 2 - 1)
        # Inside, where no padding is seen, the first layer agrees; deeper layers are given one input.
        torch.testing.assert_close(first_ours[..., :-1, :-1], first_theirs[..., :-1, :-1], rtol=1e-4, atol=1e-4)
        for index in range(1, 19):
            torch.testing.assert_close(
                ours.features[index](first_theirs), theirs.features[index](first_theirs), rtol=1e-4, atol=1e-4
            )
            first_theirs = theirs.features[index](first_theirs)


def test_padding_right_and_bottom_is_padding_all_round_one_pixel_further_on() -> None:
    ours = PaddedConv2d(2, 3, 2)
    theirs = nn.Conv2d(2, 3, 3, 2, padding=1, bias=False)
    theirs.weight = ours.weight
    image = torch.rand(1, 2, 16, 16)
    shifted = torch.roll(image, (1, 1), (2, 3))
    torch.testing.assert_close(
        ours(image)[..., :-1, :-1], theirs(shifted)[..., 1:, 1:][..., :7, :7], check_stride=False
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server of a folder, and that folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}", folder
        httpd.shutdown()
        thread.join()


def publish(folder: Path, *, right_hash: bool = True) -> str:
    torch.save(torchvision_state(torchvision_network()), folder / "weights.pth")
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8]
    name = f"mobilenet_v2-{digest if right_hash else '01234567'}.pth"
    (folder / "weights.pth").rename(folder / name)
    return name


def test_fetches_once_and_checks_the_hash(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    name = publish(folder)
    tensors = download_torchvision(f"{address}/{name}", str(tmp_path / "hub"))
    assert tensors["trunk.features.18.0.weight"].shape == (1280, 320, 1, 1)
    (folder / name).unlink()
    again = download_torchvision(f"{address}/{name}", str(tmp_path / "hub"))
    assert np.array_equal(again["trunk.features.0.0.weight"], tensors["trunk.features.0.0.weight"])
    read = read_trunk(str(tmp_path / "hub" / name))
    assert np.array_equal(read["trunk.features.0.0.weight"], tensors["trunk.features.0.0.weight"])


def test_a_file_with_another_hash_is_refused(server: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = server
    name = publish(folder, right_hash=False)
    with pytest.raises(WeightsError, match="the downloaded file is not the published one"):
        download_torchvision(f"{address}/{name}", str(tmp_path / "hub"))


def test_without_a_network_the_way_out_is_named(server: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = server
    with pytest.raises(WeightsError, match=r"cannot be fetched .*give a file instead"):
        download_torchvision(f"{address}/absent-01234567.pth", str(tmp_path / "hub"))
    with pytest.raises(WeightsError, match="cannot be fetched"):
        download_torchvision("http://127.0.0.1:1/mobilenet_v2-01234567.pth", str(tmp_path / "hub"))


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("absent.h5", None, "no such trunk weights file"),
        ("a.txt", b"x", r"\.safetensors, \.h5 or \.pth, not \.txt"),
        ("a.safetensors", b"x", "not a complete safetensors file"),
        ("a.pth", b"x", "not a readable state dict"),
    ],
)
def test_other_files_are_told(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=complaint):
        read_trunk(str(tmp_path / name))


@pytest.mark.shared
def test_reads_the_shared_trunk_and_teacher(shared: Path) -> None:
    trunk = shared / "weights" / "mobilenet_v2_trunk.safetensors"
    tensors = read_trunk(str(trunk))
    assert tensors.keys() == {f"trunk.{name}" for name in MobileNetV2().state_dict()}
    teacher = str(shared / "weights" / "nima_mobilenet_v1_ava.safetensors")
    assert read_teacher(teacher)["dense.weight"].shape == (10, 1024)
    with pytest.raises(WeightsError, match=r"lacks conv_dw_1\.weight, so it is not a NIMA"):
        read_teacher(str(trunk))
    with pytest.raises(WeightsError, match=r"lacks features\.0\.0\.weight"):
        read_trunk(teacher)
