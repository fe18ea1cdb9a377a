"""Install every package of a folder in a fresh environment, and try what a newcomer would.

python tools/try_package.py dist
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "chelsea.png"


def main(folder: Path) -> None:
    """Try the packages one after the other; ends with an error at the first that does not work."""
    packages = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    if len(packages) != 2:
        sys.exit(f"{folder}: holds {len(packages)} packages; a wheel and an sdist are wanted")
    for package in packages:
        with tempfile.TemporaryDirectory() as place:
            attempt(package.resolve(), Path(place))
        print(f"{package.name}: installs and works")


def attempt(package: Path, place: Path) -> None:
    """Install one package, and run the first commands away from the checkout."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    scripts = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    venv.create(place / "venv", with_pip=True)

    def run(*words: str | Path) -> str:
        command = [str(word) for word in words]
        done = subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    run(scripts / "python", "-m", "pip", "install", "-q", package)
    fourpass = scripts / "fourpass"
    version = run(fourpass, "--version").split()[1]
    if f"fourpass-{version}" not in package.name:
        sys.exit(f"{package.name}: says that it is version {version}")
    run(fourpass, "doctor")
    if "cpu/eusr " not in run(fourpass, "recipes"):
        sys.exit(f"{package.name}: has no recipes")
    run(fourpass, "recipes", "cpu/eusr", "-o", "my.toml")
    run(fourpass, "upscale", PHOTO, "-s", "2", "-n", "swift", "-o", place / "larger.png")
    run(scripts / "python", "-c", "import fourpass; fourpass.upscale")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
