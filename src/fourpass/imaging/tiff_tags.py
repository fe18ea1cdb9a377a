"""The directories of TIFF files: which pages there are, what else lies in them, and how metadata gets into a new one.

Sources: TIFF 6.0; Adobe, TIFF technical notes (photometric 32803) and the DNG specification; OGC 19-008 (GeoTIFF).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO, Final

from fourpass.disk.atomic import write_all
from fourpass.errors import ImageError
from fourpass.imaging import directories, exif, photoshop
from fourpass.imaging.budget import MOST_FIELDS, MOST_FRAMES, Budget
from fourpass.imaging.directories import DamagedDirectoryError, Layout, TagEntry
from fourpass.imaging.found import FoundParts
from fourpass.imaging.maker_notes import stands_alone
from fourpass.imaging.metadata import PictureMetadata
from fourpass.imaging.splice import Part, Spliced
from fourpass.imaging.tiff_pages import SUB_DIRECTORIES, Page, is_raw, pictures

# What libvips needs to decode the pixels.
_PIXELS: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 292, 293, 296, 317, 320, 322, 323}
    | {324, 325, 332, 334, 336, 338, 339, 340, 341, 347, *range(512, 522), 529, 530, 531, 532, 32995, 32996}
)
# How the pixels are to be stored or printed, which means nothing for other pixels.
_STORAGE: Final = frozenset({263, 264, 265, 280, 281, 288, 289, 290, 291, 297, 301, 318, 319, 321, 326, 327, 328, 333})
_RESOLUTION: Final = {directories.X_RESOLUTION, directories.Y_RESOLUTION, directories.RESOLUTION_UNIT}
_ELSEWHERE: Final = {directories.XMP, directories.IPTC, directories.PHOTOSHOP, directories.ICC}
_BELOW: Final = {directories.EXIF_DIRECTORY, directories.GPS_DIRECTORY, directories.INTEROPERABILITY}
# What the first directory says about the picture: processing software, document, description, make, model, page,
# software, date, artist, host computer, rating, copyright, and Windows's title, comment, author, keywords, subject.
_ABOUT: Final = {11, 269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(0x9C9B, 0x9CA0)}
_NAMES: Final = {
    33550: "GeoTIFF", 33922: "GeoTIFF", 34264: "GeoTIFF", 34735: "GeoTIFF", 34736: "GeoTIFF", 34737: "GeoTIFF",
    42112: "GDAL metadata", 42113: "GDAL metadata", 37724: "Photoshop layers", 50838: "ImageJ metadata",
    50839: "ImageJ metadata", SUB_DIRECTORIES: "further pictures in sub-directories",
}  # fmt: skip
_RAW: Final = "is a camera raw file; develop it with a raw converter first, and export it as TIFF, PNG or JPEG"


def scan(stream: BinaryIO, budget: Budget) -> FoundParts:
    """Find what an open TIFF file holds.

    Raises:
        ImageError: it is a camera's raw file, has too many pages, or pages of different sizes; the message does not
            name the file.
    """
    stream.seek(0)
    start = stream.read(16)
    layout, at = directories.header(start)
    found = FoundParts(Spliced(stream, [(0, 2**62)]))
    pages: list[Page] = []
    seen: set[int] = set()
    total = 0
    while layout is not None and at and at not in seen:
        seen.add(at)
        try:
            pages.append(Page(at, *directories.raw_entries(stream, layout, at)))
        except DamagedDirectoryError:
            break
        if len(pages) > MOST_FRAMES:
            raise ImageError(f"has more than {MOST_FRAMES:,} pages", hint="split it into several files first")
        total += len(pages[-1].raws)
        if total > MOST_FIELDS:
            raise ImageError(
                f"has more than {MOST_FIELDS:,} fields in its directories", hint="open it and save it again"
            )
        at = layout.number(pages[-1].following)
    if layout is None or not pages:
        return found
    if start[8:10] == b"CR" or is_raw(stream, layout, pages[0]):
        raise ImageError(_RAW)
    shown = pictures(layout, pages, found)
    found.frames = len(shown)
    found.turn = shown[0].value(layout, directories.ORIENTATION)
    found.view = Spliced(stream, _parts(layout, shown))
    _collect(stream, layout, shown, budget, found)
    return found


def finish(stream: BinaryIO, metadata: PictureMetadata) -> None:
    """Put metadata into a finished TIFF, open for reading and writing; the profile, libvips wrote already.

    The first directory is written anew at the end, with all that it had; pixels and other pages stay as they are.
    Resolutions that libvips makes up are left out of all of them.
    """
    stream.seek(0)
    layout, at = directories.header(stream.read(16))
    if layout is None:
        return
    added: list[TagEntry] = exif.resolution_fields(metadata.dpi) if metadata.dpi else []
    below: dict[int, tuple[Sequence[TagEntry], dict[int, Sequence[TagEntry]]]] = {}
    if metadata.exif:
        fields = exif.read(metadata.exif)
        unknown = _PIXELS | _STORAGE | _RESOLUTION | _ELSEWHERE | _BELOW | {SUB_DIRECTORIES}
        added += [entry for entry in fields.first if entry.tag not in unknown and entry.tag < 50706]
        below[directories.EXIF_DIRECTORY] = (
            _movable(fields.exif),
            {directories.INTEROPERABILITY: fields.interoperability},
        )
        below[directories.GPS_DIRECTORY] = (fields.gps, {})
    for tag, value in ((directories.IPTC, metadata.iptc), (directories.XMP, metadata.xmp)):
        if value:
            added.append(TagEntry(tag, 7 if tag == directories.IPTC else 1, len(value), value))
    first, page = True, at
    while page:
        raws, following = directories.raw_entries(stream, layout, page)
        gone = _RESOLUTION | ({entry.tag for entry in added} | set(below) if first else set())
        kept = [raw for raw in raws if layout.tag(raw) not in gone]
        if first:
            end = stream.seek(0, os.SEEK_END)
            start = end + end % 2
            block = b"\0" * (end % 2) + directories.directory(layout, start, added, below, kept, following)
            write_all(stream, block)
            stream.seek(8 if layout.big else 4)
            write_all(stream, layout.pack(start, layout.pointer))
        else:
            stream.seek(page)
            write_all(stream, layout.pack(len(kept), layout.counter) + b"".join(kept) + following)
        first, page = False, layout.number(following)


def unfit(block: bytes) -> list[str]:
    """Return, in words, what of an EXIF block does not get into the directories of a TIFF."""
    try:
        fields = exif.read(block)
    except DamagedDirectoryError:
        return ["EXIF"]
    words = ["EXIF fields (damaged, or too large together)"] if fields.missing else []
    if len(_movable(fields.exif)) < len(fields.exif):
        words.append("maker note")
    return words


def _movable(fields: Sequence[TagEntry]) -> list[TagEntry]:
    """Leave out a maker note that counts from where it was."""
    return [each for each in fields if each.tag != directories.MAKER_NOTE or stands_alone(each.data)]


def _parts(layout: Layout, shown: list[Page]) -> list[Part]:
    """Return the file with directories that hold nothing but what decoding needs, and no pages but the shown ones."""
    changed: dict[int, bytes] = {8 if layout.big else 4: layout.pack(shown[0].at, layout.pointer)}
    for number, page in enumerate(shown):
        kept = [raw for raw in page.raws if layout.tag(raw) in _PIXELS]
        following = shown[number + 1].at if number + 1 < len(shown) else 0
        changed[page.at] = (
            layout.pack(len(kept), layout.counter) + b"".join(kept) + layout.pack(following, layout.pointer)
        )
    parts: list[Part] = []
    at = 0
    for start in sorted(changed):
        if start < at:  # directories that overlap: libvips may say what it thinks of them
            continue
        parts += [(at, start - at), changed[start]]
        at = start + len(changed[start])
    return [*parts, (at, 2**62)]


def _collect(stream: BinaryIO, layout: Layout, shown: list[Page], budget: Budget, found: FoundParts) -> None:
    """Take the metadata of the first page, and say what is not taken."""
    try:
        fields = directories.fields(stream, budget, shown[0].at, _ABOUT | _RESOLUTION | _ELSEWHERE | _BELOW)
    except DamagedDirectoryError:
        found.note("EXIF (damaged)")
        return
    values = {entry.tag: entry.data for entry in fields.first}
    found.icc, found.xmp = values.get(directories.ICC), values.get(directories.XMP)
    found.iptc = _iptc(values.get(directories.IPTC))
    resources = values.get(directories.PHOTOSHOP)
    if resources:
        found.iptc = found.iptc or photoshop.records(resources)
        if photoshop.has_others(resources):
            found.note("Photoshop image resources")
    about = [entry for entry in fields.first if entry.tag in _ABOUT]
    movable = _movable(fields.exif)
    if len(movable) < len(fields.exif):
        found.note("maker note")
    if about or movable or fields.gps:
        found.exif = exif.serialised(about, movable, fields.gps, fields.interoperability)
    stated = exif.resolution(exif.serialised([entry for entry in fields.first if entry.tag in _RESOLUTION]))
    found.dpi = stated and (round(stated[0], 4), round(stated[1], 4))
    known = _PIXELS | _STORAGE | _ABOUT | _RESOLUTION | _ELSEWHERE | _BELOW
    others = sorted({layout.tag(raw) for raw in shown[0].raws} - known)
    for tag in others:
        if tag in _NAMES:
            found.note(_NAMES[tag])
    if private := [str(tag) for tag in others if tag not in _NAMES]:
        more = f" and {len(private) - 3} more" if len(private) > 3 else ""
        found.note(f"TIFF tag{'s' * (len(private) > 1)} {', '.join(private[:3])}{more}")
    if fields.missing:
        found.note("damaged TIFF fields")
    if any({layout.tag(raw) for raw in page.raws} - _PIXELS - _STORAGE - {directories.ICC} for page in shown[1:]):
        found.note("tags of the pages after the first")


def _iptc(records: bytes | None) -> bytes | None:
    """Return IPTC records; in a big-endian file, bytes that are labelled as 32-bit numbers come swapped."""
    if records and records[0] != 0x1C and len(records) % 4 == 0:
        swapped = directories.swapped(records, 4)
        return swapped if swapped[0] == 0x1C else records
    return records
