"""Many pictures over many processes or machines, with Ray (extra ``batch``): bounded, resumable, never losing one.

One actor a worker holds the network and works on one picture at a time, so no more pictures are in flight than there
are workers. The driver keeps the manifest: one line of JSON for each picture that is over, keyed by the content of the
input and all that the output depends on. Where a worker dies its picture is given to a fresh one; a picture that kills
several is set aside with its error, like one that cannot be read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fourpass.errors import ConfigError, FourpassError, missing_extra
from fourpass.imaging.formats import SUFFIXES
from fourpass.inference.job import Wishes

MANIFEST = "fourpass-manifest.jsonl"


@dataclass(frozen=True)
class Work:
    """What a run does to each picture: all that its output depends on besides the picture.

    Attributes:
        wishes: size and file options.
        model, strength, backend, precision, threads: as `fourpass.Upscaler` takes them.
        key: format of the outputs; None: each input's own.
    """

    wishes: Wishes
    model: str = "eusr"
    strength: float | None = None
    backend: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    key: str | None = None

    def digest(self) -> str:
        """Name the settings, the weights' content included; how many threads there are does not matter."""
        from fourpass import __version__, weights

        settings = asdict(self) | {"version": __version__, "threads": None}
        if not self.model.endswith(".onnx"):
            names = {self.model, "fourpass"} & set(weights.available()) or {self.model}
            settings["weights"] = sorted(weights.load(name).sha256 for name in names)
        return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Tally:
    """What became of a run's pictures."""

    done: int = 0
    skipped: int = 0
    failed: int = 0
    retried: int = 0
    pixels: int = 0
    seconds: float = 0.0
    failures: list[tuple[str, str]] = field(default_factory=list)


def run(
    source: str,
    target: str,
    work: Work,
    *,
    address: str | None = None,
    workers: int = 1,
    attempts: int = 3,
    report: Callable[[Mapping[str, Any], Tally, int], None] | None = None,
) -> Tally:
    """Upscale every picture of a folder, a list or an object store.

    Args:
        source: folder, file of one path a line (``.txt``), or URL that fsspec opens (``s3://bucket/photos``).
        target: folder or URL for the outputs, which keep their inputs' places in the tree, and for the manifest.
        work: what to do.
        address: of a Ray cluster (``auto``, ``ray://head:10001``); None: this machine, for as long as the run takes.
        workers: actors, each with its own network.
        attempts: how many workers a picture may take with it before it is set aside.
        report: called after each picture with its manifest entry, the tally, and how many there are.

    Raises:
        ConfigError: there is nothing to do, or source or target cannot be opened.
        BackendError: ray or fsspec is not installed.
    """
    try:
        import ray
    except ImportError:
        raise missing_extra("batch", "ray") from None
    if workers < 1 or attempts < 1:
        raise ConfigError(f"--workers {workers} and --attempts {attempts} must be at least 1")
    pairs = _pairs(source, target, work.key)
    manifest = _Manifest(target)
    own = not ray.is_initialized()
    if own:
        ray.init(address=address, num_cpus=None if address else workers, include_dashboard=False, log_to_driver=False)
    try:
        return _drive(ray, pairs, work, manifest, workers, attempts, report)
    finally:
        if own:
            ray.shutdown()


def _drive(
    ray: Any,
    pairs: list[tuple[str, str]],
    work: Work,
    manifest: _Manifest,
    workers: int,
    attempts: int,
    report: Callable[[Mapping[str, Any], Tally, int], None] | None,
) -> Tally:
    digest = work.digest()
    known = ray.put(manifest.outputs)
    remote = ray.remote(num_cpus=1)(_Worker)
    idle = deque(remote.remote(work, digest, known) for _ in range(min(workers, len(pairs))))
    waiting = deque((source, target, 1) for source, target in pairs)
    flying: dict[Any, tuple[Any, tuple[str, str, int]]] = {}
    tally, began = Tally(), time.monotonic()
    while waiting or flying:
        while waiting and idle:
            actor, item = idle.popleft(), waiting.popleft()
            flying[actor.upscale.remote(*item[:2])] = (actor, item)
        (ready,), _ = ray.wait(list(flying), num_returns=1)
        actor, (source, target, attempt) = flying.pop(ready)
        try:
            entry = ray.get(ready)
            idle.append(actor)
        except ray.exceptions.RayTaskError as error:  # what the worker did not foresee; it lives
            idle.append(actor)
            entry = _failed(source, target, f"unforeseen: {error.cause!r}")
        except ray.exceptions.RayActorError:
            idle.append(remote.remote(work, digest, known))
            if attempt < attempts:
                tally.retried += 1
                waiting.append((source, target, attempt + 1))
                continue
            _forget_part(target)
            entry = _failed(source, target, f"killed {attempts} workers (out of memory, or a damaged picture)")
        _count(tally, entry)
        tally.seconds = time.monotonic() - began
        if entry["status"] != "skipped":
            manifest.add(entry)
        if report:
            report(entry, tally, len(pairs))
    return tally


class _Worker:
    """The actor: one network, one picture at a time."""

    def __init__(self, work: Work, digest: str, known: Mapping[str, Mapping[str, Any]]) -> None:
        self._work, self._digest, self._known = work, digest, known
        self._upscaler: Any = None

    def upscale(self, source: str, target: str) -> dict[str, Any]:
        """Upscale one picture; returns its manifest entry, with status done, skipped or failed."""
        from fourpass.inference import job
        from fourpass.inference.upscaler import Upscaler

        work, began = self._work, time.monotonic()
        entry: dict[str, Any] = {"input": source, "output": target, "settings": self._digest}
        try:
            content = _read(source)
            entry["input_sha256"] = hashlib.sha256(content).hexdigest()
            before = self._known.get(target, {})
            same = all(before.get(name) == entry[name] for name in ("settings", "input_sha256"))
            if same and before.get("status") == "done" and _size(target) == before.get("bytes"):
                return entry | {"status": "skipped"}
            if self._upscaler is None:
                self._upscaler = Upscaler(
                    work.model,
                    backend=work.backend,
                    precision=work.precision,
                    threads=work.threads,
                    strength=work.strength,
                )
            planned = job.plan(self._upscaler, content, work.wishes, key=work.key, name=target)
            entry["bytes"] = _write(
                target, lambda file: job.upscale_file(self._upscaler, content, file, planned, work.wishes)
            )
        except (FourpassError, OSError) as error:
            text = " ".join(str(error).split()).replace("standard input", source).replace("standard output", target)
            return _failed(source, target, text) | entry
        seconds = round(time.monotonic() - began, 3)
        return entry | {"status": "done", "output_pixels": planned.pixels, "seconds": seconds}


class _Manifest:
    """The entries of earlier runs by output, and the file that new ones are added to.

    Object stores cannot append, so there a run's entries are written as a file of their own every so often.
    """

    def __init__(self, target: str) -> None:
        self._fs, root = _open_store(target, "the output")
        self._fs.makedirs(root, exist_ok=True)
        self._local = "file" in _protocols(self._fs)
        self._path = posixpath.join(root, MANIFEST)
        self.outputs: dict[str, dict[str, Any]] = {}
        if self._fs.exists(self._path):
            for line in self._fs.cat_file(self._path).decode("utf-8", "replace").splitlines():
                try:
                    entry = json.loads(line)
                    self.outputs[entry["output"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue  # a line that a crash cut short

    def add(self, entry: dict[str, Any]) -> None:
        """Remember a picture that is over."""
        self.outputs[entry["output"]] = entry
        if self._local:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(entry, sort_keys=True) + "\n")
        else:
            lines = (json.dumps(each, sort_keys=True) for each in self.outputs.values())
            self._fs.pipe_file(self._path, ("\n".join(lines) + "\n").encode())


def _pairs(source: str, target: str, key: str | None) -> list[tuple[str, str]]:
    """Pair each input with its output, in order.

    Raises:
        ConfigError: there is no picture, or two outputs would be one.
    """
    from fourpass.imaging.formats import FORMATS, WRITTEN

    found: dict[str, str] = {}
    for url, place in _inputs(source):
        stem, suffix = posixpath.splitext(place)
        own = SUFFIXES.get(suffix.lower())
        wished = key or (own if own in WRITTEN else "avif")
        output = posixpath.join(target.rstrip("/"), stem + (suffix if own == wished else FORMATS[wished].suffixes[0]))
        if output in found:
            raise ConfigError(f"{found[output]} and {url} would both become {output}; upscale them apart")
        if output == url:
            raise ConfigError(f"{url}: is an input, and inputs are never overwritten; name another output")
        found[output] = url
    if not found:
        raise ConfigError(f"{source}: no picture there; suffixes are {', '.join(sorted(SUFFIXES))}")
    return [(url, output) for output, url in found.items()]


def _inputs(source: str) -> Iterator[tuple[str, str]]:
    """Yield the URL of each input and its place below the source."""
    store, root = _open_store(source, "the input")
    if root.endswith(".txt"):
        if not store.exists(root):
            raise ConfigError(f"{source}: no such list")
        for line in store.cat_file(root).decode().splitlines():
            if line.strip():
                yield line.strip(), posixpath.basename(line.strip())
        return
    if not store.isdir(root):
        raise ConfigError(f"{source}: no such folder; give a folder, a .txt list, or a URL like s3://bucket/photos")
    for path in sorted(store.find(root)):
        hidden = any(part.startswith(".") for part in posixpath.relpath(path, root).split("/"))
        if not hidden and posixpath.splitext(path)[1].lower() in SUFFIXES:
            yield _url(store, path, source), posixpath.relpath(path, root)


def _open_store(url: str, what: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise missing_extra("batch", "fsspec") from None
    try:
        store, root = fsspec.core.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise ConfigError(f"{url}: {what} cannot be opened ({error})") from None
    return store, str(root).rstrip("/") or "/"


def _url(store: Any, path: str, like: str) -> str:
    return (
        f"{like.split('://', 1)[0]}://{path.lstrip('/')}" if "://" in like and "file" not in _protocols(store) else path
    )


def _protocols(store: Any) -> tuple[str, ...]:
    return (store.protocol,) if isinstance(store.protocol, str) else tuple(store.protocol)


def _read(url: str) -> bytes:
    store, path = _open_store(url, "the input")
    return bytes(store.cat_file(path))


def _size(url: str) -> int | None:
    store, path = _open_store(url, "the output")
    return int(store.size(path)) if store.exists(path) else None


def _write(url: str, make: Callable[[BinaryIO], object]) -> int:
    """Have a picture written, whole or not at all; returns its bytes.

    The name of the part that is not whole yet follows from the output's, so that who does it again replaces it.
    """
    store, path = _open_store(url, "the output")
    if "file" not in _protocols(store):
        whole = io.BytesIO()
        make(whole)
        store.makedirs(posixpath.dirname(path), exist_ok=True)
        store.pipe_file(path, whole.getvalue())
        return len(whole.getvalue())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    try:
        with part.open("wb") as file:
            make(file)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Path(path).stat().st_size


def _part(path: str) -> Path:
    return Path(path).with_name(f".{Path(path).name}.part")


def _forget_part(url: str) -> None:
    """Remove what a worker that was killed left of an output."""
    store, path = _open_store(url, "the output")
    if "file" in _protocols(store):
        _part(path).unlink(missing_ok=True)


def _failed(source: str, target: str, error: str) -> dict[str, Any]:
    return {
        "input": source,
        "output": target,
        "status": "failed",
        "error": error if source in error else f"{source}: {error}",
    }


def _count(tally: Tally, entry: Mapping[str, Any]) -> None:
    setattr(tally, entry["status"], getattr(tally, entry["status"]) + 1)
    tally.pixels += entry.get("output_pixels", 0)
    if entry["status"] == "failed":
        tally.failures.append((entry["input"], entry["error"]))
