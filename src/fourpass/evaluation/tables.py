"""One table, five output formats: terminal, Markdown, LaTeX, CSV, JSON; each states the protocol."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from fourpass.errors import ConfigError

_LATEX = {"\\": r"\textbackslash{}", "±": r"$\pm$", "α": r"$\alpha$", "×": r"$\times$", "–": "--"}
_LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}
_LATEX |= {"<": r"$<$", ">": r"$>$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


@dataclass(frozen=True)
class Table:
    """The contents of a table, once for people and once for programs.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: cells as they are printed, one a column; rows whose first cell is alike stand together.
        notes: lines below the table; the first one is the protocol.
        records: the same rows as plain values, with None where there is none.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    records: Sequence[Mapping[str, Any]]


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown, columns aligned for reading as text, notes below."""
    cells = [[cell.replace("|", r"\|") for cell in row] for row in (table.columns, *table.rows)]
    widths = [max(3, *(len(row[index]) for row in cells)) for index in range(len(table.columns))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = "| " + " | ".join("-" * w if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    notes = "".join(f"\n{note}\n" for note in table.notes)
    return "\n".join([f"### {table.title}", "", line(cells[0]), rule, *map(line, cells[1:])]) + "\n" + notes


def latex(table: Table) -> str:
    """Return a LaTeX ``table`` with booktabs rules; the title and the notes are its caption."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_escape(' '.join([table.title + '.', *table.notes]))}}}"]
    lines += [rf"\begin{{tabular}}{{ll{'r' * (len(table.columns) - 2)}}}", r"\toprule"]
    lines += [" & ".join(map(_escape, table.columns)) + r" \\", r"\midrule"]
    before = None
    for row in table.rows:
        if before is not None and row[0] != before:
            lines.append(r"\midrule")
        before = row[0]
        lines.append(" & ".join(map(_escape, row)) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def as_csv(table: Table) -> str:
    """Return the records as CSV, one column a key; None is an empty cell."""
    names = list(dict.fromkeys(key for record in table.records for key in record))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.records)
    return text.getvalue()


def as_json(table: Table) -> str:
    """Return title, notes and records as JSON; a value that is not finite raises an error."""
    content = {"title": table.title, "notes": list(table.notes), "rows": [dict(record) for record in table.records]}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def show(table: Table) -> None:
    """Print the table and its notes in the terminal, or 170 characters wide where there is none."""
    console = Console() if Console().is_terminal else Console(width=170)
    shown = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if index < 2 else "right", no_wrap=index < 2)
    for index, row in enumerate(table.rows):
        last = index + 1 == len(table.rows) or table.rows[index + 1][0] != row[0]
        shown.add_row(*row, end_section=last)
    console.print(shown)
    for note in table.notes:
        console.print(note, highlight=False, markup=False)


# suffix -> writer
FORMATS: dict[str, Callable[[Table], str]] = {"md": markdown, "tex": latex, "csv": as_csv, "json": as_json}


def render(table: Table, suffix: str) -> str:
    """Return the table as text in one of FORMATS.

    Raises:
        ConfigError: the format is not one of them.
    """
    if suffix not in FORMATS:
        raise ConfigError(f"format {suffix!r} is not one of {', '.join(FORMATS)}")
    return FORMATS[suffix](table)


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
