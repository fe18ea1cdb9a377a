"""No module imports itself by way of others, imports inside functions and for type checkers included."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

grimp = pytest.importorskip("grimp")  # comes with import-linter


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules of which each is reached from each, itself included."""
    reached = {name: _reached(name, imports) for name in imports}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in imports}
    return sorted(sorted(group) for group in groups if group)


def _reached(start: str, imports: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    to_see = [start]
    while to_see:
        new = imports[to_see.pop()] - seen
        seen |= new
        to_see += new
    return seen


def test_circles_are_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"a", "f"}, "f": {"e"}}
    assert circles(imports) == [["b", "c"], ["e", "f"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_the_package_has_none() -> None:
    graph = grimp.build_graph("fourpass", cache_dir=None)
    assert len(graph.modules) > 200
    assert circles({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}) == []
