"""Draw the diagrams of the explanations: system.svg, training.svg, blending.svg, tiles.svg and layers.svg.

python docs/images/diagrams.py
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
INK, LINE, BLUE, GREEN, AMBER, GRAY = "#1f2933", "#52606d", "#dbeafe", "#dcfce7", "#fef3c7", "#f1f5f9"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


class Drawing:
    """An SVG that grows by boxes, arrows and words; coordinates are pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" font-family="{FONT}" font-size="14" fill="{INK}">',
            f"<title>{escape(title)}</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        ]

    def box(self, x: int, y: int, width: int, height: int, text: str, fill: str = BLUE) -> None:
        """Draw a box with lines of text in its middle."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{LINE}"/>'
        )
        lines = text.split("\n")
        top = y + height / 2 - 9 * (len(lines) - 1) + 5
        for index, line in enumerate(lines):
            self.words(x + width / 2, top + 18 * index, line, anchor="middle", bold=index == 0 and len(lines) > 1)

    def words(self, x: float, y: float, text: str, anchor: str = "start", bold: bool = False) -> None:
        """Write one line."""
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{weight}>{escape(text)}</text>')

    def arrow(self, *points: tuple[int, int], dashed: bool = False, tip: bool = True) -> None:
        """Draw a line through points, with a tip at its end."""
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        end = ' marker-end="url(#tip)"' if tip else ""
        self._parts.append(f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"{dash}{end}/>')

    def outline(self, x: int, y: int, width: int, height: int, color: str = LINE, fill: str = "none") -> None:
        """Draw a rectangle without text."""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{fill}" fill-opacity="0.35" '
            f'stroke="{color}" stroke-width="2"/>'
        )

    def save(self, name: str) -> None:
        """Write the file."""
        (HERE / name).write_text("\n".join([*self._parts, "</svg>\n"]), encoding="utf-8")


def system() -> None:
    """One network, three ways to x4."""
    draw = Drawing(760, 330, "Multi-pass upscaling: one network, three ways to four times the size")
    draw.box(16, 130, 110, 60, "Input\nW x H", GRAY)
    for y, name, steps in (
        (30, "x4", ["x4 path"]),
        (130, "x2 twice", ["x2 path", "x2 path"]),
        (230, "x8 halved", ["x8 path", "shrink by 2"]),
    ):
        draw.words(192, y - 6, name, bold=True)
        x = 190
        draw.arrow((126, 160), (158, 160), (158, y + 30), (x - 2, y + 30))
        for index, step in enumerate(steps):
            width = 330 if len(steps) == 1 else 150
            shrinks = step.startswith("shrink")
            draw.box(x, y, width, 60, step if shrinks else f"{step}\nEUSR", AMBER if shrinks else BLUE)
            x += width
            if index < len(steps) - 1:
                draw.arrow((x, y + 30), (x + 28, y + 30))
                x += 30
        draw.arrow((x, y + 30), (598, y + 30))
        draw.box(600, y, 144, 60, "Output\n4W x 4H", GREEN)
    draw.save("system.svg")


def training() -> None:
    """What the outputs are judged by in the perceptual phase."""
    draw = Drawing(760, 330, "Perceptual training: three outputs, six losses")
    draw.box(16, 50, 130, 60, "Three outputs\nof the generator", GREEN)
    draw.box(16, 220, 130, 60, "Ground truth\noriginal photo", GRAY)
    for y, name, losses, fill in (
        (20, "Pixels", "l_r: mean absolute error", BLUE),
        (95, "Discriminator", "l_g: does it look real?", AMBER),
        (170, "Aesthetic predictor", "l_as: score, l_ar: features", BLUE),
        (245, "Subjective predictor", "l_ss: score, l_sr: features", BLUE),
    ):
        draw.box(240, y, 240, 60, f"{name}\n{losses}", fill)
        draw.arrow((146, 80), (190, 80), (190, y + 22), (238, y + 22))
        draw.arrow((146, 250), (210, 250), (210, y + 40), (238, y + 40), dashed=True)
        draw.arrow((480, y + 30), (540, y + 30), (540, 165), (578, 165))
    draw.box(580, 135, 164, 60, "Weighted sum\ntrains the generator", GREEN)
    draw.save("training.svg")


def blending() -> None:
    """The dial."""
    draw = Drawing(760, 210, "The strength dial blends two sets of weights before the network is built")
    draw.box(16, 20, 180, 60, "Faithful weights\nstrength 0", BLUE)
    draw.box(16, 130, 180, 60, "Perceptual weights\nstrength 1", AMBER)
    draw.box(270, 65, 210, 80, "(1 - s) x faithful\n+ s x perceptual", GRAY)
    draw.arrow((196, 50), (230, 50), (230, 90), (268, 90))
    draw.arrow((196, 160), (230, 160), (230, 120), (268, 120))
    draw.arrow((480, 105), (548, 105))
    draw.box(550, 65, 194, 80, "One network\nruns once, at any s", GREEN)
    draw.save("blending.svg")


def tiles() -> None:
    """A picture, a tile, its halo."""
    draw = Drawing(760, 270, "A tile is run with a halo of its surroundings; only its middle is kept")
    draw.outline(24, 40, 270, 200, fill=GRAY)
    for x in (114, 204):
        draw.arrow((x, 40), (x, 240), dashed=True, tip=False)
    for y in (107, 174):
        draw.arrow((24, y), (294, y), dashed=True, tip=False)
    draw.outline(100, 93, 118, 95, "#b45309", AMBER)
    draw.outline(114, 107, 90, 67, "#1d4ed8", BLUE)
    draw.words(24, 28, "Input picture")
    draw.words(320, 100, "Outer frame: what the network sees,")
    draw.words(320, 120, "the tile and a halo of 16 pixels.")
    draw.words(320, 155, "Inner frame: what is kept of the output.")
    draw.words(320, 175, "Finished rows go to the encoder at once,")
    draw.words(320, 195, "so the output is never whole in memory.")
    draw.save("tiles.svg")


def layers() -> None:
    """From files to files."""
    draw = Drawing(760, 250, "From a photo to a larger photo, and from weights to a running network")
    for x, text, fill in (
        (16, "Photo\nJPEG, PNG, ...", GRAY),
        (166, "Reader\npixels, metadata", BLUE),
        (316, "Tiles\nwith halos", BLUE),
        (466, "Bands of rows\nsize, colour", BLUE),
        (616, "Writer\npixels, metadata", BLUE),
    ):
        draw.box(x, 30, 128, 60, text, fill)
        if x < 616:
            draw.arrow((x + 128, 60), (x + 148, 60))
    for x, text, fill in (
        (16, "Weights\n.safetensors", GRAY),
        (166, "Graph\nONNX or ncnn", AMBER),
        (316, "Backend\nOpenVINO, ...", AMBER),
    ):
        draw.box(x, 160, 128, 60, text, fill)
        if x < 316:
            draw.arrow((x + 128, 190), (x + 148, 190))
    draw.arrow((364, 90), (364, 158))
    draw.arrow((396, 160), (396, 120), (530, 120), (530, 92))
    draw.words(470, 195, "An Engine is a backend, a device,")
    draw.words(470, 215, "a precision and a number of threads.")
    draw.save("layers.svg")


if __name__ == "__main__":
    for each in (system, training, blending, tiles, layers):
        each()
