"""What a server is told: every bound has a name and a default."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields
from pathlib import Path

from fourpass.defaults import DEFAULT_MODEL
from fourpass.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Bounds and choices of a server.

    Attributes:
        host, port: where it listens.
        token: bearer token that requests must carry; None: none is asked for.
        workers: processes that decode and upscale, each with its own copy of the network.
        threads: of each worker; None: the cores shared evenly.
        names: host names that browsers may use for it without a token, beside this machine's own.
        requests: how many are answered at the same time; up to as many connections may wait beside them.
        head_seconds: the first line and the headers of a request must be there by then.
        queue: jobs that may wait or be on their way in; one more is told to come back (429).
        max_bytes: of an uploaded file.
        max_pixels: of an input picture, all its frames together.
        max_output_pixels: of an output picture.
        small_pixels: output pixels up to which ``POST /v1/upscale`` answers at once.
        job_seconds: a job that takes longer is stopped.
        upload_seconds: a request's body must be there by then.
        idle_seconds: longest wait for a client to send or take the next piece.
        keep_seconds: how long a finished job and its result are kept.
        keep_bytes: of results on disk, together; the oldest go first.
        grace_seconds: how long a shutdown waits for running jobs.
        folder: where the server makes its own folder for uploads and results, which goes with it; None: among the
            temporary files.
        model: packaged name or path of the weights.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    workers: int = 1
    threads: int | None = None
    names: tuple[str, ...] = ()
    requests: int = 128
    head_seconds: float = 10.0
    queue: int = 32
    max_bytes: int = 64 * 2**20
    max_pixels: int = 40_000_000
    max_output_pixels: int = 400_000_000
    small_pixels: int = 4_000_000
    job_seconds: float = 1800.0
    upload_seconds: float = 120.0
    idle_seconds: float = 20.0
    keep_seconds: float = 3600.0
    keep_bytes: int = 4 * 2**30
    grace_seconds: float = 30.0
    folder: Path | None = None
    model: str = DEFAULT_MODEL

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise ConfigError(
                    f"{item.name} {value} is not positive",
                    key="not-positive",
                    values={"option": item.name.replace("_", "-"), "value": value},
                )
        if self.port > 65535:
            raise ConfigError(f"port {self.port} is not below 65536", key="port", values={"port": self.port})
        if self.token is not None and len(self.token) < 8:
            raise ConfigError(
                "the token is shorter than 8 characters",
                hint="make a long one, for example with: openssl rand -hex 16",
                key="token",
            )

    @property
    def exposed(self) -> bool:
        """Whether others than this machine may reach the server without a token."""
        if self.token is not None or self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True
