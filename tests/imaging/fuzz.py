"""Damage small picture files at random, and see that each is read and written, or refused in one line.

    python tests/imaging/fuzz.py --minutes 30 [--first 0]

A child does the work, case after case; each is a number, from which everything about it follows. This process watches
it: a case that ends the child, or takes longer than the limit, is reported with its number, and the next child goes
on behind it. Prints what came of it, and exits with 1 where anything but a refusal was found.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from pathlib import Path

from fourpass.errors import ImageError
from fourpass.imaging import files, limits
from fourpass.imaging.formats import FORMATS, WRITTEN

SEEDS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "seeds").iterdir())}
MAX_PIXELS = 2_000_000  # so that a size made up by damage costs no minute to decode
SECONDS = 20  # that a case may take, on a machine that has much else to do
GROWTH = 300  # MiB that one case may add to the peak
_NUMBERS = [0, 1, 2, 3, 4, 8, 127, 128, 254, 255, 256, 32767, 32768, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1]


def damaged(choice: random.Random) -> tuple[str, bytes]:
    """Return (name of the seed, a file that began as that seed)."""
    name = choice.choice(list(SEEDS))
    data = bytearray(SEEDS[name])
    for _ in range(choice.choice((1, 1, 1, 2, 3, 5, 10))):
        _damage(data, choice)
    if bytes(data[:4]) == b"\x89PNG" and choice.random() < 0.7:
        data = _with_checksums(data)
    return name, bytes(data)


def _damage(data: bytearray, choice: random.Random) -> None:
    """Change a file in place, in one of the ways that files get damaged, or that attackers damage them."""
    # Headers and metadata come first in most formats, so places near the start are more likely.
    at = int(len(data) * choice.random() ** choice.choice((1, 3)))
    length = choice.choice((1, 2, 4, 8, 12, 16, 64, 256))
    kind = choice.randrange(8)
    if kind == 0 and data:
        data[min(at, len(data) - 1)] ^= 1 << choice.randrange(8)
    elif kind == 1:
        data[at : at + 1] = bytes([choice.randrange(256)])
    elif kind == 2:
        width = choice.choice((1, 2, 4, 8))
        order = choice.choice(("little", "big"))
        number = (choice.choice(_NUMBERS) + choice.choice((0, 0, -1, 1))) % 256**width
        data[at : at + width] = number.to_bytes(width, "little" if order == "little" else "big")
    elif kind == 3:
        del data[at : at + length]
    elif kind == 4:
        data[at:at] = data[at : at + length] * choice.choice((1, 1, 2, 20))
    elif kind == 5:
        del data[at:]
    elif kind == 6:  # a piece of another file
        other = SEEDS[choice.choice(list(SEEDS))]
        start = choice.randrange(len(other))
        data[at : at + choice.choice((0, length))] = other[start : start + length]
    else:  # a piece from elsewhere in the same file
        start = choice.randrange(len(data) + 1)
        data[at : at + length] = data[start : start + length]


def _with_checksums(data: bytearray) -> bytearray:
    """Make the checksums of a PNG right again, as attackers do: else decoders look no further."""
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        data[at + 8 + length : at + 12 + length] = zlib.crc32(data[at + 4 : at + 8 + length]).to_bytes(4, "big")
        at += 12 + length
    return data


def try_one(choice: random.Random, data: bytes, folder: Path) -> str:
    """Read a file, write what it holds in a format, and read that; returns what came of it.

    Raises:
        whatever is no refusal, and AssertionError where a refusal is no line, or what was written is not what was read.
    """
    try:
        header = files.probe(data, name="fuzzed", max_pixels=MAX_PIXELS)
        picture = files.read(data, name="fuzzed", max_pixels=MAX_PIXELS)
    except ImageError as error:
        _check_line(str(error))
        return "refused"
    assert header.size == picture.header.size == picture.frames.shape[1:3]
    key = choice.choice(WRITTEN)
    for word in (*limits.lost(header, key), *limits.lost_pixels(picture, key)):
        _check_line(word)
    path = folder / f"out{FORMATS[key].suffixes[0]}"
    try:
        files.write(path, picture)
    except ImageError as error:
        _check_line(str(error))
        if "cannot be encoded" in str(error):
            raise AssertionError(error) from error
        return "read"
    kept = limits.kept(picture.header, key)
    again = files.read(path)
    assert again.header.size == header.size
    assert again.header.frames == header.frames or key in ("gif", "webp")  # where equal frames may become one
    for part in ("icc", "xmp", "iptc", "cicp"):
        assert getattr(again.header.metadata, part) == getattr(kept, part), part
    return "written"


def _check_line(text: str) -> None:
    assert text.strip(), "an empty message"
    assert "\n" not in text, text
    assert len(text) < 1000, text


def _work(first: int, progress: Path) -> None:
    """Do cases from a number on, for ever; says on standard output what came of each that is worth telling."""
    peak = _peak()
    with tempfile.TemporaryDirectory() as folder:
        number = first
        while True:
            progress.write_text(str(number))
            choice = random.Random(number)
            name, data = damaged(choice)
            began = time.monotonic()
            try:
                outcome = try_one(choice, data, Path(folder))
            except Exception:
                outcome = "TRACEBACK"
                print(json.dumps({"case": number, "seed": name, "traceback": traceback.format_exc()}), flush=True)
            grown, peak = _peak() - peak, _peak()
            if grown > GROWTH:
                print(json.dumps({"case": number, "seed": name, "memory": grown}), flush=True)
            seconds = round(time.monotonic() - began, 2)
            print(
                json.dumps({"of": name.rpartition(".")[2], "outcome": outcome, "s": seconds, "peak": peak}), flush=True
            )
            number += 1


def _peak() -> int:
    """MiB of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _watch(minutes: float, first: int) -> int:
    end = time.monotonic() + 60 * minutes
    counts: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    findings: list[str] = []
    slowest = peak = 0.0
    number = first
    with tempfile.TemporaryDirectory() as folder:
        progress, lines = Path(folder) / "number", Path(folder) / "lines"
        while time.monotonic() < end:
            with open(lines, "w") as output, open(Path(folder) / "errors", "w") as errors:
                child = subprocess.Popen(
                    [sys.executable, __file__, "--child", str(number), str(progress)], stdout=output, stderr=errors
                )
            last, since = "", time.monotonic()
            while child.poll() is None and time.monotonic() < end:
                time.sleep(0.5)
                now = progress.read_text() if progress.exists() else ""
                if now != last:
                    last, since = now, time.monotonic()
                elif time.monotonic() - since > SECONDS + 10:
                    break
            hung, ended = child.poll() is None and time.monotonic() < end, child.poll()
            child.kill()
            child.wait()
            before = sum(counts.values())
            for line in lines.read_text().splitlines():
                try:
                    said = json.loads(line)
                except ValueError:  # cut off by the end
                    continue
                if "outcome" in said:
                    counts[said["outcome"]] += 1
                    formats[said["of"]] += 1
                    slowest, peak = max(slowest, said["s"]), max(peak, said["peak"])
                else:
                    findings.append(line)
            number += sum(counts.values()) - before
            if hung:
                findings.append(json.dumps({"case": number, "hang": SECONDS}))
            elif ended is not None:
                findings.append(
                    json.dumps({"case": number, "ended": ended, "said": (Path(folder) / "errors").read_text()[-500:]})
                )
            number += 1
    print(f"cases {first} to {number - 2} in {minutes:g} minutes: {sum(counts.values()):,} files")
    print("outcomes:", dict(counts))
    print("formats:", dict(sorted(formats.items())))
    print(f"slowest case {slowest:g} s, peak memory of the process {peak:,.0f} MiB")
    for each in findings:
        print("FOUND", each)
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        os.environ["OMP_NUM_THREADS"] = "1"
        _work(int(sys.argv[2]), Path(sys.argv[3]))
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    sys.exit(_watch(options.minutes, options.first))
