"""The pages of a TIFF file: which are pictures, which only masks or smaller copies, and whether they are camera raw.

Sources: TIFF 6.0, section 8 (NewSubfileType); Adobe, TIFF technical notes (photometric 32803); the DNG specification.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import BinaryIO, Final

from fourpass.errors import ImageError
from fourpass.imaging import directories
from fourpass.imaging.directories import DamagedDirectoryError, Layout
from fourpass.imaging.found import FoundParts

_SUBFILE, _PHOTOMETRIC, _DNG = 254, 262, 50706
SUB_DIRECTORIES: Final = 330
_REDUCED, _MASK = 1, 4
_RAW_PHOTOMETRIC: Final = (32803, 34892)  # a filter array of colours, and linear raw


@dataclass(frozen=True)
class Page:
    """A directory: where it starts, its entries as stored, and the pointer to the next."""

    at: int
    raws: list[bytes]
    following: bytes

    def value(self, layout: Layout, tag: int) -> int:
        """The number that a field holds; 0 where there is none."""
        return next((layout.inline(raw) for raw in self.raws if layout.tag(raw) == tag), 0)

    def size(self, layout: Layout) -> tuple[int, int]:
        return self.value(layout, directories.IMAGE_LENGTH), self.value(layout, directories.IMAGE_WIDTH)


def is_raw(stream: BinaryIO, layout: Layout, first: Page) -> bool:
    """Whether a directory, or one below it, holds what a sensor saw rather than a picture."""
    if first.value(layout, _DNG) or first.value(layout, _PHOTOMETRIC) in _RAW_PHOTOMETRIC:
        return True
    for raw in first.raws:
        if layout.tag(raw) != SUB_DIRECTORIES:
            continue
        count, at = layout.number(raw[4 : 4 + layout.pointer]), layout.inline(raw)
        offsets = [at]
        if count > 1:
            stream.seek(min(at, 2**62))
            width = 8 if layout.number(raw[2:4]) in (16, 18) else 4
            data = stream.read(width * min(count, 16))
            offsets = [layout.number(data[place : place + width]) for place in range(0, len(data), width)]
        for offset in offsets:
            try:
                page = Page(offset, *directories.raw_entries(stream, layout, offset))
            except DamagedDirectoryError:
                continue
            if page.value(layout, _PHOTOMETRIC) in _RAW_PHOTOMETRIC:
                return True
    return False


def pictures(layout: Layout, pages: list[Page], found: FoundParts) -> list[Page]:
    """Return the pages that are pictures: not masks, not smaller copies, and of a pyramid the largest."""
    whole = [page for page in pages if not page.value(layout, _SUBFILE) & (_REDUCED | _MASK)] or pages[:1]
    if any(page.value(layout, _SUBFILE) & _MASK for page in pages):
        found.left_out.append("the transparency mask on a page of its own")
    sizes = [page.size(layout) for page in whole]
    halves = [
        abs(small - large / 2) <= 1
        for above, below in itertools.pairwise(sizes)
        for large, small in zip(above, below, strict=True)
    ]
    if len(whole) > 1 and sizes[0] != sizes[1] and all(halves):
        return whole[:1]
    if len(set(sizes)) > 1:
        raise ImageError(f"its {len(whole)} pages differ in size", hint="split it into one file per page")
    return whole
