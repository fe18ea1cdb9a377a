"""The experiments as commands: one per phase, with what each waits for and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from fourpass.errors import ConfigError
from fourpass.losses.published import METHODS

KINDS = ("authors", "paper", "cpu", "tiny")
SEEDS = 3  # of the two rows without a predictor, and of the row that they are compared with
SETS = ("Set5", "Set14", "BSD100")
_PROTOCOL = ("--scale", "4", "--channel", "y8", "--ssim-region", "same")
_ADVERSARIAL = ("srgan-mse", "srgan-vgg22", "srgan-vgg54", "cx")
# recipe of recipes/KIND/ablation -> row of Tables 4 and 5
ABLATIONS = {
    "all_losses": "with all losses",
    "without_l_r": "without l_r",
    "without_l_g": "without l_g",
    "without_l_as_l_ar": "without l_as,l_ar",
    "without_l_ss_l_sr": "without l_ss,l_sr",
    "alpha_r_0.3": "alpha_r=0.3",
    "alpha_r_0.003": "alpha_r=0.003",
}
_SEEDED = ("all_losses", "without_l_as_l_ar", "without_l_ss_l_sr")


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        name: of the step, and of its folder below the runs.
        command: words after ``fourpass``, given which steps are done.
        sources: of `fourpass.reproduction.sources.SOURCES`, that it reads.
        after: steps that must be done first.
        any_of: at least one of these must be done first; empty for no such requirement.
        makes: the file that exists when it is done.
    """

    name: str
    command: Callable[[Collection[str]], list[str]]
    sources: tuple[str, ...]
    after: tuple[str, ...]
    makes: Path
    any_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReproductionPlan:
    """Makes the steps of one set of recipes.

    Attributes:
        kind: folder of recipes: ``authors`` (what the released tables were trained with), ``paper`` (the text), ``cpu``
            (hours on one core, from the packaged weights) or ``tiny`` (minutes, to see that everything works; Tables 3
            to 5 left out).
        root: holds the data, see `fourpass.reproduction.sources`.
        out: folder of all output.
        recipes: folder of the recipes.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    kind: str
    root: Path
    out: Path
    recipes: Path
    device: str = "auto"

    def steps(self) -> list[Step]:
        """Return all steps, each after those that it waits for.

        Raises:
            ConfigError: an unknown kind.
        """
        if self.kind not in KINDS:
            raise ConfigError(f"recipes {self.kind} is not one of {', '.join(KINDS)}", key="recipes")
        return [*self._networks(), *self._ablations(), *self._compared(), *self._tables()]

    @property
    def trains_predictors(self) -> bool:
        """Whether the predictors are trained; otherwise the packaged ones are used."""
        return self.kind in ("authors", "paper")

    def weights(self, name: str) -> str:
        """Path of the weights that a training step writes."""
        return str(self.out / "runs" / name / "last.safetensors")

    def _train(
        self,
        name: str,
        phase: str,
        recipe: str,
        *words: str,
        data: str = "DIV2K",
        after: tuple[str, ...] = (),
        sources: tuple[str, ...] | None = None,
    ) -> Step:
        folder = self.out / "runs" / name
        command = ["train", phase, "--recipe", str(self.recipes / recipe), "--data", str(self.root / data)]
        command += ["--out", str(folder), "--device", self.device, *words]
        return Step(
            name, lambda _: command, (data,) if sources is None else sources, after, folder / "last.safetensors"
        )

    def _networks(self) -> Iterator[Step]:
        """EUSR, the two predictors (on processors the packaged ones), 4PP-EUSR."""
        trunk = self.root / "mobilenet_v2-b0353104.pth"
        given = ("--set", f"trunk={trunk}") if trunk.is_file() else ()
        yield self._train("eusr", "eusr", f"{self.kind}/eusr.toml")
        if self.trains_predictors:
            yield self._train("aesthetic", "aesthetic", f"{self.kind}/aesthetic.toml", *given, data="AVA")
            yield self._train("subjective", "subjective", f"{self.kind}/subjective.toml", *given, data="TID2013")
        recipe = "cpu/published/perceptual.toml" if self.kind == "cpu" else f"{self.kind}/perceptual.toml"
        yield self._perceptual("4pp-eusr", recipe)
        if self.kind == "cpu":
            yield self._perceptual("4pp-eusr-aided", "cpu/aided/perceptual.toml")

    def _perceptual(self, name: str, recipe: str, *words: str) -> Step:
        before = ("eusr", *(("aesthetic", "subjective") if self.trains_predictors else ()))
        settings = [f"{kind}={self.weights(kind)}" for kind in before[1:]]
        words = ("--init", self.weights("eusr"), *(word for text in settings for word in ("--set", text)), *words)
        return self._train(name, "perceptual", recipe, *words, after=before)

    def _ablations(self) -> Iterator[Step]:
        """The rows of Tables 3 to 5, three seeds for those that differ the least."""
        if self.kind == "tiny":
            return
        for recipe in ABLATIONS:
            for seed in range(SEEDS if recipe in _SEEDED else 1):
                yield self._perceptual(
                    f"{recipe}-{seed}", f"{self.kind}/ablation/{recipe}.toml", "--set", f"seed={seed}"
                )

    def _compared(self) -> Iterator[Step]:
        """The other methods of Table 2; on processors also with the aids that 4PP-EUSR has."""
        folder = {"authors": "paper", "cpu": "cpu/published"}.get(self.kind, self.kind)
        vgg = self.root / "vgg19-dcbb9e9d.pth"
        start = "srresnet-mse"
        if self.kind == "cpu":
            start = "srresnet-start"
            yield self._train(start, "srresnet-mse", f"{folder}/srresnet-mse.toml", "--set", "steps=8000")
        for name in ("srresnet-mse", "srresnet-vgg22", "edsr", "mdsr", *_ADVERSARIAL):
            given = ("--set", f"vgg={vgg}") if METHODS[name].losses.needs_vgg and vgg.is_file() else ()
            if not METHODS[name].start:
                yield self._train(name, name, f"{folder}/{name}.toml", *given)
                continue
            given = ("--init", self.weights(start), *given)
            yield self._train(name, name, f"{folder}/{name}.toml", *given, after=(start,))
            if self.kind == "cpu":
                yield self._train(f"{name}-aided", name, f"cpu/aided/{name}.toml", *given, after=(start,))

    def rows(self, table: int) -> dict[str, tuple[str, str]]:
        """Return the rows of Tables 2 to 5 that are trained: label -> step, and path of the network (may be empty)."""
        if table == 2:
            found = {
                method.title: (name, "self-ensemble" if method.self_ensemble else "")
                for name, method in METHODS.items()
            }
            if self.kind == "cpu":
                aided = ("4pp-eusr", *_ADVERSARIAL)
                found |= {f"{METHODS[name].title} (equal aids)": (f"{name}-aided", "") for name in aided}
            return found
        if table == 3:
            return {path: ("all_losses-0", path) for path in ("x4", "x2-x2", "x8-downscale")}
        rows = {}
        for recipe, label in ABLATIONS.items():
            alpha = recipe.startswith("alpha")
            if recipe == "all_losses" and table == 5:
                rows["alpha_r=0.03"] = ("all_losses-0", "")
            elif alpha == (table == 5):
                runs = SEEDS if recipe in _SEEDED else 1
                rows |= {f"{label}#{s}" if runs > 1 else label: (f"{recipe}-{s}", "") for s in range(runs)}
        return rows

    def _methods(self, table: int, done: Collection[str]) -> list[str]:
        """``--methods`` for the rows whose networks are done; a label may hold a comma."""
        items = ['"Bicubic=bicubic"'] if table == 2 else []
        for label, (step, path) in self.rows(table).items():
            if step in done:
                items.append(f'"{label}={self.weights(step)}{"@" + path if path else ""}"')
        return ["--methods", ",".join(items)]

    def _tables(self) -> Iterator[Step]:
        sets = [word for name in SETS for word in ("--data", str(self.root / name))]
        forests = self.root / "model.mat"
        given = ["--ma-model", str(forests)] if forests.is_file() else []
        shown = self.out / "tables"
        for table in (2,) if self.kind == "tiny" else (2, 3, 4, 5):
            steps = tuple(dict.fromkeys(step for step, _ in self.rows(table).values()))
            measured = self.out / f"table{table}"

            def measure(done: Collection[str], table: int = table, measured: Path = measured) -> list[str]:
                return ["evaluate", *sets, *_PROTOCOL, *self._methods(table, done), *given, "-o", str(measured)]

            def show(_: Collection[str], table: int = table, measured: Path = measured) -> list[str]:
                items = [f"table{table}", *(["fig6"] if table == 2 else [])]
                return ["reproduce", *items, "--results", str(measured / "summary.csv"), "--alone", "-o", str(shown)]

            name = f"measure-table{table}"
            yield Step(name, measure, SETS, (), measured / "summary.csv", any_of=steps)
            yield Step(f"table{table}", show, (), (name,), shown / f"table{table}.md")
            figures = {2: ["fig7", "fig8"], 3: ["fig9"], 4: ["fig10"], 5: ["fig11"]}[table]

            def draw(done: Collection[str], table: int = table, figures: list[str] = figures) -> list[str]:
                words = [word.replace("#0=", "=") for word in self._methods(table, done)]
                return ["reproduce", *figures, *sets, *words, "-o", str(shown)]

            yield Step("+".join(figures), draw, SETS, (name,), shown / f"{figures[-1]}.png")
        yield Step("table1", lambda _: ["reproduce", "table1", "-o", str(shown)], (), (), shown / "table1.md")
