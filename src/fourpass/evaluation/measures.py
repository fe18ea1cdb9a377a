"""What is measured of a result: the metrics by name, and the protocol that every table states."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast, get_args

from fourpass.errors import ConfigError, DatasetError, MetricError
from fourpass.evaluation.images import RgbImage
from fourpass.metrics.brisque import brisque
from fourpass.metrics.consistency import lr_psnr
from fourpass.metrics.ma import MaModel, load_model, ma_score
from fourpass.metrics.niqe import niqe
from fourpass.metrics.pi import perceptual_index
from fourpass.metrics.protocol import Channel
from fourpass.metrics.psnr import psnr, rmse
from fourpass.metrics.ssim import Region, ssim

NEEDS_MODEL = "needs model.mat"


@dataclass(frozen=True)
class MeasuringProtocol:
    """How a result is measured.

    Attributes:
        scale: upscaling factor; ground truth is cropped to a multiple of it.
        channel: of PSNR, RMSE and SSIM; ``y`` is the paper's.
        border: pixels left out on each side, by every metric but the LR consistency.
        region: of SSIM: ``valid``, where its window fits (usual); ``same``, every pixel, as MATLAB's own ``ssim``.
        ma_model: file of Ma's forests; None where it is not at hand.
    """

    scale: int
    channel: Channel = "y"
    border: int = 4
    ma_model: Path | None = None
    region: Region = "valid"

    def sentence(self) -> str:
        """The line that describes the protocol in every table and row."""
        compared = {"y": "Y of BT.601 YCbCr", "y8": "Y of BT.601 YCbCr, rounded", "gray": "rgb2gray", "rgb": "RGB"}
        alone = "rgb2gray" if self.channel == "gray" else "rounded Y"
        return (
            f"x{self.scale}; PSNR and SSIM on {compared[self.channel]}, SSIM's region {self.region}; NIQE and SR "
            f"score on {alone}; {self.border} px cropped from each border; ground truth cropped to a multiple of "
            f"{self.scale}; inputs given with the set, else by MATLAB's bicubic on uint8; 8-bit results"
        )


@dataclass(frozen=True)
class Sample:
    """A result (sH, sW, 3), its ground truth of the same shape, and its input (H, W, 3)."""

    reference: RgbImage
    image: RgbImage
    low_resolution: RgbImage


@dataclass(frozen=True)
class Metric:
    """A metric of the tables.

    Attributes:
        column: heading of its column in CSV files, ``{channel}`` filled in.
        label: heading in tables that people read.
        better: which way is better.
        decimals: that are printed.
        compares: whether it needs the ground truth (and so says nothing about the ground truth itself).
        forests: whether it needs Ma's ``model.mat``.
        measure: from a sample and the protocol.
    """

    column: str
    label: str
    better: Literal["higher", "lower"]
    decimals: int
    compares: bool
    forests: bool
    measure: Callable[[Sample, MeasuringProtocol], float]


def _niqe(sample: Sample, protocol: MeasuringProtocol) -> float:
    return niqe(sample.image, channel=_no_reference(protocol), border=protocol.border)


def _brisque(sample: Sample, protocol: MeasuringProtocol) -> float:
    return brisque(sample.image, channel=_no_reference(protocol), border=protocol.border)


def _ma(sample: Sample, protocol: MeasuringProtocol) -> float:
    assert protocol.ma_model is not None
    return ma_score(sample.image, _forests(protocol.ma_model), channel=_no_reference(protocol), border=protocol.border)


def _pi(sample: Sample, protocol: MeasuringProtocol) -> float:
    return perceptual_index(_ma(sample, protocol), _niqe(sample, protocol))


def _lr_psnr(sample: Sample, _: MeasuringProtocol) -> float:
    return lr_psnr(sample.image, sample.low_resolution)


def _compared(function: Callable[..., float]) -> Callable[[Sample, MeasuringProtocol], float]:
    return lambda sample, protocol: function(
        sample.reference, sample.image, channel=protocol.channel, border=protocol.border
    )


def _ssim(sample: Sample, protocol: MeasuringProtocol) -> float:
    return ssim(
        sample.reference, sample.image, channel=protocol.channel, border=protocol.border, region=protocol.region
    )


# name -> metric
METRICS: dict[str, Metric] = {
    "psnr": Metric("psnr_{channel}_db", "PSNR (dB)", "higher", 4, True, False, _compared(psnr)),
    "rmse": Metric("rmse_{channel}", "RMSE", "lower", 4, True, False, _compared(rmse)),
    "ssim": Metric("ssim_{channel}", "SSIM", "higher", 4, True, False, _ssim),
    "niqe": Metric("niqe", "NIQE", "lower", 4, False, False, _niqe),
    "brisque": Metric("brisque", "BRISQUE", "lower", 4, False, False, _brisque),
    "ma": Metric("sr_score", "SR score", "higher", 4, False, True, _ma),
    "pi": Metric("pi", "PI", "lower", 4, False, True, _pi),
    "lr_psnr": Metric("lr_psnr_db", "LR PSNR (dB)", "higher", 2, True, False, _lr_psnr),
}
DEFAULT = ("psnr", "ssim", "niqe", "ma")  # the paper's four


def choose(names: Sequence[str]) -> dict[str, Metric]:
    """Return the named metrics in the given order.

    Raises:
        ConfigError: a name is unknown or repeated, or none is given.
    """
    for name in names:
        if name not in METRICS:
            raise ConfigError(f"metric {name!r} is not one of {', '.join(METRICS)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError("name at least one metric, and each only once", key="metrics")
    return {name: METRICS[name] for name in names}


def measure(name: str, sample: Sample, protocol: MeasuringProtocol, *, itself: bool = False) -> float | None:
    """Measure one metric of a result.

    Args:
        name: key of METRICS.
        sample: the result and what it is compared with.
        protocol: channel, border and Ma's model.
        itself: the result is the ground truth, which is not compared with itself.

    Returns:
        a finite number; None for a comparison of the ground truth with itself, and where ``model.mat`` is needed.

    Raises:
        DatasetError: the result equals its ground truth, so that PSNR is infinite.
        MetricError: as the metric; or it is not a number.
    """
    metric = METRICS[name]
    if (metric.compares and itself) or (metric.forests and protocol.ma_model is None):
        return None
    value = metric.measure(sample, protocol)
    if math.isinf(value):
        raise DatasetError(
            f"the result is identical to what {metric.label} compares it with", hint="is it the ground truth itself?"
        )
    if math.isnan(value):
        raise MetricError(f"{metric.label} is not a number")
    return value


def as_channel(name: str) -> Channel:
    """Return the name of a channel; raises ConfigError where it is none."""
    if name not in get_args(Channel):
        raise ConfigError(f"channel {name!r} is not one of {', '.join(get_args(Channel))}")
    return cast(Channel, name)


def as_region(name: str) -> Region:
    """Return the name of a region of SSIM; raises ConfigError where it is none."""
    if name not in get_args(Region):
        raise ConfigError(f"SSIM's region {name!r} is not one of {', '.join(get_args(Region))}")
    return cast(Region, name)


def column(metric: Metric, protocol: MeasuringProtocol) -> str:
    """Heading of a metric's column in CSV files under a protocol."""
    return metric.column.format(channel=protocol.channel)


@lru_cache(maxsize=1)
def _forests(path: Path) -> MaModel:
    return load_model(path)


def _no_reference(protocol: MeasuringProtocol) -> Channel:
    """NIQE, BRISQUE and Ma's score measure one channel: rounded Y comes closest to the paper's NIQE."""
    return "gray" if protocol.channel == "gray" else "y8"
