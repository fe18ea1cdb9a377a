"""``fourpass recipes``: the training recipes that come with fourpass; list them, show one, copy one."""

from __future__ import annotations

from pathlib import Path

import typer

from fourpass.cli import help as help_text


def recipes(
    name: str | None = typer.Argument(
        None,
        autocompletion=help_text.recipes,
        help="A packaged recipe to show, such as cpu/eusr. Default: list them all.",
    ),
    output: Path | None = typer.Option(None, "-o", "--output", help="Copy the recipe to this file or folder."),
) -> None:
    """List the packaged training recipes, show one, or copy one to edit."""
    from fourpass.disk import atomic
    from fourpass.errors import ConfigError
    from fourpass.training import recipe_files

    if name is None:
        if output is not None:
            raise ConfigError("-o copies one recipe; name it, for example: fourpass recipes cpu/eusr -o my.toml")
        known = recipe_files.names()
        width = max(map(len, known))
        for each in known:
            print(f"{each:<{width}}  {recipe_files.summary(each)}".rstrip())
        return
    text = recipe_files.text(name)
    if output is None:
        print(text, end="")
        return
    target = output / f"{Path(name).name}.toml" if output.is_dir() else output
    if target.exists():
        raise ConfigError(f"{target}: already exists; delete it, or name another file with -o")
    atomic.write(target, text.encode(), ConfigError)
    print(f"{target}: use it with fourpass train PHASE --recipe {target}")
