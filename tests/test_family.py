"""Families of weights: who belongs together is in the files, positions between corners, and what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from fourpass import weights
from fourpass.errors import ConfigError
from fourpass.weights import Metadata, Weights, family

CORNERS = {"a": (0, 0), "a-sharp": (1, 0), "a-clean": (0, 1), "a-both": (1, 1)}
VALUES = {"a": 1.0, "a-sharp": 3.0, "a-clean": 11.0, "a-both": 33.0}


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A family of four corners, and weights of no family; no code knows either."""
    for name, (strength, restore) in CORNERS.items():
        corner = {axis: end for axis, end in (("strength", strength), ("restore", restore)) if end}
        defaults = {"strength": {"2": 0.0, "4": 0.75}} if name == "a" else {}
        metadata = Metadata("eusr", {}, "line", "none", 0, "CC0-1.0", family="a", corner=corner, defaults=defaults)
        tensors = {"t": np.full(2, VALUES[name], np.float32)}
        weights.save(Weights(tensors, metadata), tmp_path / f"{name}.safetensors", half=False)
    alone = Metadata("eusr", {}, "other", "none", 0, "CC0-1.0")
    weights.save(Weights({"t": np.zeros(2, np.float32)}, alone), tmp_path / "alone.safetensors")
    monkeypatch.setattr(weights.file, "PACKAGED", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("packaged")
def test_members_axes_and_defaults_come_from_the_files():
    assert list(family.families()) == ["a"]
    found = family.families()["a"]
    assert found.axes == ("strength", "restore")
    assert found.members == {corner: name for name, corner in CORNERS.items()}
    assert (found.default("strength", 4), found.default("strength", 8), found.default("restore", 4)) == (0.75, 0, 0)
    assert family.find("alone") is None
    assert family.find("a-clean") == (found, {"strength": 0.0, "restore": 1.0})


@pytest.mark.usefixtures("packaged")
@pytest.mark.parametrize(
    ("positions", "value"),
    [
        ({}, 1.0),
        ({"strength": 1.0}, 3.0),
        ({"strength": 1.0, "restore": 1.0}, 33.0),
        ({"strength": 0.25}, 1.5),  # 0.75 * 1 + 0.25 * 3
        ({"strength": 0.5, "restore": 0.25}, 7.0),  # 0.375 * 1 + 0.375 * 3 + 0.125 * 11 + 0.125 * 33
    ],
)
def test_positions_are_linear_along_each_axis(positions, value):
    np.testing.assert_array_equal(family.families()["a"].weights(positions).tensors["t"], value)


@pytest.mark.usefixtures("packaged")
def test_positions_out_of_reach(packaged):
    found = family.families()["a"]
    with pytest.raises(ConfigError, match=r"restore 1\.5 is not within 0\.\.1 \(0 as it is, 1 cleaned\)"):
        found.weights({"restore": 1.5})
    (packaged / "a-both.safetensors").unlink()
    np.testing.assert_array_equal(family.families()["a"].weights({"restore": 0.5}).tensors["t"], 6.0)
    with pytest.raises(
        ConfigError, match="a has no weights that are perceptual and cleaned; set one of its dials to 0"
    ):
        family.families()["a"].weights({"restore": 0.5, "strength": 0.5})
    (packaged / "a-clean.safetensors").unlink()
    assert family.families()["a"].axes == ("strength",)
    with pytest.raises(ConfigError, match=r"restore 0\.5 needs weights of a that are not installed \(cleaned\)"):
        family.families()["a"].weights({"restore": 0.5})


def test_the_packaged_families():
    """What ships: each default lies on an axis that the family has, and its name is the weights at 0."""
    found = family.families()
    assert "eusr" in found
    for name, known in found.items():
        assert known.members[tuple(0 for _ in known.axes)] == name
        assert set(known.defaults) <= set(known.axes)
        assert all(0 <= at <= 1 for positions in known.defaults.values() for at in positions.values())
    assert {name: known.defaults for name, known in found.items()} == {
        "eusr": {"strength": {2: 0.0, 4: 0.9, 8: 0.0}},
        "swift": {"strength": {2: 0.0, 4: 0.5, 8: 0.0}},
    }
