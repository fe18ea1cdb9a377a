"""A program that runs ncnn in a separate process, where a driver may crash or print messages: pictures in, results out.

    python -m fourpass.engine.backends.ncnn_child look
    python -m fourpass.engine.backends.ncnn_child run '{"param": ..., "content": ..., "ends": ..., "gpu": 0, ...}'

`look` prints the GPUs as JSON. `run` says writes a header when the network is loaded, then one for each request.
A header is four int32: what happened (0, or ncnn's code), channels, rows, columns; float32 values follow.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

HEADER = np.dtype(("<i4", 4))


def main() -> None:
    """Run the command that the arguments name."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a driver prints does not get between
    if sys.argv[1] == "look":
        answers.write(json.dumps(_look()).encode())
    else:
        _serve(json.loads(sys.argv[2]), sys.stdin.buffer, answers)
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # drivers like to crash while a process ends


def _look() -> list[dict[str, Any]]:
    from fourpass.engine.backends.ncnn_network import module

    ncnn = module()
    found = []
    for number in range(ncnn.get_gpu_count()):
        about = ncnn.get_gpu_info(number)
        kind = about.type() if callable(about.type) else about.type
        memory = int(ncnn.get_gpu_device(number).get_heap_budget()) * 2**20
        name = about.device_name() if callable(about.device_name) else about.device_name
        found.append({"name": str(name), "software": int(kind) == 3, "memory": memory})
    return found


def _serve(wanted: dict[str, Any], requests: BinaryIO, answers: Any) -> None:
    from fourpass.engine.backends.ncnn_network import Failed, NcnnNetwork
    from fourpass.engine.turns import turn
    from fourpass.errors import BackendError

    def answer(code: int, values: np.ndarray | None = None) -> None:
        shape = (0, 0, 0) if values is None else (*values.shape, 1, 1)[:3]
        write(answers, np.array((code, *shape), "<i4").tobytes())
        if values is not None:
            write(answers, values.tobytes())

    try:
        network = NcnnNetwork(
            Path(wanted["param"]),
            Path(wanted["content"]),
            tuple(wanted["ends"]),
            gpu=wanted["gpu"],
            fp16=wanted["fp16"],
            threads=wanted["threads"],
        )
    except BackendError:
        answer(-1)
        return
    answer(0)
    while True:
        header = requests.read(HEADER.itemsize)
        if len(header) < HEADER.itemsize:
            return
        shape = np.frombuffer(header, "<i4")[1:]
        values = requests.read(4 * int(np.prod(shape)))
        try:
            with turn(wanted["gpu"]):
                result = network.run(np.frombuffer(values, "<f4").reshape(shape))
        except Failed as error:
            answer(int(error.args[0]))
        else:
            answer(0, np.ascontiguousarray(result))


def write(stream: Any, data: Any) -> None:
    """Write all bytes to a stream that may accept fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


if __name__ == "__main__":
    main()
