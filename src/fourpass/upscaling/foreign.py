"""Super-resolution models from other projects: their layout, range, scale and sizes, detected by running them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourpass.engine.backends import Session, ncnn_worker
from fourpass.engine.engine import Engine
from fourpass.engine.graphs import ncnn_files
from fourpass.engine.sources import NcnnFiles, OnnxFile, Source, TorchFile
from fourpass.errors import BackendError, WeightsError, missing_extra
from fourpass.upscaling.network import OTHER_HALO, OneNetwork

# For each multiple that sides may have to be of, (rows, columns) that are multiples of it and of no larger one.
_TRIALS = {1: (41, 37), 2: (42, 38), 4: (44, 36), 8: (40, 56), 16: (48, 80), 32: (32, 96), 64: (64, 64)}
# A model that upscales gives back, when its output is shrunk by averaging, the picture; to this share of white.
_TOLERANCE = 0.1


FOREIGN = (".onnx", ".param")  # suffixes of models that are never ours


def probe(path: Path, engine: Engine, halo: int = OTHER_HALO) -> OneNetwork:
    """Detect how a model upscales.

    Args:
        path: an ONNX file, with its external data beside it; ncnn's ``.param``, with its ``.bin`` beside it; or PyTorch
            weights of an architecture that spandrel knows.
        engine: what runs it.
        halo: input pixels around each tile that the network sees but that are cropped from its output.

    Returns:
        the network with its one scale.

    Raises:
        WeightsError: it is damaged, or not a model from one RGB picture (1, 3, H, W) to a larger one.
        BackendError: the backend cannot load it.
    """
    source: Source
    dtype: type[np.floating[Any]] = np.float32
    fixed = None
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        dtype, fixed = _signature(path)
        source = OnnxFile(path)
    elif suffix == ".param":
        source = _pair(path)
    else:
        source = TorchFile(path)
    session = engine.load(source)
    network = OneNetwork(str(path), {}, halo, {}, dtype=dtype, fixed=fixed)
    for multiple, size in _TRIALS.items() if fixed is None else [(1, fixed)]:
        network = replace(network, multiple=multiple)
        found = _try(network, session, fixed or size)
        if isinstance(found, tuple):
            scale, top = found
            return replace(network, sources={scale: source}, top=top)
    raise WeightsError(f"not a super-resolution model that fourpass can run: {found}", subject=path)


def _pair(path: Path) -> NcnnFiles:
    """Return ncnn's two files after testing them in a child process, because damaged files may crash ncnn."""
    content = path.with_suffix(".bin")
    for file in (path, content):
        if not file.is_file():
            raise WeightsError(f"{file}: no such file; an ncnn model is two files, NAME.param and NAME.bin")
    try:
        layers = ncnn_files.parse(path.read_text(encoding="ascii"))
        inputs, outputs = ncnn_files.ends(layers)
    except (ValueError, ZeroDivisionError) as error:
        raise WeightsError(f"not a complete ncnn param file: {error}", subject=path) from None
    if len(inputs) != 1 or len(outputs) != 1:
        raise WeightsError(
            f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; fourpass runs models with one of each"
        )
    source = NcnnFiles(path, content, (inputs[0], outputs[0]))
    ncnn_worker.check(source)
    return source


def _try(network: OneNetwork, session: Session, size: tuple[int, int]) -> tuple[int, float] | str:
    """Run one size in both value ranges; return the scale and the value of white, or what is wrong."""
    picture = _picture(*size)
    errors = {}
    for top in (1.0, 255.0):
        batch = (picture.transpose(2, 0, 1)[None] * np.float32(top / 255)).astype(network.dtype)
        try:
            output = np.asarray(session.run(batch), np.float32)
        except BackendError as error:
            return str(error)
        if output.ndim != 4 or output.shape[:2] != (1, 3):
            return f"its output has shape {output.shape}, not (1, 3, rows, columns)"
        scale = output.shape[2] // size[0]
        if scale < 2 or output.shape[2:] != (scale * size[0], scale * size[1]):
            return (
                f"{size[1]}x{size[0]} became {output.shape[3]}x{output.shape[2]}, which is not larger by a whole factor"
            )
        shrunk = output[0].reshape(3, size[0], scale, size[1], scale).mean(axis=(2, 4)).transpose(1, 2, 0)
        errors[top] = float(np.abs(shrunk * (255 / top) - picture).mean()) / 255
    # A model for 0..1 that clips nothing may do about as well on 0..255; one for 0..255 fails on 0..1.
    top = 1.0 if errors[1.0] <= 1.5 * errors[255.0] else 255.0
    if not errors[top] <= _TOLERANCE:
        return (
            f"downscaled again, its output differs from its input by {100 * errors[1.0]:.0f} % of white if white is 1 "
            f"and by {100 * errors[255.0]:.0f} % if white is 255"
        )
    return scale, top


def _signature(path: Path) -> tuple[type[np.floating[Any]], tuple[int, int] | None]:
    """Return the input's dtype, and its (rows, columns) if the model takes only one size."""
    if not path.is_file():
        raise WeightsError("no such file", subject=path)
    try:
        import onnx
    except ModuleNotFoundError:
        raise missing_extra("openvino", "onnx") from None
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception as error:  # protobuf's DecodeError, or another error on a truncated file
        raise WeightsError(f"not a complete ONNX file ({' '.join(str(error).split())})", subject=path) from None
    constants = {item.name for item in graph.initializer}
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise WeightsError(
            f"has {len(inputs)} inputs and {len(graph.output)} outputs",
            subject=path,
            hint="fourpass runs models with one of each",
        )
    tensor = inputs[0].type.tensor_type
    types: dict[int, type[np.floating[Any]]] = {
        onnx.TensorProto.FLOAT: np.float32,
        onnx.TensorProto.FLOAT16: np.float16,
    }
    if tensor.elem_type not in types:
        name = onnx.TensorProto.DataType.Name(tensor.elem_type)
        raise WeightsError(f"its input is {name}", subject=path, hint="fourpass runs models that take FLOAT or FLOAT16")
    sides = [dim.dim_value or None for dim in tensor.shape.dim]
    wanted = "fourpass runs models that take RGB as (1, 3, rows, columns)"
    if len(sides) != 4 or sides[0] not in (1, None) or sides[1] not in (3, None) or sides[1] != sides[3] == 3:
        shape = ", ".join(str(side or "any") for side in sides)
        raise WeightsError(f"its input has shape ({shape})", subject=path, hint=wanted)
    rows, columns = sides[2:]
    if (rows is None) != (columns is None):
        raise WeightsError(
            "its input has one side fixed and one free", subject=path, hint=f"{wanted}, both free or both fixed"
        )
    return types[tensor.elem_type], None if rows is None or columns is None else (rows, columns)


def _picture(rows: int, columns: int) -> NDArray[np.float32]:
    """A smooth coloured picture with an edge, as photos are at this size: float32 (rows, columns, 3) on 0..255."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    y, x = y / rows, x / columns
    waves = [np.sin(2 * np.pi * (a * x + b * y)) for a, b in ((1, 0.5), (0.5, 1), (1, -1))]
    picture = 128 + 70 * np.stack(waves, axis=2)
    picture[(x > 0.3) & (x < 0.7) & (y > 0.4)] += 40
    clipped: NDArray[np.float32] = np.clip(picture, 0, 255).astype(np.float32)
    return clipped
