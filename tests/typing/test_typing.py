"""mypy in strict mode agrees with what the public names say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.mark.parametrize("name", ["public_api.py", "pil_kind.py"])
def test_mypy_knows_the_kind_of_each_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    api = pytest.importorskip("mypy.api")
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MYPYPATH", str(ROOT / "src"))
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--warn-unused-ignores"]
    said, failed, code = api.run([*settings, str(HERE / name)])
    assert code == 0, said + failed
