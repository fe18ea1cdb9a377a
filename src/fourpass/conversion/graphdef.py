"""Read the constants of a frozen TensorFlow GraphDef (``.pb``), without TensorFlow."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
from numpy.typing import NDArray

from fourpass.errors import WeightsError

# The part of TensorFlow's protos that a frozen graph's constants need: message -> (field, number, type, repeated).
_SCHEMA: dict[str, list[tuple[str, int, str, bool]]] = {
    "Dim": [("size", 1, "int64", False)],
    "TensorShape": [("dim", 2, "Dim", True)],
    "Tensor": [
        ("dtype", 1, "int32", False),
        ("tensor_shape", 2, "TensorShape", False),
        ("tensor_content", 4, "bytes", False),
        ("float_val", 5, "float", True),
        ("double_val", 6, "double", True),
        ("half_val", 13, "int32", True),
    ],
    "AttrValue": [("tensor", 8, "Tensor", False)],
    "AttrEntry": [("key", 1, "string", False), ("value", 2, "AttrValue", False)],
    "Node": [
        ("name", 1, "string", False),
        ("op", 2, "string", False),
        ("input", 3, "string", True),
        ("attr", 5, "AttrEntry", True),
    ],
    "Graph": [("node", 1, "Node", True)],
}
# TensorFlow's DataType -> numpy dtype and the field that holds values when tensor_content is empty.
_DTYPES: dict[int, tuple[Any, str]] = {
    1: (np.float32, "float_val"),
    2: (np.float64, "double_val"),
    19: (np.float16, "half_val"),
}


def read_constants(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Return every floating-point Const node of a frozen graph.

    Args:
        path: the ``.pb`` file, a serialised GraphDef.

    Returns:
        node name -> float32 array, in TensorFlow's layout (convolution kernels HWIO).

    Raises:
        WeightsError: the file cannot be read, is not a GraphDef, or a constant is cut short.
    """
    graph = _graph_class()()
    try:
        with open(path, "rb") as handle:
            graph.ParseFromString(handle.read())
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error})", subject=path) from None
    except message.DecodeError:
        raise WeightsError(
            "not a complete GraphDef", subject=path, hint="give a frozen TensorFlow graph (.pb) as it was released"
        ) from None
    constants: dict[str, NDArray[np.float32]] = {}
    for node in graph.node:
        tensors = [entry.value.tensor for entry in node.attr if entry.key == "value"]
        if node.op == "Const" and tensors and tensors[0].dtype in _DTYPES:
            constants[node.name] = _array(tensors[0], f"{path}: constant {node.name}")
    if not constants:
        raise WeightsError("contains no constants, so it is not a frozen graph", subject=path, hint="freeze it first")
    return constants


def _array(tensor: Any, what: str) -> NDArray[np.float32]:
    dtype, field = _DTYPES[tensor.dtype]
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    count = int(np.prod(shape, dtype=np.int64))
    if tensor.tensor_content:
        values = np.frombuffer(tensor.tensor_content, dtype)
    elif field == "half_val":
        values = np.array(tensor.half_val, np.uint16).view(np.float16)
    else:
        values = np.array(getattr(tensor, field), dtype)
    if 0 < values.size < count and not tensor.tensor_content:
        # TensorFlow leaves out a run of equal values at the end.
        values = np.concatenate([values, np.full(count - values.size, values[-1])])
    if values.size != count:
        raise WeightsError(f"{what} has {values.size} values, but its shape {shape} needs {count}")
    return values.reshape(shape).astype(np.float32)


@cache
def _graph_class() -> Any:
    """Build the message classes of `_SCHEMA` in a pool of their own."""
    file = descriptor_pb2.FileDescriptorProto(name="fourpass/graphdef.proto", package="fourpass", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _SCHEMA.items():
        described = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            entry = described.field.add(
                name=field,
                number=number,
                label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
            )
            if kind in _SCHEMA:
                entry.type = kinds.TYPE_MESSAGE
                entry.type_name = f".fourpass.{kind}"
            else:
                entry.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fourpass.Graph"))
