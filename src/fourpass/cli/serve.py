"""``fourpass serve``: the page and the HTTP API."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from pathlib import Path

import typer

from fourpass.defaults import DEFAULT_MODEL


def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8000, help="Port to listen on."),
    open_: bool = typer.Option(False, "--open", help="Open the page in this machine's browser."),
    token: str | None = typer.Option(None, envvar="FOURPASS_TOKEN", help="Bearer token that requests must send."),
    name: list[str] = typer.Option([], help="Host name that browsers may use without a token; may be repeated."),
    model: str = typer.Option(DEFAULT_MODEL, "-n", "--model", help="A packaged model, or a weights file."),
    workers: int = typer.Option(1, help="Worker processes; each loads the network."),
    queue: int = typer.Option(32, help="Jobs that may wait."),
    max_megabytes: float = typer.Option(64, help="Largest upload."),
    max_megapixels: float = typer.Option(40, help="Largest input picture."),
    max_output_megapixels: float = typer.Option(400, help="Largest output picture."),
    job_minutes: float = typer.Option(30, help="Stop a job that takes longer."),
    keep_minutes: float = typer.Option(60, help="Delete results after this long."),
    keep_gigabytes: float = typer.Option(4, help="Disk space for results; the oldest are deleted first."),
    folder: Path | None = typer.Option(
        None, help="Parent folder for uploads and results. Default: the temporary folder."
    ),
) -> None:
    """Serve a web page to drop photos on, and an HTTP API."""
    from fourpass.errors import ConfigError, missing_extra

    try:
        import multipart  # noqa: F401

        from fourpass.server import listener, worker
        from fourpass.server.app import create_app
    except ImportError as error:
        raise missing_extra("serve", error.name or "fastapi") from None
    from fourpass.server.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token,
        names=tuple(each.lower() for each in name),
        model=model,
        workers=workers,
        queue=queue,
        max_bytes=int(max_megabytes * 2**20),
        max_pixels=int(max_megapixels * 1e6),
        max_output_pixels=int(max_output_megapixels * 1e6),
        job_seconds=60 * job_minutes,
        keep_seconds=60 * keep_minutes,
        keep_bytes=int(keep_gigabytes * 2**30),
        folder=folder,
    )
    if settings.exposed:
        print(
            f"fourpass: warning: {host} can be reached by others, and there is no --token; anybody may upscale here",
            file=sys.stderr,
        )
    if folder and not os.access(folder if folder.exists() else folder.absolute().parent, os.W_OK):
        raise ConfigError(f"--folder {folder}: cannot be written", hint="choose another folder")
    worker.check(settings.model)

    def show(bound: int) -> None:
        if open_:
            threading.Thread(target=webbrowser.open, args=(listener.address(settings, bound),), daemon=True).start()

    listener.make(create_app(settings), settings, started=show).run()
