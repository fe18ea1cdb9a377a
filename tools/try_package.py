"""Install every package of a folder in a fresh environment, and try what a newcomer would; run tests of the sdist.

Training and tests need much more than the package (torch alone has 200 MB), so these borrow it from the environment
that runs this program: its interpreter, with the fresh environment's packages first.

python tools/try_package.py dist
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "chelsea.png"
# Quick ones, which read the files that are easily forgotten: examples, recipes, references, documents, tools.
TESTS = (
    "test_face.py",
    "test_site.py",
    "test_weights.py",
    "cli/test_recipes_command.py",
    "upscaling/test_snapshots.py",
)


def main(folder: Path) -> None:
    """Try the packages one after the other; ends with an error at the first that does not work."""
    packages = sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")])
    if len(packages) != 2:
        sys.exit(f"{folder}: holds {len(packages)} packages; a wheel and an sdist are wanted")
    for package in packages:
        with tempfile.TemporaryDirectory() as place:
            borrowing = attempt(package.resolve(), Path(place))
            if package.suffix == ".gz":
                run_tests(package, Path(place) / "unpacked", borrowing)
        print(f"{package.name}: installs and works")


def attempt(package: Path, place: Path) -> dict[str, str]:
    """Install one package, run the first commands away from the checkout, and return an environment that has it."""
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
    shutil.copy(PHOTO, place / "photo.png")
    run(fourpass, "upscale", "photo.png")  # the README's first line
    if not (place / "photo_x4.png").exists():
        sys.exit(f"{package.name}: upscale photo.png wrote no photo_x4.png")
    run(fourpass, "upscale", PHOTO, "-s", "2", "-n", "swift", "-o", place / "larger.png")
    run(scripts / "python", "-c", "import fourpass; fourpass.upscale")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    borrowing = {**environment, "PYTHONPATH": run(scripts / "python", "-c", code).strip()}
    used = subprocess.run(
        [sys.executable, "-c", "import fourpass; print(fourpass.__file__)"],
        cwd=place,
        env=borrowing,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    if borrowing["PYTHONPATH"] not in used:
        sys.exit(f"{package.name}: {used.strip()} runs instead of what was installed")
    for name in ("chelsea.png", "coffee.jpg"):
        (place / "photos").mkdir(exist_ok=True)
        shutil.copy(ROOT / "examples" / name, place / "photos")
    train = ["train", "eusr", "--recipe", "tiny/eusr", "--data", "photos", "--out", "RUN"]
    refused = subprocess.run(
        [fourpass, *train], cwd=place, env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    if refused.returncode != 2 or "pip install 'fourpass[train]'" not in refused.stderr:
        sys.exit(f"{package.name}: without torch, training does not say what to install: {refused.stderr}")
    run(fourpass, "recipes", "tiny/eusr", "-o", "tiny.toml")
    recipe = (place / "tiny.toml").read_text(encoding="utf-8")
    (place / "tiny.toml").write_text(recipe.replace("steps = 1200", "steps = 2"), encoding="utf-8")
    train[train.index("tiny/eusr")] = "tiny.toml"
    subprocess.run([sys.executable, "-m", "fourpass.cli.app", *train], cwd=place, env=borrowing, check=True)
    if not list((place / "RUN").rglob("*.safetensors")):
        sys.exit(f"{package.name}: training wrote no weights")
    return borrowing


def run_tests(package: Path, place: Path, environment: dict[str, str]) -> None:
    """Unpack an sdist, see that every test can be collected, and run some, on the code beside them."""
    with tarfile.open(package) as archive:
        archive.extractall(place, filter="data")
    (unpacked,) = place.iterdir()
    environment = {**environment, "PYTHONPATH": str(unpacked / "src")}
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for arguments in (["--collect-only", "-qq"], [f"tests/{name}" for name in TESTS]):
        subprocess.run([*pytest, *arguments], cwd=unpacked, env=environment, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
