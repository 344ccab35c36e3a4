"""Draws what people get, for the documents: `make pictures` writes docs/images/message-*.png with headless Chromium.

Slack, Teams and PagerDuty draw messages their own way; these pictures show our words in the order and weight that we ask for.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builders.notifications import LINK, crowd, signal

from alerts.pictures.svg import render_svg
from alerts.pictures.words import described, plot_of
from alerts.sinks.mail import render_html
from alerts.sinks.pagerduty import render_pagerduty
from alerts.sinks.slack_blocks import render_slack
from alerts.sinks.teams import render_teams

if TYPE_CHECKING:
    from alerts.pictures.gallery import PictureLink
    from schemas.notification import Notification

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
WIDTH: Final = 760
_COLOURS: Final = {"attention": "#c4314b", "warning": "#986f0b", "accent": "#5b5fc7", "good": "#237b4b"}
_PAGE: Final = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>?</title>
<style>
body {{ font: 14px/1.45 "Liberation Sans", Arial, sans-serif; margin: 0; padding: 18px; color: #1d1c1d; background: #fff }}
h1 {{ font-size: 18px; margin: 0 0 10px }} p {{ margin: 0 0 9px }} a {{ color: #1264a3 }}
table {{ border-collapse: collapse }} th, td {{ padding: 3px 12px 3px 0; text-align: left; vertical-align: top }}
.card {{ border: 1px solid #ddd; border-left: 4px solid {colour}; border-radius: 4px; padding: 14px 16px }}
.button {{ display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: 3px 12px; margin-right: 8px }}
</style><body>{body}
<script>document.title = document.documentElement.scrollHeight</script></body></html>
"""


def page(body: str, *, colour: str = "#ddd") -> str:
    """Return a whole page whose title, once a browser has laid it out, is its height."""
    return _PAGE.format(body=body, colour=colour)


def slack(notification: Notification, picture: PictureLink | None = None) -> str:
    """Return Slack's blocks as a page; their text is escaped already."""
    blocks: Any = render_slack(notification, picture=picture)["blocks"]
    parts = [f"<h1>{blocks[0]['text']['text']}</h1>"]
    for block in blocks[1:]:
        if block["type"] == "image":
            parts.append(f"<p>{plotted(notification)}</p>")
            continue
        text = re.sub(r"<([^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', block["text"]["text"])
        bold = re.sub(r"^[*](.+?)[*]", r"<b>\1</b>", text)
        parts.append(f"<p>{_lines(bold)}</p>")
    return page("".join(parts))


def teams(notification: Notification) -> str:
    """Return the card for Teams as a page."""
    message: Any = render_teams(notification)
    card = message["attachments"][0]["content"]
    colour = _COLOURS[card["body"][0]["inlines"][0]["color"]]
    parts = [f'<h1 style="color:{colour}">{escape(card["body"][0]["inlines"][0]["text"])}</h1>']
    for block in card["body"][1:]:
        title, told = (_lines(escape(run["text"])) for run in block["inlines"])
        parts.append(f"<p><b>{title}</b>{told}</p>")
    parts += [f'<span class="button">{escape(action["title"])}</span>' for action in card["actions"]]
    return page(f'<div class="card">{"".join(parts)}</div>', colour=colour)


def pagerduty(notification: Notification) -> str:
    """Return what an incident of PagerDuty shows as a page."""
    event: Any = render_pagerduty(notification)
    payload = event["payload"]
    facts = {key: payload[key] for key in ("severity", "source", "component", "group", "class")}
    rows = {**facts, **payload["custom_details"]}
    table = "".join(
        f"<tr><th>{escape(key)}</th><td>{_lines(escape(told))}</td></tr>" for key, told in rows.items()
    )
    links = "".join(f'<span class="button">{escape(link["text"])}</span>' for link in event["links"])
    return page(
        f'<div class="card"><h1>{escape(payload["summary"])}</h1><table>{table}</table>{links}</div>',
        colour="#c4314b",
    )


def mail(notification: Notification) -> str:
    """Return the mail's own page, with its height for a title."""
    plot = plot_of(notification.lead)
    shown = None if plot is None else (_data_of(render_svg(plot)), described(plot))
    whole = render_html(notification, picture=shown)
    return whole.replace(
        "</body>", "<script>document.title = document.documentElement.scrollHeight</script></body>"
    ).replace("<html lang", '<meta charset="utf-8"><title>?</title><html lang', 1)


def plotted(notification: Notification) -> str:
    """Return the picture of a notification's signal, empty for none."""
    plot = plot_of(notification.lead)
    return "" if plot is None else render_svg(plot)


def _data_of(svg: str) -> str:
    """Return a drawing as an address, for a page that loads nothing."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def _lines(text: str) -> str:
    return text.replace("\n", "<br>")


def draw(browser: str, html: str, image: Path) -> None:
    """Lay a page out, and write a picture that is as high as it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(html, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={folder}/browser",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to start for root otherwise
        laid_out = _run([*command, f"--window-size={WIDTH},400", "--dump-dom", source.as_uri()])
        height = re.search(r"<title>(\d+)</title>", laid_out)
        if height is None:
            raise SystemExit("expected the browser to tell the height of the page; it did not")
        _run([*command, f"--window-size={WIDTH},{height[1]}", f"--screenshot={image}", source.as_uri()])


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603 - ours


def main() -> None:
    """Draw all pictures, or say what is missing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"expected one of {', '.join(BROWSERS)} on PATH, found none; install chromium")
    pages = {
        "slack": slack(crowd()),
        "slack-picture": slack(signal(), LINK),
        "slack-blocks": slack(signal()),
        "mail": mail(signal()),
        "teams": teams(signal()),
        "pagerduty": pagerduty(crowd()),
    }
    for name, html in pages.items():
        image = IMAGES / f"message-{name}.png"
        draw(browser, html, image)
        print(f"{image.relative_to(Path.cwd())}: {image.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
