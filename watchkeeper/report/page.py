"""A report as one HTML file that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from alerts.plain_text import plain
from watchkeeper.report.chart import metric_chart
from watchkeeper.report.content import Report
from watchkeeper.report.tables import Table, all_tables, people_rows
from watchkeeper.report.text import final_words, span_words
from watchkeeper.report.wording import capital, metric_words

WORDS: Final = {"bad": "Problem", "good": "Good", "plain": "Note", "unknown": "Unknown"}
NOTE: Final = (
    "Bands and brackets are 95% confidence intervals. Hollow points are provisional: labels are still due, or fewer "
    "came than usual. The dashed line is the slow change that the regression found."
)
STYLE: Final = """\
:root { color-scheme: light dark; --back: #fff; --text: #1c2530; --dim: #5b6875; --line: #dde3e9; --soft: #f4f6f8;
  --curve: #1f6feb; --bad: #c62f3b; --good: #1a7f4b; --warn: #b26a00; --bar: #8fb4e8; }
@media (prefers-color-scheme: dark) { :root { --back: #11161c; --text: #e4e9ee; --dim: #93a1af; --line: #2b3540;
  --soft: #1a2129; --curve: #6cabff; --bad: #ff7d86; --good: #56d08d; --warn: #f0b252; --bar: #3d659c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 48px; max-width: 1240px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 26px; overflow-wrap: anywhere; }
h2 { margin: 34px 0 10px; font-size: 18px; }
p { margin: 4px 0; color: var(--dim); }
ul { margin: 20px 0 0; padding: 0; list-style: none; }
li { display: flex; gap: 12px; padding: 8px 12px; border-left: 4px solid var(--line); background: var(--soft);
  margin-bottom: 6px; border-radius: 0 4px 4px 0; overflow-wrap: anywhere; }
li b { flex: 0 0 80px; color: var(--dim); }
li.bad { border-color: var(--bad); } li.bad b { color: var(--bad); }
li.good { border-color: var(--good); } li.good b { color: var(--good); }
li.unknown { border-color: var(--warn); } li.unknown b { color: var(--warn); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; white-space: nowrap; }
td { white-space: nowrap; } td.wide { white-space: normal; overflow-wrap: anywhere; min-width: 220px; } td.narrow { white-space: normal; min-width: 104px; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; } .axis { fill: var(--dim); }
.end { text-anchor: end; } .grid { stroke: var(--line); }
.band { fill: var(--curve); opacity: .18; } .curve { fill: none; stroke: var(--curve); stroke-width: 2; }
.dot { fill: var(--curve); stroke: var(--curve); } .hollow { fill: var(--back); }
.slope { fill: none; stroke: var(--bad); stroke-width: 2; stroke-dasharray: 7 5; }
.version { stroke: var(--dim); stroke-dasharray: 2 3; } .room { fill: var(--soft); } .bar { fill: var(--bar); }
.alert { fill: var(--dim); } .alert.warning { fill: var(--warn); } .alert.error, .alert.critical { fill: var(--bad); }
@media print { li, .room { print-color-adjust: exact; } }
"""


def report_page(report: Report) -> str:
    """Return the report as a page; every word in it is escaped."""
    return "\n".join(_parts(report)) + "\n"


def _parts(report: Report) -> Iterator[str]:
    title = escape(plain(report.model))
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>Quality of {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>"
    yield f"<h1>Quality of {title}</h1>"
    yield f"<p>{escape(capital(span_words(report)))}; {escape(final_words(report))}.</p>\n<ul>"
    for statement in report.statements:
        word, text = WORDS[statement.tone], escape(plain(statement.text))
        yield f'<li class="{statement.tone}"><b>{word}</b><span>{text}</span></li>'
    yield "</ul>"
    yield from _charts(report)
    for table in all_tables(report):
        yield from _table(table)
    yield "<h2>Who to ask</h2>\n<table>"
    for question, answer in people_rows(report.people):
        yield f'<tr><th>{escape(question)}</th><td class="wide">{escape(plain(answer))}</td></tr>'
    yield "</table>\n</body>\n</html>"


def _charts(report: Report) -> Iterator[str]:
    charts = [(metric, chart) for metric in report.headlines if (chart := metric_chart(report, metric))]
    for metric, chart in charts:
        unit = "day" if report.unit == "week" else "week"
        yield f"<h2>{escape(capital(metric_words(metric)))} by {unit}</h2>\n{chart}"
    if charts:
        yield f"<p>{escape(NOTE)}</p>"


def _table(table: Table) -> Iterator[str]:
    yield f'<h2>{escape(table.title)}</h2>\n<div class="scroll"><table>'
    yield f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in table.head)}</tr>"
    for row in table.rows:
        cells = "".join(_cell(head, cell) for head, cell in zip(table.head, row, strict=True))
        yield f"<tr>{cells}</tr>"
    yield "</table></div>"


def _cell(head: str, cell: str) -> str:
    kind = {"what": ' class="wide"', "figures": ' class="narrow"'}.get(head, "")
    return f"<td{kind}>{escape(plain(cell))}</td>"
