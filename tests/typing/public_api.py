"""What mypy and editors must know of the public names; checked by `test_typing.py`, never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import fourpass

if TYPE_CHECKING:
    from torch import Tensor


def kinds(array: NDArray[np.uint16], tensor: Tensor, upscaler: fourpass.Upscaler) -> None:
    assert_type(fourpass.upscale("photo.jpg", 4), Path)
    assert_type(fourpass.upscale(Path("photo.jpg"), size=(30, 40), output="large.png"), Path)
    assert_type(fourpass.upscale(array, 2, upscaler=upscaler), NDArray[np.uint16])
    assert_type(fourpass.upscale(tensor, strength=0.5), "Tensor")


def results(array: NDArray[np.uint16], tensor: Tensor) -> None:
    result = fourpass.upscale_and_report("photo.jpg", 4, output="large.png")
    assert_type(result, fourpass.UpscaleResult[Path])
    assert_type(result.image, Path)
    assert_type(result.lost, tuple[str, ...])
    assert_type(result.lr_psnr, "float | None")
    assert_type(result.frames[0], fourpass.FrameFacts)
    assert_type(fourpass.upscale_and_report(array), fourpass.UpscaleResult[NDArray[np.uint16]])
    assert_type(fourpass.upscale_and_report(tensor).image, "Tensor")


def mistakes(array: NDArray[Any], upscaler: fourpass.Upscaler) -> None:
    # An ignore that is not needed is an error, so each of these lines must be wrong.
    fourpass.upscale(array, output="large.png")  # type: ignore[call-overload]
    fourpass.upscale("photo.jpg", backedn="torch")  # type: ignore[call-overload]
    fourpass.upscale(42)  # type: ignore[call-overload]
    fourpass.upscale_and_report("photo.jpg", strength="0.5")  # type: ignore[call-overload]
    fourpass.upscale_and_report(array).lost = ()  # type: ignore[misc]


def errors(error: fourpass.FourpassError) -> None:
    assert_type(error.subject, str)
    assert_type(error.reason, str)
    assert_type(error.hint, str)
