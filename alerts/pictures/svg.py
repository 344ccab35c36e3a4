"""A picture as SVG: text that any browser draws, without a script, every word escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from alerts.pictures.scene import HEIGHT, WIDTH, Area, Label, Line, Mark, scene_of
from alerts.pictures.words import described

if TYPE_CHECKING:
    from alerts.pictures.scene import Shape
    from alerts.pictures.words import Plot


def render_svg(plot: Plot) -> str:
    """Return the picture with a title and a description for those who do not see it."""
    shapes = "\n".join(_drawn(shape) for shape in scene_of(plot))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title desc" font-family="sans-serif">\n'
        f'<title id="title">{escape(plot.name)}</title>\n<desc id="desc">{escape(described(plot))}</desc>\n'
        f"{shapes}\n</svg>\n"
    )


def _drawn(shape: Shape) -> str:
    style = shape.style
    match shape:
        case Area((x, y), (right, bottom)):
            place = f'x="{x:g}" y="{y:g}" width="{right - x:g}" height="{bottom - y:g}"'
            return f'<rect {place} fill="{style.colour}"/>'
        case Line(places):
            points = " ".join(f"{x:g},{y:g}" for x, y in places)
            dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
            line = f'stroke="{style.colour}" stroke-width="{style.width:g}"{dash}'
            return f'<polyline points="{points}" fill="none" {line}/>'
        case Mark((x, y), radius):
            return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{style.colour}"/>'
        case Label((x, y), text, anchor, _, size):
            place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
            return f'<text {place} fill="{style.colour}">{escape(text)}</text>'
