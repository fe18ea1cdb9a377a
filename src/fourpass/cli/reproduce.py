"""``fourpass reproduce``: a table or figure of the paper, with our values next to it, or all of them from data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fourpass.cli.evaluate import command_line, find, make_folder, protocol_of, refuse_overwriting, write
from fourpass.errors import ConfigError

if TYPE_CHECKING:
    from fourpass.evaluation.methods import Method
    from fourpass.evaluation.paper import Key, Row

TABLES = {f"table{number}": number for number in range(1, 6)}
PICTURES = ("fig1", "fig7", "fig8", "fig9", "fig10", "fig11")
ITEMS = (*TABLES, "fig1", "fig6", *PICTURES[1:])


def reproduce(
    words: list[str] = typer.Argument(..., metavar="ITEM...", help="table1 to table5, fig1, fig6 to fig11, or all."),
    output: Path = typer.Option(Path("results"), "-o", "--output", help="Folder for the results."),
    formats: str = typer.Option(
        "", "--format", help="Tables: md,tex,csv,json; figures: png,svg,pdf. Default: md or png."
    ),
    data: list[Path] = typer.Option(
        [],
        help="Test sets to measure on now. Default: show the committed results. For all: the folder of all data.",
    ),
    methods: list[str] = typer.Option([], help="NAME=SOURCE[@PATH],... to measure; NAME as in the paper's table."),
    results: list[Path] = typer.Option(
        [], help="summary.csv files of fourpass evaluate to show instead of the committed rows."
    ),
    alone: bool = typer.Option(False, "--alone", help="Hide the committed rows; show only --results and --data."),
    ma_model: Path | None = typer.Option(None, help="The authors' model.mat, for the SR scores."),
    recipes: str = typer.Option("authors", help="For all: authors, paper, cpu or tiny."),
    device: str = typer.Option("auto", help="For all: auto, cpu or cuda."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="For all: list missing data, print the commands, run nothing."
    ),
) -> None:
    """Write the paper's tables and figures, with our results beside the paper's.

    `all` trains, measures and draws everything from a folder of data; rerun it to resume.
    """
    if words[0] == "all":
        _everything([*data, *map(Path, words[1:])], recipes, device, output, dry_run)
        return
    items = [word for word in words if word in ITEMS] or words[:1]
    data = [*data, *(Path(word) for word in words if word not in items)]  # --data A B leaves B among the words
    _refuse_overwriting(items, data, methods, results, ma_model, output, formats)
    for item in items:
        _reproduce(item, data, methods, results, alone, ma_model, output, formats)


def _everything(roots: list[Path], recipes: str, device: str, output: Path, dry_run: bool) -> None:
    """List what is missing, and run the rest."""
    from fourpass.reproduction.plan import ReproductionPlan
    from fourpass.reproduction.run import run
    from fourpass.reproduction.sources import SOURCES, missing
    from fourpass.training import recipe_files

    if len(roots) != 1:
        raise ConfigError(
            "all takes one folder of data: --data ROOT", hint="docs/tutorials/reproduce.md lists what goes into it"
        )
    (root,) = roots
    if not root.is_dir():
        raise ConfigError("no such folder", subject=root, hint="docs/tutorials/reproduce.md lists what goes into it")
    steps = ReproductionPlan(recipes, root, output, recipe_files.folder(), device).steps()
    lacking = missing(root)
    wanted = {name for step in steps for name in step.sources}
    for name, why in lacking.items():
        source = SOURCES[name]
        if name not in wanted and source.wanted:
            continue  # of other recipes
        print(f"missing {name}: {why}")
        print(f"    fetch it from {source.page}: {source.files}; it goes to {root / source.folder}")
        if source.checksum:
            print(f"    {source.checksum}")
    report = run(steps, output, lacking, dry=dry_run)
    if dry_run:
        return
    print(f"{len(report.done)} of {len(steps)} steps are done; tables and figures: {output / 'tables'}")
    if report.stopped:
        print("stopped; run the same command to resume")
        raise typer.Exit(report.stopped if report.stopped > 0 else 128 - report.stopped)
    if report.failed:
        raise ConfigError(
            f"failed: {', '.join(report.failed)}", hint="their messages are above; run the same command to resume"
        )


def _refuse_overwriting(
    items: Sequence[str],
    data: Sequence[Path],
    methods: Sequence[str],
    results: Sequence[Path],
    ma_model: Path | None,
    output: Path,
    formats: str,
) -> None:
    from fourpass.evaluation.methods import parse_methods

    outputs = [output / f"{item}.{each}" for item in dict.fromkeys(items) for each in _suffixes(formats, "")]
    outputs += (
        [] if formats else [output / f"{item}.{'md' if item in TABLES else 'png'}" for item in dict.fromkeys(items)]
    )
    named = parse_methods(methods) if methods else []
    refuse_overwriting([*data, *results], named, ma_model, [file for file in outputs if file.suffix])


def _reproduce(
    item: str,
    data: list[Path],
    methods: list[str],
    results: list[Path],
    alone: bool,
    ma_model: Path | None,
    output: Path,
    formats: str,
) -> None:
    if item == "table1":
        if data or methods or results:
            raise ConfigError("table1 counts parameters in the code", hint="it takes no --data, --methods or --results")
        _table(item, {}, output, _suffixes(formats, "md"))
    elif item in TABLES:
        measured = _measured(TABLES[item], results, data, methods, ma_model, alone)
        _table(item, measured, output, _suffixes(formats, "md"))
    elif item == "fig6":
        measured = _measured(2, results, data, methods, ma_model, alone)
        _plane(measured, output, _suffixes(formats, "png"))
    elif item in PICTURES:
        _pictures(item, data, methods, output, _suffixes(formats, "png"))
    else:
        raise ConfigError(f"not one of {', '.join(ITEMS)} (Figs. 2 to 5 are drawings of the method)", subject=item)


def _measured(
    number: int, results: Sequence[Path], data: list[Path], methods: list[str], ma_model: Path | None, alone: bool
) -> dict[Key, Row]:
    """Committed rows, then those of the given files, then those measured now; the later take the earlier's place."""
    from fourpass.engine.hardware import usable_cpus
    from fourpass.evaluation.evaluate import evaluate
    from fourpass.evaluation.measures import DEFAULT
    from fourpass.evaluation.paper import SEPARATE, check_alike, live_rows, measured_rows
    from fourpass.evaluation.summary import summarise, summary_table, with_means_of_runs

    if methods and not data:
        raise ConfigError("--methods needs --data", hint="give the evaluation sets")
    alone = alone or number in SEPARATE
    found = {} if data and alone and not results else measured_rows(number, results, alone=alone)
    if data:
        protocol = protocol_of(
            4, "y8", 4, ma_model, "same"
        )  # the closest to the paper's own, see docs/reference/metrics.md
        chosen = _methods(f"table{number}", methods)
        if not chosen:
            raise ConfigError(
                (f"table{number} compares runs that differ in one setting only, and the package contains none"),
                hint="name them with --methods, or leave --data out to see the committed rows",
            )
        rows = evaluate(find(data, 4), chosen, DEFAULT, protocol, workers=usable_cpus())
        rows, chosen = with_means_of_runs(rows, chosen)
        found |= live_rows(summary_table(summarise(rows)[0], chosen, protocol, command_line()))
    check_alike(number, found)
    return found


def _methods(item: str, given: list[str]) -> list[Method]:
    """Those given, and the packaged ones that the item shows under other names."""
    from fourpass.evaluation.methods import ROWS, packaged_methods, parse_methods

    named = parse_methods(given) if given else []
    if named and item in ROWS:
        return named  # rows of one run; packaged weights would be another's
    labels = {method.label for method in named}
    return [*(method for method in packaged_methods(item) if method.label not in labels), *named]


def _table(item: str, measured: dict[Key, Row], output: Path, suffixes: list[str]) -> None:
    from fourpass.evaluation.paper import performance_table, properties_table
    from fourpass.evaluation.tables import FORMATS, render, show

    number = TABLES[item]
    _check(suffixes, list(FORMATS), item)
    table = properties_table() if number == 1 else performance_table(number, measured)
    make_folder(output)
    for suffix in suffixes:
        write(output / f"{item}.{suffix}", render(table, suffix))
    show(table)
    _say(output, item, suffixes)


def _plane(measured: dict[Key, Row], output: Path, suffixes: list[str]) -> None:
    from fourpass.evaluation import plots
    from fourpass.evaluation.paper import plane_points, protocols

    _check(suffixes, plots.FORMATS, "fig6")
    points = plane_points(measured)
    shown = [row for (dataset, _), row in measured.items() if dataset == "BSD100"]
    disclosed = [f"{row['method']}: {row['note']}" for row in shown if row.get("note") and "NIQE" in row["note"]]
    figure = plots.plane(points, "BSD100", ". ".join([*protocols(measured.values()), *disclosed]))
    make_folder(output)
    for suffix in suffixes:
        plots.save(figure, output / f"fig6.{suffix}")
    missing = [name for name in points["paper"] if name not in points["ours"]]
    print(f"not measured, so shown with the paper's value only: {', '.join(missing) or 'none'}")
    _say(output, "fig6", suffixes)


def _pictures(item: str, data: list[Path], methods: list[str], output: Path, suffixes: list[str]) -> None:
    from fourpass.evaluation import plots
    from fourpass.evaluation.figures import strips

    _check(suffixes, plots.FORMATS, item)
    if not data:
        raise ConfigError(f"{item} shows pictures of the evaluation sets", hint="give their folder: --data DIR")
    rows = strips(item, find(data, 4), _methods(item, methods))
    note = "; ".join(dict.fromkeys(strip.region.note for strip in rows if strip.region.note))
    title = f"As Fig. {item[3:]}, x4" + (f" ({note})" if note else "")
    figure = plots.crops(rows, title)
    make_folder(output)
    for suffix in suffixes:
        plots.save(figure, output / f"{item}.{suffix}")
    missing = dict.fromkeys(panel.label for strip in rows for panel in strip.panels if panel.picture is None)
    print(f"left empty, without weights or results: {', '.join(missing) or 'none'}")
    _say(output, item, suffixes)


def _suffixes(formats: str, default: str) -> list[str]:
    return [suffix.strip() for suffix in formats.split(",") if suffix.strip()] or [default]


def _check(suffixes: list[str], known: Sequence[str], item: str) -> None:
    for suffix in suffixes:
        if suffix not in known:
            raise ConfigError(f"--format {suffix}: {item} is written as {', '.join(known)}")


def _say(output: Path, item: str, suffixes: list[str]) -> None:
    print(", ".join(str(output / f"{item}.{suffix}") for suffix in suffixes))
