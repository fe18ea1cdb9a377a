"""Run the command in this process, with a model that repeats pixels, so that every output is known."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fourpass.cli import app


class Result(NamedTuple):
    """What a run left: exit code, standard output in bytes, lines of standard error."""

    code: int
    out: bytes
    err: list[str]


@pytest.fixture(scope="session")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX model that makes four equal pixels of each."""
    import onnx
    from onnx import TensorProto, helper

    scales = helper.make_tensor("scales", TensorProto.FLOAT, [4], [1.0, 1.0, 2.0, 2.0])
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    node = helper.make_node("Resize", ["image", "", "scales"], ["upscaled"], **options)
    graph = helper.make_graph(
        [node],
        "doubling",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, [1, 3, "h2", "w2"])],
        [scales],
    )
    path = tmp_path_factory.mktemp("model") / "doubling.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
    return path


@pytest.fixture
def fourpass(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Callable[..., Result]:
    """Run ``fourpass`` with arguments, and bytes on standard input."""

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        monkeypatch.setattr(sys, "argv", ["fourpass", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin or b"")))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, out, err.decode("utf-8", "replace").splitlines())

    return run


@pytest.fixture
def upscale(fourpass: Callable[..., Result], doubling: Path) -> Callable[..., Result]:
    """Run ``fourpass upscale`` with the doubling model."""

    def run(*arguments: object, stdin: bytes | None = None) -> Result:
        return fourpass("upscale", "-n", doubling, "--backend", "onnxruntime", *arguments, stdin=stdin)

    return run
