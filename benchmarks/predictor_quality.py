"""How good the shipped score predictors are: a table per distortion type, monotonicity, agreement with the teacher.

    python benchmarks/predictor_quality.py subjective --tid SCORES_FOLDER --pictures MADE_FOLDER
    python benchmarks/predictor_quality.py aesthetic --crops X-crops.npy --scores X-scores.npy
    python benchmarks/predictor_quality.py aesthetic --photos FOLDER --teacher FILE [--beside]
    python benchmarks/predictor_quality.py monotone --photos FOLDER
    python benchmarks/predictor_quality.py curves NAME=RUN... -o FOLDER
    python benchmarks/predictor_quality.py sheet IMAGE... -o sheet.png

SCORES_FOLDER holds ``tid2013_name_mos_std.txt``; MADE_FOLDER ``distorted_images``, as ``fourpass train subjective``
leaves it in its cache, which also has the held-out crops and the teacher's scores of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fourpass.data.distilled import BESIDE_LADDERS, DEGRADATIONS, LADDERS, Degradation, hold_out, make_crops
from fourpass.data.scored import ScoredPictures, earth_movers_distance, mean_scores
from fourpass.data.tid2013 import VALIDATION_REFERENCES, read_tid2013, scored_pictures
from fourpass.data.tid2013_resynth import DISTORTIONS, distort
from fourpass.data.training_images import decode, find_images
from fourpass.metrics.correlation import kendall, pearson, spearman
from fourpass.upscaling.score import Scorer


def centre_scores(scorer: Scorer, pictures: ScoredPictures) -> NDArray[np.float32]:
    """Distributions (N, 10) of the centre crops."""
    return np.stack([scorer.score(pictures.crop(index)).distribution for index in range(len(pictures))])


def report(predicted: NDArray[np.floating], distributions: NDArray[np.floating], scores: NDArray[np.floating]) -> str:
    """One line of all numbers."""
    found = mean_scores(predicted)
    numbers = [spearman(found, scores), pearson(found, scores), kendall(found, scores)]
    distance = earth_movers_distance(predicted, distributions).mean()
    return "SROCC {:.3f}, PLCC {:.3f}, KROCC {:.3f}".format(*numbers) + f", mean EMD {distance:.4f}"


def subjective(options: argparse.Namespace) -> None:
    """The table per distortion type on references 1 to 3."""
    pairs = read_tid2013(options.tid, options.pictures, VALIDATION_REFERENCES)
    pictures = scored_pictures(pairs, options.least_deviation)
    predicted = centre_scores(Scorer(options.weights or "subjective"), pictures)
    print(f"all {len(pictures)} pictures of references 1 to 3, centre crops: ", end="")
    print(report(predicted, pictures.distributions, pictures.scores))
    means = mean_scores(predicted)
    whole = Scorer(options.weights or "subjective")
    if options.whole:
        every = np.array([whole.score(pictures.read(index)).mean for index in range(len(pictures))])
        print(f"whole pictures instead of centre crops: SROCC {spearman(every, pictures.scores):.3f}")
    kinds = np.array([opinion.kind for opinion, _ in pairs])
    print("| type | distortion | SROCC | mean score, people | mean score, predicted |\n| --- | --- | --- | --- | --- |")
    for kind, distortion in DISTORTIONS.items():
        chosen = kinds == kind
        found, real = means[chosen], pictures.scores[chosen]
        print(f"| {kind} | {distortion.name} | {spearman(found, real):.2f} | {real.mean():.2f} | {found.mean():.2f} |")


def aesthetic(options: argparse.Namespace) -> None:
    """Agreement with the teacher on crops of photos that the predictor has not seen."""
    if options.photos:
        crops, scores = taught(
            options.photos, options.teacher, options.count, BESIDE_LADDERS if options.beside else None
        )
    else:
        crops, scores = np.load(options.crops, mmap_mode="r"), np.load(options.scores)
    names = [str(index) for index in range(len(crops))]
    pictures = ScoredPictures(names, scores, mean_scores(scores), crops.__getitem__)
    predicted = centre_scores(Scorer(options.weights or "aesthetic"), pictures)
    print(f"{len(pictures)} crops of held-out photos, against the teacher: ", end="")
    print(report(predicted, scores, pictures.scores))
    constant = np.broadcast_to(scores.mean(axis=0), scores.shape)
    print(
        f"the mean distribution for all of them has a mean EMD of {earth_movers_distance(constant, scores).mean():.4f}"
    )


def taught(
    photos: Path, teacher: str, count: int, degradations: Sequence[Degradation] | None
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Crops of held-out photos, degraded as for training or by the given, and what the teacher says of them."""
    from fourpass.training.aesthetic import teacher_scores

    _, files = hold_out(find_images(photos))
    chosen = DEGRADATIONS if degradations is None else degradations
    crops = make_crops(files, count, 0, degradations=chosen)
    return crops, teacher_scores(teacher, crops, "cpu")


def monotone(options: argparse.Namespace) -> None:
    """Share of held-out photos whose scores fall, level by level, with TID2013's blur, noise and JPEG."""
    _, files = hold_out(find_images(options.photos))
    photos = [centre(decode(file), options.side) for file in files]
    photos = [photo for photo in photos if min(photo.shape[:2]) == options.side]
    kinds = options.kind or ["aesthetic", "subjective"]
    scorers = {kind: Scorer(kind) for kind in kinds}
    for ladder in LADDERS:
        pictures = [[photo, *(distort(photo, ladder, level) for level in range(1, 6))] for photo in photos]
        for kind, scorer in scorers.items():
            scores = np.array([[scorer.score(picture).mean for picture in rungs] for rungs in pictures])
            steps = np.diff(scores, axis=1)
            shares = [(steps < 0).all(axis=1).mean(), (steps.sum(axis=1) < 0).mean(), (steps < 0).mean()]
            words = "{:.0%} at every level, {:.0%} from first to last, {:.0%} of all steps".format(*shares)
            means = ", ".join(f"{mean:.2f}" for mean in scores.mean(axis=0))
            print(f"{kind}, {DISTORTIONS[ladder].name}, {len(photos)} photos: falls for {words}; means {means}")


def curves(options: argparse.Namespace) -> None:
    """Training curves of runs: one CSV and one picture each."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    options.output.mkdir(parents=True, exist_ok=True)
    for pair in options.runs:
        name, _, run = pair.partition("=")
        lines = (Path(run) / "log.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found = {kind: [row for row in rows if row["event"] == kind] for kind in ("train", "validation")}
        text = ["step,loss,emd,srocc,plcc,krocc"]
        text += [f"{row['step']},{row['loss']:.4f},,,," for row in found["train"]]
        text += [
            f"{row['step']},,{row['emd']:.4f},{row['srocc']:.4f},{row['plcc']:.4f},{row['krocc']:.4f}"
            for row in found["validation"]
        ]
        (options.output / f"{name}.csv").write_text("\n".join(text) + "\n", encoding="utf-8")
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3))
        left.plot([row["step"] for row in found["train"]], [row["loss"] for row in found["train"]])
        left.set(xlabel="step", ylabel="squared EMD, training", title=name)
        for key in ("srocc", "plcc", "krocc"):
            right.plot(
                [row["step"] for row in found["validation"]], [row[key] for row in found["validation"]], label=key
            )
        right.set(xlabel="step", title="validation")
        right.legend()
        figure.tight_layout()
        figure.savefig(options.output / f"{name}.png", dpi=80)
        pyplot.close(figure)


def sheet(options: argparse.Namespace) -> None:
    """Pictures side by side with their two scores written below: to be looked at."""
    from PIL import Image, ImageDraw

    scorers = {kind: Scorer(kind) for kind in ("aesthetic", "subjective")}
    cells = []
    for file in options.images:
        photo = decode(file)
        scores = [f"{kind} {scorer.score(photo).mean:.2f}" for kind, scorer in scorers.items()]
        print(f"{file.name}: {', '.join(scores)}")
        cell = Image.new("RGB", (260, 224), "white")
        small = Image.fromarray(photo)
        small.thumbnail((256, 192))
        cell.paste(small, (2, 2))
        ImageDraw.Draw(cell).text((4, 198), "  ".join(scores), fill="black")
        cells.append(np.asarray(cell))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 5)
    rows = [np.concatenate(cells[start : start + 5], axis=1) for start in range(0, len(cells), 5)]
    Image.fromarray(np.concatenate(rows)).save(options.output)


def centre(photo: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle of a photo, at most so large."""
    row, column = (max(0, (length - side) // 2) for length in photo.shape[:2])
    return np.ascontiguousarray(photo[row : row + side, column : column + side])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("subjective")
    one.add_argument("--tid", type=Path, required=True)
    one.add_argument("--pictures", type=Path, required=True)
    one.add_argument("--least-deviation", type=float, default=0.6)
    one.add_argument("--weights", default="")
    one.add_argument("--whole", action="store_true")
    one.set_defaults(run=subjective)
    other = commands.add_parser("aesthetic")
    other.add_argument("--crops", type=Path)
    other.add_argument("--scores", type=Path)
    other.add_argument("--photos", type=Path, help="make the crops, and have --teacher score them, instead")
    other.add_argument("--teacher", default="")
    other.add_argument("--count", type=int, default=400)
    other.add_argument("--beside", action="store_true", help="crops without blur, noise and JPEG")
    other.add_argument("--weights", default="")
    other.set_defaults(run=aesthetic)
    third = commands.add_parser("monotone")
    third.add_argument("--photos", type=Path, required=True)
    third.add_argument("--kind", action="append", help="packaged name or file; may be repeated")
    third.add_argument("--side", type=int, default=384)
    third.set_defaults(run=monotone)
    fourth = commands.add_parser("curves")
    fourth.add_argument("runs", nargs="+")
    fourth.add_argument("-o", "--output", type=Path, required=True)
    fourth.set_defaults(run=curves)
    fifth = commands.add_parser("sheet")
    fifth.add_argument("images", nargs="+", type=Path)
    fifth.add_argument("-o", "--output", type=Path, required=True)
    fifth.set_defaults(run=sheet)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
