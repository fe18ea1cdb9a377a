"""Parse ncnn's ``param`` text: whether it is complete, the network's input and output, and its memory use."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

MAGIC = "7767517"
_FLOAT = 4
_WINOGRAD_FROM = 16  # channels; with fewer, ncnn lays every pixel's neighbours out instead


class Layer(NamedTuple):
    """One line of the file."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    settings: dict[int, str]

    def number(self, key: int, default: float) -> float:
        """Return a setting that is a number."""
        return float(self.settings.get(key, default))


class _Size(NamedTuple):
    channels: float
    factor: float  # side, as a multiple of the input's

    @property
    def bytes(self) -> float:
        return _FLOAT * self.channels * self.factor**2


def parse(text: str) -> list[Layer]:
    """Read the layers of a param file.

    Raises:
        ValueError: it is not one, or it is cut short; the message says which line is wrong.
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != [MAGIC]:
        raise ValueError(f"it does not begin with {MAGIC}, as ncnn's param files do")
    if len(lines) < 2 or len(lines[1]) != 2 or not all(word.isdigit() for word in lines[1]):
        raise ValueError("its second line does not give the numbers of layers and blobs")
    if len(lines) - 2 != int(lines[1][0]):
        raise ValueError(f"it has {len(lines) - 2} layers, and its second line says {lines[1][0]}: cut short or edited")
    layers = [_layer(words, number) for number, words in enumerate(lines[2:], 3)]
    known: set[str] = set()
    for layer in layers:
        for name in layer.inputs:
            if name not in known:
                raise ValueError(f"layer {layer.name} takes {name}, which no layer before it makes")
        known.update(layer.outputs)
    if len(known) > int(lines[1][1]):
        raise ValueError(f"it has {len(known)} blobs, and its second line says {lines[1][1]}")
    return layers


def _layer(words: list[str], number: int) -> Layer:
    try:
        kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
        last = 4 + inputs + outputs
        settings = dict(word.split("=", 1) for word in words[last:])
        if min(inputs, outputs) < 0 or len(words) < last:
            raise ValueError
        blobs = words[4:last]
        return Layer(kind, name, blobs[:inputs], blobs[inputs:], {int(key): value for key, value in settings.items()})
    except (ValueError, IndexError):
        raise ValueError(f"line {number} is not a layer: {' '.join(words)[:60]}") from None


def ends(layers: list[Layer]) -> tuple[list[str], list[str]]:
    """Return the names of the inputs, and of the outputs, which no layer uses."""
    taken = {name for layer in layers for name in layer.inputs}
    inputs = [name for layer in layers if layer.kind == "Input" for name in layer.outputs]
    return inputs, [name for layer in layers for name in layer.outputs if name not in taken]


def bytes_a_pixel(layers: list[Layer]) -> float:
    """Estimate the memory that a network takes for each pixel of an RGB input, in float32.

    What is alive at the worst moment, a copy of the largest value, and the work space of each size of convolution:
    ncnn keeps those for the next.
    Compared with measurements in docs/explanation/engine.md.
    """
    uses = Counter(name for layer in layers for name in layer.inputs)
    sizes: dict[str, _Size] = {}
    owner: dict[str, str] = {}  # blob -> the blob whose memory it shares
    users: Counter[str] = Counter()
    spaces: set[float] = set()
    alive = most = copied = 0.0
    for layer in layers:
        given = [sizes[name] for name in layer.inputs]
        made = _made(layer, given)
        spaces.add(_work_space(layer, given, made))
        if layer.kind not in ("Convolution", "Split"):  # what changes the order of channels wants them in single file
            copied = max(copied, *(size.bytes for size in given), made.bytes)
        for name in layer.outputs:
            sizes[name] = made
            shared = owner[layer.inputs[0]] if layer.kind == "Split" else name
            owner[name] = shared
            users[shared] += max(uses[name], 1)
            if shared == name:
                alive += made.bytes
        most = max(most, alive)
        for name in layer.inputs:
            users[owner[name]] -= 1
            if users[owner[name]] == 0:
                alive -= sizes[owner[name]].bytes
    return most + copied + sum(spaces)


def _made(layer: Layer, given: list[_Size]) -> _Size:
    """Return the size of what a layer makes of what it is given."""
    if not given:
        return _Size(3, 1) if layer.kind == "Input" else _Size(0, 0)
    first = max(given, key=lambda size: size.factor)
    if layer.kind in ("Convolution", "ConvolutionDepthWise"):
        return _Size(layer.number(0, 0), first.factor / layer.number(3, 1))
    if layer.kind in ("Deconvolution", "DeconvolutionDepthWise"):
        return _Size(layer.number(0, 0), first.factor * layer.number(3, 1))
    if layer.kind == "PixelShuffle":
        factor = layer.number(0, 1)
        return _Size(first.channels / factor**2, first.factor * factor)
    if layer.kind == "Reorg":
        factor = layer.number(0, 1)
        return _Size(first.channels * factor**2, first.factor / factor)
    if layer.kind == "Interp":
        return _Size(first.channels, first.factor * (layer.number(1, 0) or 1))
    if layer.kind == "Concat":
        return _Size(sum(size.channels for size in given), first.factor)
    return first


def _work_space(layer: Layer, given: list[_Size], made: _Size) -> float:
    """Return the memory that a convolution needs besides its input and output, per pixel of the network's input."""
    if layer.kind != "Convolution" or not given:
        return 0.0
    kernel, channels = layer.number(1, 1), given[0].channels
    if kernel == 3 and min(channels, made.channels) >= _WINOGRAD_FROM:
        return (64 / 36) * _FLOAT * (channels + made.channels) * made.factor**2
    return kernel**2 * _FLOAT * channels * made.factor**2
