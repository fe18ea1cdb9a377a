"""Error messages for the command line, where hints name the options to use."""

from __future__ import annotations

from typing import Final, NamedTuple

from fourpass.errors import FourpassError
from fourpass.errors import line as joined

STREAMS: Final = {0: "standard input", 1: "standard output"}


class Words(NamedTuple):
    """Replacements for an error's parts; None leaves a part unchanged.

    Each may have fields: ``{reason}`` and the error's `values`.
    """

    hint: str | None = None
    reason: str | None = None
    subject: str | None = None


# key of an error -> its words here
WORDS: Final = {
    # reading and writing pictures
    "max-pixels": Words("if you trust it, raise the limit with --max-pixels {pixels}"),
    "pipe": Words("give - and send the picture to standard input"),
    "format": Words("try another format with --ext"),
    "memory": Words("lower --max-memory or close other programs"),
    "disk-full": Words("free some space, or write to another with -o"),
    "file-too-large": Words("write a smaller format, or elsewhere with -o"),
    "name-too-long": Words("choose a shorter name with -o"),
    "unwritable": Words("write to another folder with -o"),
    "unforeseen": Words("please report it, with the traceback that --json records"),
    # inputs and outputs
    "no-input": Words("name pictures or folders, or - for standard input"),
    "recursive": Words("add --recursive to search its subfolders"),
    "output-folder": Words("name an output folder with -o"),
    "need-folder": Words(reason="{reason} for -o"),
    "one-target": Words("upscale them separately, or without --ext"),
    "other-target": Words("write to another folder with -o, or add --suffix"),
    "stream-alone": Words("give it as the only input, with one file or - for -o"),
    "stream-output": Words(reason="a picture from standard input needs -o FILE, or -o - for standard output"),
    "stream-name": Words("give a file, or -, for -o", "a picture from standard input has no name"),
    "ext": Words(subject="--ext {ext}"),
    "ext-or-name": Words(reason="is not what --ext {ext} asks for"),
    "quality": Words(reason="--quality {quality} is not within 1..100"),
    "report": Words(subject="--json {path}"),
    # evaluation and reproduction
    "data": Words("add its folder to --data"),
    "data-folder": Words("--data takes a folder of pictures"),
    "folder": Words("name another folder with -o"),
    "metrics": Words(reason="--metrics takes at least one metric, and each only once"),
    "name-methods": Words("name one of them: --methods NAME=..."),
    "no-method": Words(reason="--methods names no method"),
    "recipes": Words(reason="--{reason}"),
    "results": Words("measure all of them in one run of fourpass evaluate and give its summary.csv with --results"),
    "scale": Words("choose another --scale"),
    "workers": Words("use fewer: --workers 1"),
    # blending
    "blend-pixels": Words("blend their pixels instead (--blend-pixels)"),
    # serving
    "not-positive": Words(reason="--{option} {value} is not positive"),
    "port": Words(reason="--port {port} is not below 65536"),
    "token": Words(reason="--token is shorter than 8 characters"),
    # training
    "cache": Words("choose another folder with --cache"),
    "init": Words("train that first, and give its last.safetensors with --init"),
    "out": Words("choose another folder with --out"),
    "set": Words(subject="--set {text}"),
    "vgg": Words("download it on a machine with a network and put it there, or name another VGG with --set vgg=FILE"),
}


def line(error: FourpassError) -> str:
    """Return an error as one line for the user of the command line."""
    words = WORDS.get(error.key, Words())
    values = {**error.values, "reason": error.reason}

    def said(own: str, ours: str | None) -> str:
        return own if ours is None else ours.format(**values)

    return joined(said(error.subject, words.subject), said(error.reason, words.reason), said(error.hint, words.hint))
