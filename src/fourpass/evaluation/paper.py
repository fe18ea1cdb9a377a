"""The paper's tables with our measured values beside the paper's; both are CSV files that come with the code."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fourpass import weights
from fourpass.errors import BackendError, DatasetError
from fourpass.evaluation.measures import NEEDS_MODEL
from fourpass.evaluation.methods import NAMES
from fourpass.evaluation.tables import Table
from fourpass.losses.published import METHODS, parameters_of, properties_of

_PAPER = Path(__file__).parent / "data"
_MEASURED = Path(__file__).parent / "results"

MISSING = "no weights"
UNMEASURED = "not measured"
SEPARATE = (3, 4, 5)  # tables whose rows must come of one network (3), or of equal runs (4 and 5)
COLUMNS = {"psnr_y_db": "PSNR", "ssim_y": "SSIM", "niqe": "NIQE", "sr_score": "SR score"}
TITLES = {
    1: "Table 1. Properties of the baseline models and 4PP-EUSR",
    2: "Table 2. Performance of the baselines and 4PP-EUSR, x4",
    3: "Table 3. Performance of the three upscaling paths of 4PP-EUSR",
    4: "Table 4. Performance of 4PP-EUSR trained without specific losses",
    5: "Table 5. Performance of 4PP-EUSR trained with different weights of the reconstruction loss",
}
_PROPERTIES = {
    "multi_scale": "Multi-scale",
    "reconstruction_loss": "Reconstruction loss",
    "adversarial_loss": "Adversarial loss",
    "feature_loss": "Feature loss",
    "perceptual_loss": "Perceptual loss",
}

Row = Mapping[str, str]
Key = tuple[str, str]  # set and method


def paper_rows(number: int) -> list[Row]:
    """Rows of a table as the paper prints them: of ``data/tables.csv``, or for Table 1 of ``data/table1.csv``."""
    if number == 1:
        return _read(_PAPER / "table1.csv")
    return [row for row in _read(_PAPER / "tables.csv") if row["table"] == str(number)]


def measured_rows(number: int, files: Sequence[Path] = (), *, alone: bool = False) -> dict[Key, Row]:
    """Our rows for a table: those of the given files; in Table 2 they take the place of rows committed with the code.

    Args:
        number: 2..5. In Tables 3 to 5 rows of other runs are no part of the comparison: where files are given, only
            they count.
        files: CSV files as ``fourpass evaluate`` writes them (``summary.csv``).
        alone: in Table 2 too, rows of files stand alone.

    Raises:
        DatasetError: a file is missing or malformed, has a row twice, or a row without protocol or command.
    """
    committed = _MEASURED / f"table{number}.csv"
    alone = bool(files) and (alone or number in SEPARATE)
    found: dict[Key, Row] = {}
    for file in [*([committed] if committed.is_file() and not alone else []), *files]:
        found |= _keyed(_read(file), file)
    return found


def check_alike(number: int, rows: Mapping[Key, Row]) -> None:
    """Check that the rows of Table 3, 4 or 5 can be compared with each other.

    Raises:
        DatasetError: they are of different protocols; in Table 3 of different weights; in Tables 4 and 5 of different
            numbers of steps.
    """
    if number not in SEPARATE:
        return
    shown = {row["method"] for row in paper_rows(number)}
    compared = [row for (_, method), row in rows.items() if method.split("#")[0] in shown]
    for column, what in (
        ("protocol", "protocols"),
        *([("weights", "weights")] if number == 3 else [("steps", "steps")]),
    ):
        values = list(dict.fromkeys(row[column] for row in compared if row.get(column)))
        if len(values) > 1:
            raise DatasetError(
                f"table{number} compares rows of different {what} ({'; '.join(values)})",
                hint="measure all of them in one run of fourpass evaluate and give its summary.csv",
                key="results",
            )


def live_rows(table: Table) -> dict[Key, Row]:
    """Rows just measured, from the summary's table, as if they had been read from its CSV file."""
    return {
        (str(record["dataset"]), str(record["method"])): _as_the_papers_columns(
            {key: "" if value is None else str(value) for key, value in record.items()}
        )
        for record in table.records
    }


def protocols(rows: Iterable[Row]) -> list[str]:
    """The protocols that rows were measured by, each once."""
    return list(dict.fromkeys(row["protocol"] for row in rows)) or ["nothing of ours was measured"]


def properties_table() -> Table:
    """Table 1: each model's structure and training, read from the code, next to the paper's."""
    printed = {row["method"]: row for row in paper_rows(1)}
    rows, records = [], []
    for name, method in METHODS.items():
        paper, ours = printed[method.title], properties_of(name)
        try:
            count = f"{parameters_of(name) / 1e6:.3f}"
        except BackendError:
            count = ""
        cells = [value if value == paper[key] else f"{value} (paper: {paper[key]})" for key, value in ours.items()]
        rows.append([method.title, f"{paper['parameters_millions']}M", f"{count}M" if count else "needs torch", *cells])
        record: dict[str, str | None] = {"method": method.title, "parameters_millions_ours": count or None}
        record |= {f"{key}_ours": value for key, value in ours.items()}
        record |= {f"{key}_paper": value for key, value in paper.items() if key != "method"}
        records.append(record | {"protocol": "weights and biases counted"})
    notes = [
        "Protocol: weights and biases of the upscaling network are counted, not those of discriminator and predictors.",
        "Losses as our recipes have them (losses.published); where the paper's table says otherwise, it is there too.",
    ]
    return Table(TITLES[1], ["Method", "Parameters, paper", "Ours", *_PROPERTIES.values()], rows, notes, records)


def performance_table(number: int, measured: Mapping[Key, Row]) -> Table:
    """Tables 2 to 5: each row of the paper next to ours, then our rows that the paper does not have."""
    printed = {(row["dataset"], row["method"]): row for row in paper_rows(number)}
    sets = list(dict.fromkeys(dataset for dataset, _ in printed))
    extra = [key for key in measured if key not in printed and key[0] in sets]
    placed = [more for key in printed for more in (key, *(one for one in extra if _belongs(one, key)))]
    placed += [key for key in extra if key not in placed]
    keys = [key for dataset in sets for key in placed if key[0] == dataset]
    shown = [measured[key] for key in keys if key in measured]
    rows = [_performance_row(key, printed.get(key), measured.get(key)) for key in keys]
    records = [_performance_record(number, key, printed.get(key), measured.get(key)) for key in keys]
    headings = ["Set", "Method"]
    headings += [f"{label}, {whose}" for label in COLUMNS.values() for whose in ("paper", "ours")]
    return Table(TITLES[number], [*headings, "Steps, ours"], rows, _notes(shown), records)


def plane_points(measured: Mapping[Key, Row], dataset: str = "BSD100") -> dict[str, dict[str, tuple[float, float]]]:
    """Fig. 6: PSNR and NIQE of each method on a set, under ``paper`` and under ``ours``."""
    points = {}
    for whose, rows in (("paper", paper_rows(2)), ("ours", measured.values())):
        points[whose] = {
            row["method"]: (float(row["psnr_y_db"]), float(row["niqe"]))
            for row in rows
            if row["dataset"] == dataset and row.get("psnr_y_db") and row.get("niqe")
        }
    return points


def _performance_row(key: Key, paper: Row | None, ours: Row | None) -> list[str]:
    cells = []
    for column in COLUMNS:
        cells.append(_number(paper[column]) if paper else "–")
        if ours is None:
            cells.append(_why_missing(key) if column == "psnr_y_db" else "")
        elif ours.get(column):
            cells.append(_number(ours[column]))
        else:
            cells.append(NEEDS_MODEL if column == "sr_score" else "–")
    steps = (ours or {}).get("steps", "")
    return [*key, *cells, f"{int(steps):,}" if steps else ""]


def _performance_record(number: int, key: Key, paper: Row | None, ours: Row | None) -> dict[str, str | None]:
    record: dict[str, str | None] = {"table": str(number), "dataset": key[0], "method": key[1]}
    for column in COLUMNS:
        record[f"{column}_paper"] = paper[column] if paper else None
        for end in ("", "_low", "_high"):
            record[f"{column}_ours{end}"] = (ours or {}).get(column + end) or None
    record["status"] = "measured" if ours else _why_missing(key)
    for column in ("steps", "weights", "protocol", "command", "note"):
        record[column] = (ours or {}).get(column) or None
    return record


def _why_missing(key: Key) -> str:
    """Ours is missing for want of weights, or because nobody measured yet what is at hand (--data does)."""
    at_hand = {"Bicubic", *(NAMES[name] for name in weights.available() if name in NAMES)}
    return UNMEASURED if key[1] in at_hand else MISSING


def _notes(shown: Sequence[Row]) -> list[str]:
    notes = []
    for protocol in protocols(shown):
        names = dict.fromkeys(row["method"] for row in shown if row["protocol"] == protocol)
        whose = "our rows" if len(protocols(shown)) == 1 else ", ".join(names)
        notes.append(f"Protocol of {whose}: {protocol}.")
    notes.append("Paper: Y channel, 4 px cropped from each border (Choi et al. 2018, section 5).")
    notes += dict.fromkeys(f"{row['method']}: {row['note']}." for row in shown if row.get("note"))
    return [*notes, f"'{NEEDS_MODEL}': Ma's SR score takes the authors' file; see docs/reference/metrics.md."]


def _keyed(rows: list[Row], file: Path) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for line, row in enumerate(rows, 2):
        if row.get("scale") not in (None, "", "4"):
            continue  # the paper's tables are all x4
        key = (row.get("dataset", ""), row.get("method", ""))
        if key in found:
            raise DatasetError(f"{file}, line {line}: {' '.join(key)} appears twice", hint="keep one of the rows")
        for column in ("dataset", "method", "protocol", "command"):
            if not row.get(column):
                raise DatasetError(
                    f"{file}, line {line}: the column {column} is empty", hint="write it with fourpass evaluate"
                )
        for column in (*COLUMNS, "steps"):
            _check_number(row.get(column), column, f"{file}, line {line}")
        found[key] = _as_the_papers_columns(row)
    return found


def _as_the_papers_columns(row: Row) -> Row:
    """Name the columns of PSNR and SSIM as the paper's rows do, whether Y was rounded or not: the protocol says it."""
    return {key.replace("psnr_y8_", "psnr_y_").replace("ssim_y8", "ssim_y"): value for key, value in row.items()}


def _belongs(extra: Key, row: Key) -> bool:
    """Whether a row of ours, ``SRGAN-MSE (equal aids)`` say, stands below the paper's row of the same method."""
    return extra[0] == row[0] and extra[1].startswith((f"{row[1]} (", f"{row[1]}#"))


def _read(file: Path) -> list[Row]:
    try:
        with file.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror})", subject=file) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DatasetError(f"not a CSV file ({error})", subject=file) from None
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise DatasetError(f"{file}, line {line}: has more or fewer cells than the heading")
    return list(rows)


def _check_number(text: str | None, column: str, where: str) -> None:
    try:
        if text and not float(text) >= 0:
            raise ValueError
    except ValueError:
        raise DatasetError(f"{column} is {text!r}, not a number of 0 or more", subject=where) from None


def _number(text: str) -> str:
    return f"{float(text):.4f}"
