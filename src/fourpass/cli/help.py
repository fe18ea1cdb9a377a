"""What ``fourpass`` alone and ``--help`` show: the first three commands, and options in groups."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

START = """\
fourpass makes photos larger: 2, 4 or 8 times, or any size.

  fourpass upscale photo.jpg    write photo_x4.jpg, 4 times larger, beside it
  fourpass serve --open         the same in your browser (pip install 'fourpass[serve]')
  fourpass doctor               check what fourpass can use on this machine

fourpass COMMAND --help explains a command; fourpass --help lists them all."""

# group -> its commands
COMMANDS = {
    "Upscale": ("upscale", "serve", "batch", "models", "doctor"),
    "Measure and compare": ("score", "compare", "evaluate", "reproduce"),
    "Train": ("train", "recipes", "convert"),
}

RARE = "Rarely needed"

# command -> group -> the names of its options' parameters, in the order in which they are shown. Options in no group
# is rarely needed. A command that is not here has one group.
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "upscale": {
        "What": ("inputs", "output", "model"),
        "How large": ("scale", "width", "height", "longest", "megapixels", "fit"),
        "How it looks": ("strength", "restore", "consistency", "self_ensemble"),
        "Files": ("ext", "quality", "suffix", "strip", "recursive", "resume", "dry_run", "report"),
        "Speed and memory": ("device", "threads", "max_memory", "tile", "fp32"),
    },
    "serve": {
        "Page": ("open_", "host", "port", "token", "name"),
        "Model": ("model", "workers"),
        "Limits": ("queue", "max_megabytes", "max_megapixels", "max_output_megapixels", "job_minutes"),
    },
    "batch": {
        "What": ("model",),
        "How large": ("scale", "longest", "megapixels"),
        "How it looks": ("strength", "restore"),
        "Files": ("ext", "quality", "strip"),
        "Speed": ("workers", "threads", "fp32", "address"),
    },
    "score": {
        "What": ("metrics", "as_json", "heat_map"),
    },
    "compare": {
        "What": ("reference", "output", "scale"),
        "How it is measured": ("metrics", "channel", "border", "ma_model"),
        "Votes": ("votes",),
    },
    "evaluate": {
        "What": ("data", "methods", "scale", "output"),
        "How it is measured": ("metrics", "channel", "ssim_region", "border", "ma_model"),
    },
    "reproduce": {
        "What": ("data", "output", "formats", "dry_run"),
        "Rows and columns": ("methods", "results", "alone", "ma_model"),
        "Training (all)": ("recipes", "device"),
    },
    "train": {
        "What": ("data", "out", "recipe", "settings", "init", "validation"),
        "Time": ("time_budget",),
    },
}


def recipes(incomplete: str) -> list[str]:
    """Complete the name of a packaged recipe."""
    from fourpass.training import recipe_files

    return [name for name in recipe_files.names() if name.startswith(incomplete)]


class Command(TyperCommand):
    """A command whose help shows its options in the groups of `OPTIONS`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options, one section per group."""
        records: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        groups = OPTIONS.get(self.name or "", {})
        records |= {group: [] for group in groups}
        place = {name: group for group, names in groups.items() for name in names}
        order = [name for names in groups.values() for name in names]
        rest = RARE if groups else "Options"
        parameters = self.get_params(ctx)
        parameters.sort(key=lambda each: order.index(each.name) if each.name in order else len(order))
        for parameter in parameters:
            record = parameter.get_help_record(ctx)
            if record is not None:
                argument = parameter.param_type_name == "argument"
                group = "Arguments" if argument else place.get(str(parameter.name), rest)
                records.setdefault(group, []).append(record)
        for group, rows in records.items():
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)
