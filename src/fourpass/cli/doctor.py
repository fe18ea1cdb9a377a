"""``fourpass doctor``: which backend, precision, threads and memory will be used, why, and whether it works."""

from __future__ import annotations

import platform
import sys
import time
from typing import TYPE_CHECKING

import typer

from fourpass import DEFAULT_MODEL
from fourpass.errors import BackendError

if TYPE_CHECKING:
    from fourpass.engine.backends import Backend
    from fourpass.engine.engine import Engine


def doctor(
    backend: str = typer.Option("auto", help="auto, ncnn, openvino, onnxruntime or torch."),
    device: str = typer.Option("auto", help="As in fourpass upscale."),
    threads: int | None = typer.Option(None, help="As in fourpass upscale."),
    fp32: bool = typer.Option(False, "--fp32", help="As in fourpass upscale."),
    bench: bool = typer.Option(
        False, "--bench", help="Measure every backend, device and precision, and remember the fastest for auto."
    ),
    model: str = typer.Option(DEFAULT_MODEL, "-n", "--model", help="The packaged model that --bench runs."),
) -> None:
    """Show what fourpass will use on this machine, and why, and test it."""
    if bench:
        _bench(model, device, "fp32" if fp32 else "auto", threads)
        return
    from fourpass import __version__
    from fourpass.cli import words
    from fourpass.engine import backends, hardware
    from fourpass.engine.engine import Engine
    from fourpass.errors import BackendError

    system = f"{platform.system()} {platform.machine()}"
    _say("fourpass", f"{__version__}, Python {platform.python_version()} on {system}")
    quota = hardware.cpu_quota()
    limit = f", of which a quota grants {quota}" if quota is not None else ""
    _say("processor", f"{hardware.usable_cpus()} to use{limit}; {_bf16(hardware.bf16_instructions())}")
    free = hardware.free_memory()
    _say("memory", f"{free / 2**30:.1f} GiB free; upscaling takes no more than half of it, or --max-memory")
    for name in backends.BACKENDS:
        candidate = backends.get(name)
        missing = candidate.missing()
        if missing is not None:
            _say(name, missing)
            continue
        offered = [_offered(candidate, each) for each in candidate.devices()]
        _say(name, f"runs on {', '.join(offered)}")
    engine = Engine(backend, device=device, precision="fp32" if fp32 else "auto", threads=threads)
    where = f"{engine.backend} on {engine.device} in {engine.precision}"
    _say("will use", f"{where} ({engine.reason}), {_threads(engine.threads)}")
    _say("pictures", _formats())
    try:
        _say("trial", _trial(engine))
    except BackendError as error:
        _say("trial", f"failed: {words.line(error)}")
        sys.exit(1)


def _bench(model: str, device: str, precision: str, threads: int | None) -> None:
    """Print megapixels of output per second for every way to run a model here, and save them for ``auto``."""
    from fourpass import weights
    from fourpass.engine import backends, graphs, measuring
    from fourpass.engine.sources import OurWeights
    from fourpass.errors import FourpassError

    loaded = weights.load(model)
    scales = graphs.scales(loaded)
    scale = max((each for each in scales if each <= 4), default=scales[0])
    source = OurWeights(loaded, scale)
    print(f"{model} by {scale}, a picture of {measuring.SIDE}x{measuring.SIDE}, megapixels of output a second:")
    found = {}
    for way in measuring.ways(source, device, precision, every=True):
        name = backends.get(way.backend).describe(way.device)
        row = f"  {way.backend:<13}{way.device:<7}{way.precision:<6}"
        try:
            found[way] = measuring.rate(way, source, threads)
        except FourpassError as error:
            print(f"{row}{'failed':>8}  {error}")
        else:
            print(f"{row}{found[way]:>8.3f}  {name}".rstrip(), flush=True)
    for line in _left_out(device):
        print(line)
    if not found:
        raise BackendError(f"no installed backend runs {model} on {device} in {precision}")
    kept = ""
    if device == "auto":  # for a device that is named, nothing is looked up
        measuring.keep(measuring.key(source, device, precision, threads), found)
        kept = f"; saved in {measuring.file()}"
    print(f"fastest: {max(found, key=lambda way: found[way])}{kept}")


def _left_out(device: str) -> list[str]:
    """List what was not measured, and what would make this machine faster."""
    from fourpass.engine import backends, hardware

    lines = []
    for name in backends.BACKENDS:
        backend = backends.get(name)
        missing = backend.missing()
        if missing:
            lines.append(f"not measured: {missing}")
            continue
        if device == "auto":
            lines += [
                f"not measured: {name} on {each} ({backend.describe(each)}), emulated on the processor; "
                f"ask for it with --device {each}"
                for each in backend.emulated()
            ]
    bf16 = hardware.bf16_instructions()
    if bf16 and backends.get("openvino").missing():
        lines.append(f"this processor has {bf16}, which makes OpenVINO faster: pip install 'fourpass[openvino]'")
    return lines


def _offered(backend: Backend, device: str) -> str:
    name = backend.describe(device)
    return f"{device}{f' ({name})' if name else ''} in {' or '.join(backend.precisions(device))}"


def _say(topic: str, text: str) -> None:
    print(f"{topic + ':':<13}{text}")


def _bf16(instructions: str | None) -> str:
    if instructions is None:
        return "no bfloat16 instructions (AMX, AVX512-BF16) found, so fp32 is fastest"
    return f"{instructions} makes bf16 fast"


def _threads(threads: int | None) -> str:
    return "the backend chooses how many threads" if threads is None else f"{threads} threads"


def _formats() -> str:
    import pyvips

    from fourpass.imaging import formats

    written = ", ".join(formats.FORMATS[key].name for key in formats.WRITTEN)
    version = ".".join(str(pyvips.version(part)) for part in range(3))
    return f"reads and writes {written}, through libvips {version}"


def _trial(engine: Engine) -> str:
    """Upscale a small picture with the default weights; returns how it went."""
    import numpy as np

    from fourpass import weights
    from fourpass.defaults import DEFAULT_MODEL
    from fourpass.upscaling.upscaler import Upscaler

    if DEFAULT_MODEL not in weights.available():
        return "skipped: no weights are packaged"
    start = time.monotonic()
    upscaler = Upscaler(engine=engine)
    upscaler.prepare(upscaler.default_scale)
    loaded = time.monotonic()
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    result = upscaler.upscale(picture)
    spent = time.monotonic() - loaded
    pixels = result.shape[0] * result.shape[1] / 1e6
    factor = upscaler.default_scale
    return f"model loaded in {loaded - start:.2f} s; 32x32 upscaled by {factor} at {pixels / spent:.2f} MP/s"
