"""Change the code one small way after the other, and see whether a test fails: a sample of mutants, and who survives.

Each mutant changes one operator, comparison, number or call. The tests that run its line, quickest first, run in a
process of their own, forked after the heavy imports, until one fails. Needs the dev extra, and a system that can fork.

python tools/mutate.py --count 150 --seed 0 --out build/mutants.json
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.util
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("imaging", "metrics", "losses", "upscaling")
FACE = ("tests/test_api.py", "tests/test_family.py")  # tests of `upscaling` that lie elsewhere
HEAVY = ("numpy", "scipy.ndimage", "scipy.special", "PIL.Image", "pyvips", "torch", "safetensors", "onnx", "openvino")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "floor": "ceil", "ceil": "floor"}
NAMES |= {"any": "all", "all": "any", "sum": "mean", "mean": "sum", "rows": "columns", "columns": "rows"}
CHECKS = ("strict", "frozen", "compare", "repr")  # keywords that check what is true anyhow


@dataclass
class Mutant:
    """One change: where, what, and how it ended: killed, survived, or slow (stopped, which counts as killed)."""

    file: str
    line: int
    before: str
    after: str
    end: str = ""
    by: str = ""
    tests: int = 0


def main() -> None:
    """Draw the sample, run it, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--packages", nargs="+", default=PACKAGES)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "mutants.json")
    parser.add_argument("--again", type=Path, help="run only the survivors that a former --out lists")
    chosen = parser.parse_args()
    for name in HEAVY:
        if importlib.util.find_spec(name.partition(".")[0]):
            __import__(name)
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place)
        for name in ("src", "tests", "pyproject.toml", "examples", "recipes"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tree / name)
        os.chdir(tree)
        mutants = [found for package in chosen.packages for found in every_mutant(tree, package)]
        random.Random(chosen.seed).shuffle(mutants)
        if chosen.again:
            former = [Mutant(**each) for each in json.loads(chosen.again.read_text())]
            wanted = {(each.file, each.before, each.after) for each in former if each.end == "survived"}
            mutants = [each for each in mutants if (each[0].file, each[0].before, each[0].after) in wanted]
        covering = Covering(tree, chosen.packages)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        done: list[Mutant] = []
        for mutant, source in mutants[: chosen.count]:
            run(tree, mutant, source, covering)
            done.append(mutant)
            print(
                f"{len(done)}: {mutant.end} {mutant.file}:{mutant.line} {mutant.before} -> {mutant.after}", flush=True
            )
            chosen.out.write_text(json.dumps([asdict(each) for each in done], indent=1))
    table(done)


def table(done: list[Mutant]) -> None:
    """Print how many of each package were killed."""
    print("| package | mutants | killed | share |\n| --- | ---: | ---: | ---: |")
    total, killed = Counter[str](), Counter[str]()
    for each in done:
        for package in (each.file.split("/")[2], "all"):
            total[package] += 1
            killed[package] += each.end != "survived"
    for package in [*sorted(set(total) - {"all"}), "all"]:
        print(f"| {package} | {total[package]} | {killed[package]} | {killed[package] / total[package]:.0%} |")


def every_mutant(tree: Path, package: str) -> Iterator[tuple[Mutant, str]]:
    """Yield every change that can be made to a package, with the file's whole text after it."""
    for path in sorted((tree / "src" / "fourpass" / package).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        module = ast.parse(text)
        nodes = [node for node in ast.walk(module) if hasattr(node, "lineno")]
        untouched = {id(part) for node in nodes for whole in left_alone(node) for part in ast.walk(whole)}
        for node in nodes:
            if id(node) in untouched:
                continue
            for changed in changes(node):
                before, after = ast.get_source_segment(text, node) or "", ast.unparse(changed)
                name = str(path.relative_to(tree))
                yield Mutant(name, node.lineno, " ".join(before.split()), after), spliced(text, node, after)


def left_alone(node: ast.AST) -> list[ast.AST]:
    """Return the parts of a node that mean nothing to a test: words of errors, types, docstrings."""
    if isinstance(node, ast.Raise):
        return [node.exc] if node.exc else []
    if isinstance(node, ast.FunctionDef):
        hints = [each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg) and each.annotation]
        return [*hints, *([node.returns] if node.returns else []), *node.decorator_list]
    if isinstance(node, ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return [node]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list]
    if isinstance(node, ast.keyword):
        return [node.value] if node.arg in CHECKS else []
    return [node] if isinstance(node, (ast.Assert, ast.JoinedStr)) else []


def changes(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what an expression may become."""
    changed: Any = copy.deepcopy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        changed.ops[0] = SWAPS[type(node.ops[0])]()
    elif isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in SWAPS:
        changed.op = SWAPS[type(node.op)]()
        sides = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
        if any(isinstance(side, ast.Constant) and isinstance(side.value, str) for side in sides):
            return
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        changed = changed.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        changed.value = not node.value
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        changed.value = node.value + 1
    elif isinstance(node, ast.Constant) and isinstance(node.value, float):
        changed.value = node.value * 1.25 or 1.0
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in NAMES:
        changed.func.attr = NAMES[node.func.attr]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        changed.func.id = NAMES[node.func.id]
    elif isinstance(node, ast.IfExp):
        changed.body, changed.orelse = changed.orelse, changed.body
    else:
        return
    yield changed


def spliced(text: str, node: Any, after: str) -> str:
    """Return a text with one expression replaced; lines stay where they are."""
    lines = text.encode().splitlines(keepends=True)
    head = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    tail = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (head + f"({after}".encode() + b"\n" * (node.end_lineno - node.lineno) + b")" + tail).decode()


class Covering:
    """Which tests run a line, quickest first; found out by one run of the unchanged code."""

    def __init__(self, tree: Path, packages: list[str]) -> None:
        import coverage

        data = tree / "covered"
        arguments = [
            "--cov=fourpass",
            "--cov-context=test",
            "--cov-report=",
            *(f"tests/{each}" for each in packages),
            *FACE,
        ]
        seconds = tree / "seconds.json"
        started = time.monotonic()
        forked(tree, arguments, seconds, data, None)
        self.seconds: dict[str, float] = json.loads(seconds.read_text())
        print(f"{len(self.seconds)} tests of the unchanged code: {time.monotonic() - started:.0f} s", flush=True)
        self._data = coverage.CoverageData(str(data))
        self._data.read()
        self._tree = tree

    def tests(self, file: str, line: int) -> list[str]:
        """Return the tests of a line; of a module's own lines, all that run any line of it."""
        by_line = self._data.contexts_by_lineno(str(self._tree / file))
        names = {name.rpartition("|")[0] for name in by_line.get(line, [])} - {""}
        if not names:
            names = {name.rpartition("|")[0] for each in by_line.values() for name in each} - {""}
        return sorted((name for name in names if name in self.seconds), key=lambda name: self.seconds[name])


def run(tree: Path, mutant: Mutant, source: str, covering: Covering) -> None:
    """Say how a mutant ends."""
    tests = covering.tests(mutant.file, mutant.line)
    mutant.tests = len(tests)
    if not tests:
        mutant.end = "survived"
        return
    file = tree / mutant.file
    before = file.read_text(encoding="utf-8")
    file.write_text(source, encoding="utf-8")
    outcome = tree / "outcome.json"
    outcome.unlink(missing_ok=True)
    limit = int(20 + 4 * sum(covering.seconds[name] for name in tests))
    try:
        status = forked(tree, ["-x", *tests], outcome, None, limit)
    finally:
        file.write_text(before, encoding="utf-8")
    failed = [name for name, took in json.loads(outcome.read_text()).items() if took < 0] if outcome.exists() else []
    uncollected = os.WIFEXITED(status) and os.WEXITSTATUS(status) in (4, 5)  # the mutant's fault, or ours?
    if uncollected and forked(tree, ["--collect-only", *tests], outcome, None, None):
        raise SystemExit(f"{tests[:3]} ...: cannot be run by their names")
    mutant.end = "survived" if status == 0 else "killed" if os.WIFEXITED(status) else "slow"
    mutant.by = failed[0] if failed else ""


def forked(tree: Path, arguments: list[str], seconds: Path, data: Path | None, limit: int | None) -> int:
    """Run pytest in a child with the tree's code; return its status. It writes each test's seconds, -1 if failed."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    status = 2
    with contextlib.suppress(BaseException):
        import pytest

        if limit:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        if data:
            os.environ["COVERAGE_FILE"] = str(data)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.path.insert(0, str(tree / "src"))
        os.environ["PYTHONPATH"] = str(tree / "src")
        sys.dont_write_bytecode = True
        importlib.invalidate_caches()
        took: dict[str, float] = {}

        class Clock:
            @staticmethod
            def pytest_runtest_logreport(report: Any) -> None:
                if not report.skipped:
                    took[report.nodeid] = -1.0 if report.failed else took.get(report.nodeid, 0.0) + report.duration

        common = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tree)]
        status = int(pytest.main([*common, *arguments], plugins=[Clock()]))
        seconds.write_text(json.dumps(took))
    os._exit(status)


if __name__ == "__main__":
    main()
