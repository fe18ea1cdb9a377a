"""Weights on disk: round trip, strictness, damage, interpolation."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest

from fourpass import weights as module
from fourpass.errors import ConfigError, WeightsError
from fourpass.weights import Metadata, Weights, average, interpolate, load, save

METADATA = Metadata("eusr", {"features": 2}, "run-1", "nothing", 7, "Apache-2.0", "a note")


def make(seed=0, **changes):
    rng = np.random.default_rng(seed)
    tensors = {"a.weight": rng.normal(size=(3, 2)).astype(np.float32), "b": np.float32(rng.normal(size=4))}
    return Weights(tensors, replace(METADATA, **changes))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "w.safetensors"
    save(make(), path, half=False)
    return path


def test_round_trip_in_float32_is_exact(file):
    read = load(file)
    assert read.metadata == METADATA
    assert read.sha256 == make().sha256
    for name, value in make().tensors.items():
        np.testing.assert_array_equal(read.tensors[name], value)


def test_half_storage_rounds_and_still_checks(tmp_path):
    save(make(), tmp_path / "h.safetensors")
    read = load(tmp_path / "h.safetensors")
    np.testing.assert_array_equal(read.tensors["b"], make().tensors["b"].astype(np.float16).astype(np.float32))
    assert read.tensors["b"].dtype == np.float32


def test_saving_leaves_nothing_else_behind(file):
    assert [entry.name for entry in file.parent.iterdir()] == ["w.safetensors"]


def test_values_that_do_not_fit_are_refused(tmp_path):
    big = Weights({"a": np.array([1e6], np.float32)}, METADATA)
    with pytest.raises(WeightsError, match="a: contains values that are not finite"):
        save(big, tmp_path / "big.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_flipped_byte_is_found(file):
    content = bytearray(file.read_bytes())
    content[-3] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.safetensors: contents do not match their sha256"):
        load(file)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_file_cut_short_is_found(file, keep):
    content = file.read_bytes()
    file.write_bytes(content[:keep])
    with pytest.raises(WeightsError, match="not a complete safetensors file"):
        load(file)


def edit_header(file, change):
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header["__metadata__"])
    encoded = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(colour="red"), "unknown key 'colour'"),
        (lambda m: m.pop("lineage"), "lacks the key 'lineage'"),
        (lambda m: m.update(steps="many"), "metadata is damaged"),
        (lambda m: m.update(numbers="[1]"), "metadata is damaged"),
        (lambda m: m.update(format="other"), "fourpass convert"),
        (lambda m: m.clear(), "fourpass convert"),
    ],
)
def test_metadata_is_strict(file, change, words):
    edit_header(file, change)
    with pytest.raises(WeightsError, match=words):
        load(file)


def test_an_unknown_name_lists_what_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr(module.file, "PACKAGED", tmp_path)
    save(make(), tmp_path / "good.safetensors")
    assert load("good").metadata == METADATA
    with pytest.raises(WeightsError, match=r"bad: no such weights file.*\(good\)"):
        load("bad")


def test_interpolation_by_hand():
    a, b = make(0), make(1)
    mixed = interpolate(a, b, 0.25)
    np.testing.assert_allclose(mixed.tensors["b"], 0.75 * a.tensors["b"] + 0.25 * b.tensors["b"], rtol=1e-6)
    assert interpolate(a, b, 0) is a
    assert interpolate(a, b, 1) is b


@pytest.mark.parametrize("change", [{"lineage": "run-2"}, {"architecture": "edsr"}, {"numbers": {"features": 3}}])
def test_strangers_are_not_mixed(change):
    with pytest.raises(WeightsError, match=next(iter(change))):
        interpolate(make(0), make(1, **change), 0.5)
    with pytest.raises(WeightsError, match=next(iter(change))):
        average([make(0), make(1), make(2, **change)])


def test_average_by_hand():
    members = [make(seed) for seed in range(3)]
    mean = average(members)
    for name, value in mean.tensors.items():
        total = sum(np.asarray(member.tensors[name], np.float64) for member in members)
        np.testing.assert_allclose(value, total / 3, rtol=1e-6, atol=1e-7)
        assert value.dtype == np.float32
    assert mean.metadata == members[0].metadata
    np.testing.assert_array_equal(average(members[:1]).tensors["b"], members[0].tensors["b"])
    with pytest.raises(WeightsError, match="give at least one"):
        average([])


@pytest.mark.parametrize("t", [-0.1, 1.1, float("nan")])
def test_the_factor_is_checked(t):
    with pytest.raises(ConfigError, match="not within"):
        interpolate(make(0), make(1), t)


def test_every_packaged_file_loads_and_has_a_card():
    names = module.available()
    assert "eusr" in names
    for name in names:
        metadata = load(name).metadata
        assert metadata.licence != "unknown"
        card = (module.file.PACKAGED / f"{name}.md").read_text(encoding="utf-8")
        assert metadata.lineage in card or metadata.architecture in card
