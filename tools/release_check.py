"""Say what is missing before this commit can be released; docs/release.md has the whole list.

python tools/release_check.py [TAG]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def problems(root: Path, tag: str | None) -> list[str]:
    """Return what is wrong, one line each."""
    found = []
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.search(r'^__version__ = "(.+)"$', (root / "src/fourpass/__init__.py").read_text("utf-8"), re.M)
    if version is None:
        return ["src/fourpass/__init__.py has no __version__"]
    if any(".example" in address for address in project["urls"].values()):
        found.append("pyproject.toml, [project.urls]: fourpass.example is a placeholder; set the project's address")
    if not re.search(
        rf"^## {re.escape(version[1])} \(\d{{4}}-\d\d-\d\d\)$", (root / "CHANGELOG.md").read_text("utf-8"), re.M
    ):
        found.append(f"CHANGELOG.md has no heading '## {version[1]} (YYYY-MM-DD)'")
    if tag is not None and tag != f"v{version[1]}":
        found.append(f"the tag is {tag}, and the version is {version[1]}")
    return found


if __name__ == "__main__":
    lines = problems(ROOT, sys.argv[1] if len(sys.argv) > 1 else None)
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1 if lines else 0)
