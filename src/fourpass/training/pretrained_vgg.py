"""The fixed VGG19 that feature losses ask: torchvision's ImageNet file, downloaded once, or a file that is given."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import torch

from fourpass import conversion, models
from fourpass.disk import atomic
from fourpass.errors import WeightsError
from fourpass.models.vgg import VGG

URL = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
_TIMEOUT = 30.0  # seconds without an answer


def load_vgg(name: str = "", *, url: str = URL, report: Callable[[str], None] = print) -> VGG:
    """Load a VGG with frozen weights.

    Args:
        name: a file of ours or of another program that `fourpass.conversion` knows; empty for torchvision's VGG19 of
            ImageNet, from torch.hub's cache or, the first time, from the network.
        url: where that is; the end of its file name is the start of its sha256, as PyTorch names its files.
        report: takes one line when something is downloaded.

    Raises:
        WeightsError: it is missing, damaged, cannot be downloaded, or is no VGG.
    """
    file = Path(name) if name else fetch(url, Path(torch.hub.get_dir()) / "checkpoints", report=report)
    loaded = conversion.load(file)
    network = models.build(loaded)
    if not isinstance(network, VGG):
        raise WeightsError(f"weights of {loaded.metadata.architecture}, not of a VGG", subject=file)
    return network.eval()


def fetch(url: str, folder: Path, *, report: Callable[[str], None] = print) -> Path:
    """Return a file of a folder, downloaded if it is not there yet and checked against the hash in its name.

    Args:
        url: its last part is the file's name, NAME-HASH.SUFFIX, where HASH is how its sha256 begins.
        folder: where it is kept; written only once the whole file is there and right.
        report: takes one line when the download begins.

    Raises:
        WeightsError: no network, no such file, another content, or the folder cannot be written.
    """
    name = url.rsplit("/", 1)[-1]
    target = folder / name
    if target.is_file():
        return target
    way_out = "download it on a machine with a network and put it there, or name another VGG in the recipe"
    report(f"{target}: downloading {url}")
    try:
        with atomic.whole(target) as stream:
            digest = _copy(url, stream)
            expected = name.rsplit(".", 1)[0].rsplit("-", 1)[-1]
            if not digest.startswith(expected):
                raise WeightsError(
                    f"sha256 begins with {digest[: len(expected)]}, not {expected}: damaged in transit",
                    subject=url,
                    hint=way_out,
                    key="vgg",
                )
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"not there, and {url} cannot be downloaded ({reason})", subject=target, hint=way_out, key="vgg"
        ) from None
    return target


def _copy(url: str, stream: BinaryIO) -> str:
    """Copy what is at an address into a file, and return its sha256."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
        expected = int(response.headers.get("Content-Length") or 0)
        received = 0
        while block := response.read(1 << 20):
            digest.update(block)
            atomic.write_all(stream, block)
            received += len(block)
    if received < expected:
        raise OSError(f"received {received} of {expected} bytes")
    return digest.hexdigest()
