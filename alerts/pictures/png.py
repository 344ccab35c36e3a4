"""A picture as PNG, drawn by Pillow, an extra: with the font that comes in it, so a machine without fonts will do.

Twice as wide and high as the sheet, for screens with small pixels.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from itertools import pairwise
from math import hypot
from typing import TYPE_CHECKING, Any, Final

from alerts.pictures.scene import HEIGHT, WIDTH, Area, Label, Line, Mark, scene_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alerts.pictures.scene import Place
    from alerts.pictures.words import Plot

SCALE: Final = 2
_SMOOTH: Final = 2
"""Lines are drawn so many times as large and then shrunk, which makes them smooth."""
_COLOURS: Final = 64
_ANCHORS: Final = {"start": "ls", "middle": "ms", "end": "rs"}


def can_draw() -> bool:
    """Return whether Pillow is installed."""
    return find_spec("PIL") is not None


def render_png(plot: Plot) -> bytes:
    """Return the picture, 1280 by 500 pixels.

    Raises
    ------
    ImportError
        Pillow is not installed.

    Notes
    -----
    About 30 ms and 20 MB at the peak.
    """
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - an extra that only pictures need

    shapes = scene_of(plot)
    large = SCALE * _SMOOTH
    image = Image.new("RGB", (WIDTH * large, HEIGHT * large))
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        _draw(draw, shape, large)
    image = image.resize((WIDTH * SCALE, HEIGHT * SCALE), Image.Resampling.BOX)
    draw = ImageDraw.Draw(image)
    for shape in shapes:
        if isinstance(shape, Label):
            font = ImageFont.load_default(shape.size_px * SCALE)
            place = (shape.place[0] * SCALE, shape.place[1] * SCALE)
            draw.text(place, shape.text, shape.style.colour, font, _ANCHORS[shape.anchor])
    written = io.BytesIO()
    image.quantize(_COLOURS, Image.Quantize.FASTOCTREE).save(written, "PNG")
    return written.getvalue()


def _draw(draw: Any, shape: Area | Line | Mark | Label, scale: int) -> None:
    colour = shape.style.colour
    match shape:
        case Area((x, y), (right, bottom)):
            draw.rectangle((x * scale, y * scale, right * scale, bottom * scale), fill=colour)
        case Line(places):
            width = round(shape.style.width * scale)
            scaled = [(x * scale, y * scale) for x, y in places]
            for piece in _dashes(scaled, shape.style.dash * scale) if shape.style.dash else [scaled]:
                draw.line(piece, fill=colour, width=width, joint="curve")
        case Mark((x, y), radius):
            box = ((x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale)
            draw.ellipse(box, fill=colour)


def _dashes(places: Sequence[Place], length: float) -> Iterator[list[Place]]:
    """Yield every other piece of that length of a line."""
    for (x, y), (right, bottom) in pairwise(places):
        whole = hypot(right - x, bottom - y)
        for k in range(0, int(whole / length) + 1, 2):
            ends = (k * length / whole, min((k + 1) * length / whole, 1.0)) if whole else (0.0, 0.0)
            yield [(x + share * (right - x), y + share * (bottom - y)) for share in ends]
