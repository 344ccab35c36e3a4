"""A picture says what the words say, is drawn once, and is never worth a message."""

from __future__ import annotations

import io
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Final

import pytest
from builders.notifications import HOSTILE, SERIES, first, hostile, signal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alerts.pictures.folder import TIDY_S, PictureFolder
from alerts.pictures.gallery import Gallery
from alerts.pictures.png import SCALE, render_png
from alerts.pictures.scene import HEIGHT, WIDTH, Label, Line, Mark, scene_of
from alerts.pictures.svg import render_svg
from alerts.pictures.words import SPARKS_MAX, Plot, described, plot_of, sparkline
from schemas.errors import Stop
from schemas.notification import Notification
from schemas.series import Series

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "pictures"
DAY_S: Final = 86_400.0
SVG: Final = "{http://www.w3.org/2000/svg}"


def plot(notification: Notification | None = None) -> Plot:
    found = plot_of((notification or signal()).lead)
    assert found is not None
    return found


SHARE: Final[dict[str, Any]] = {
    "figure": "missing",
    "unit": "share",
    "values": [0.01] * 30 + [0.2],
    "n": [100] * 31,
    "reference": 0.01,
    "low": 0.0,
    "high": 0.03,
    "threshold": 0.08,
    "step_s": 3600.0,
    "since": "2026-10-30T00:00:00Z",
}
CYCLE: Final[dict[str, Any]] = {"usual": [42 + n % 24 / 4 for n in range(48)]}
PICTURES: Final[dict[str, dict[str, Any]]] = {"median": {}, "share": SHARE, "cycle": CYCLE}


@pytest.mark.parametrize("name", PICTURES)
def test_a_drawing_equals_its_golden_copy(name: str) -> None:
    drawn = render_svg(plot(signal(**PICTURES[name])))
    path = GOLDEN / f"{name}.svg"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


def test_a_drawing_says_in_words_what_it_shows() -> None:
    tree = ET.fromstring(render_svg(plot()))  # noqa: S314 - ours
    assert tree.attrib["role"] == "img"
    title, told = (tree.find(f"{SVG}{name}") for name in ("title", "desc"))
    assert title is not None
    assert told is not None
    assert title.text == "median of amount"
    assert told.text == described(plot())
    assert told.text is not None
    for words in (
        "2026-11-01 11:13",
        "last 61",
        "usual 42",
        "39.6 to 44.5 counts as unchanged",
        "since 2026-11-01 11:54",
    ):
        assert words in told.text


def test_colour_is_not_the_only_thing_that_tells_before_from_after() -> None:
    shapes = scene_of(plot())
    marks = [shape for shape in shapes if isinstance(shape, Mark)]
    assert [mark.radius for mark in marks] == [3.0] * 7 + [
        5.0
    ]  # each point since then, and the last one larger
    labels = {shape.text for shape in shapes if isinstance(shape, Label)}
    assert {
        "since 1 Nov 11:54",
        "usual 42",
        "now 61",
        "UTC, 2026-11-01  |  each point 1 min  |  shaded: 39.6 to 44.5 counts as unchanged",
    } <= labels
    limit = [s for s in scene_of(plot(signal(**SHARE))) if isinstance(s, Line) and s.style.dash == 6]
    assert len(limit) == 1


def test_a_gap_breaks_the_line() -> None:
    lines = [s.places for s in scene_of(plot()) if isinstance(s, Line) and s.style.width >= 2]
    assert [len(places) for places in lines] == [40, 7]


numbers = st.floats(-1e300, 1e300) | st.floats(-1, 1) | st.integers(-5, 5).map(float)


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.none() | numbers, min_size=2, max_size=48).filter(
        lambda vs: any(v is not None for v in vs)
    ),
    reference=st.none() | numbers,
    step_s=st.floats(0.001, 1e7),
)
def test_whatever_the_numbers_everything_lies_on_the_sheet(
    values: list[float | None], reference: float | None, step_s: float
) -> None:
    found = plot(signal(values=values, n=[1] * len(values), reference=reference, step_s=step_s))
    for shape in scene_of(found):
        places = (
            shape.places if isinstance(shape, Line) else () if not hasattr(shape, "place") else (shape.place,)
        )
        for x, y in places:
            assert -1 <= x <= WIDTH + 1
            assert -1 <= y <= HEIGHT + 1
    line = sparkline(found)
    assert 1 <= len(line.split(" ", 1)[0]) <= SPARKS_MAX
    ET.fromstring(render_svg(found))  # noqa: S314 - ours


@pytest.mark.parametrize(
    ("values", "blocks"),
    [
        ([1.0, 2.0], "▁█"),
        ([5.0] * 3, "▁▁▁"),
        ([0.0, None, 7.0, 8.0], "▁·▇█"),
        ([0.0] * 47 + [8.0], "▁" * 23 + "█"),
        ([0.0] * 24 + [8.0], "▁" * 12 + "█"),
    ],
)
def test_a_line_of_blocks_goes_up_and_down_with_the_values(values: list[float | None], blocks: str) -> None:
    found = sparkline(plot(signal(values=values, n=[1] * len(values))))
    assert found.startswith(f"{blocks} median of amount ")
    assert "usual 42" in found


def test_a_png_opens_and_is_twice_the_sheet() -> None:
    for changes in PICTURES.values():
        data = render_png(plot(signal(**changes)))
        assert len(data) < 40_000
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert (image.format, image.size) == ("PNG", (WIDTH * SCALE, HEIGHT * SCALE))
            assert len(set(image.convert("RGB").tobytes())) > 10


def test_strangers_words_do_nothing_in_a_drawing() -> None:
    drawn = render_svg(plot(hostile()))
    tree = ET.fromstring(drawn)  # noqa: S314 - ours
    assert {element.tag.removeprefix(SVG) for element in tree.iter()} <= {
        "svg",
        "title",
        "desc",
        "rect",
        "polyline",
        "circle",
        "text",
    }
    assert "<script" not in drawn
    assert not any(ord(character) < 32 and character != "\n" for character in drawn)
    render_png(plot(hostile(HOSTILE)))


@pytest.mark.parametrize(
    "series",
    [
        None,
        7,
        {},
        {"values": [1, 2]},
        SERIES | {"n": [1]},
        SERIES | {"values": [None] * 48},
        SERIES | {"step_s": 0},
    ],
)
def test_a_series_that_cannot_be_read_is_none(series: object) -> None:
    told = first()
    lead = told.lead.model_copy(update={"evidence": {"series": series}})
    assert plot_of(lead) is None


class Drawer:
    """Counts what it draws, and fails where it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.drawn = 0
        self.error = error

    def __call__(self, wanted: Plot) -> bytes:
        if self.error is not None:
            raise self.error
        self.drawn += 1
        return render_png(wanted)


def test_sinks_that_tell_the_same_share_one_drawing(tmp_path: Path) -> None:
    drawer = Drawer()
    gallery = Gallery(
        drawer, folder=PictureFolder(tmp_path, keep_s=DAY_S, now_s=lambda: 0.0), url="https://p.example/a/"
    )
    links = {gallery.link(signal()) for _ in range(3)}
    assert (drawer.drawn, gallery.stats.drawn, len(links)) == (1, 1, 1)
    (link,) = links
    assert link is not None
    (file,) = tmp_path.iterdir()
    assert link.url == f"https://p.example/a/{file.name}"
    assert re.fullmatch(r"[0-9a-f]{40}\.png", file.name)
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_bytes() == render_png(plot())


def test_without_a_series_or_a_drawer_there_is_no_picture_and_no_error() -> None:
    for gallery, told in ((Gallery(Drawer()), first()), (Gallery(None), signal())):
        assert gallery.picture(told) is None
        assert gallery.link(told) is None
        assert (gallery.stats.drawn, gallery.stats.failed) == (0, 0)


@pytest.mark.parametrize("error", [OSError("no font"), MemoryError(), ValueError("x"), ImportError("PIL")])
def test_an_error_in_drawing_is_counted_and_costs_the_picture_alone(error: Exception) -> None:
    gallery = Gallery(Drawer(error))
    assert gallery.picture(signal()) is None
    assert gallery.stats.failed == 1


def test_a_folder_that_cannot_be_written_to_any_more_costs_the_picture_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    folder.mkdir()
    gallery = Gallery(
        Drawer(), folder=PictureFolder(folder, keep_s=DAY_S, now_s=lambda: 0.0), url="https://p.example"
    )
    folder.rmdir()
    assert gallery.link(signal()) is None
    assert gallery.stats.failed == 1
    with pytest.raises(Stop, match="expected a folder that can be written to"):
        PictureFolder(folder, keep_s=DAY_S, now_s=lambda: 0.0)


def test_old_pictures_leave_and_nothing_else_does(tmp_path: Path) -> None:
    now_s = 100 * DAY_S
    names = {
        "a" * 40 + ".png": 31,
        "b" * 40 + ".png": 29,
        "c" * 40 + ".png.part": 31,
        "index.html": 31,
        "logo.png": 31,
    }
    for name, days in names.items():
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (now_s - days * DAY_S,) * 2)
    times = iter([now_s, now_s, now_s, now_s + TIDY_S - 1])
    folder = PictureFolder(tmp_path, keep_s=30 * DAY_S, now_s=lambda: next(times))
    folder.put("d" * 40 + ".png", b"new")
    assert {file.name for file in tmp_path.iterdir()} == {
        "b" * 40 + ".png",
        "d" * 40 + ".png",
        "index.html",
        "logo.png",
    }
    folder.put("d" * 40 + ".png", b"newer")  # within the hour nothing is looked for
    assert (tmp_path / ("d" * 40 + ".png")).read_bytes() == b"newer"


def test_a_series_of_the_wire_is_read_back_as_it_was() -> None:
    assert Series.model_validate(Series.model_validate(SERIES).model_dump(mode="json")).values[-1] == 61.0
