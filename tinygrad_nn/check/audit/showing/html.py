"""The report of an audit as HTML: a fragment for a notebook, and a page.

Everything that comes from the user's program is escaped, and the page forbids scripts. Its colours
follow the notebook's theme, or, for the page, the reader's.
"""

from __future__ import annotations

import os
import re
from html import escape
from pathlib import Path

from ....errors import ExportError
from ..result import Audit, AuditRow, Culprit
from .view import (
    HEADERS,
    MARKS,
    MISSING,
    Line,
    Listing,
    correction_label,
    error_figure,
    full,
    headline,
    listings,
    printable,
    short,
    sureness,
    three_numbers,
    told_apart,
    where_worst,
)

#: Colours that can be read on white, and those for dark backgrounds.
_LIGHT = "--good:#116329;--bad:#b3261e;--badbg:rgba(179,38,30,.09);--line:rgba(127,127,127,.35)"
_DARK = "--good:#6fdd8b;--bad:#ff8a80;--badbg:rgba(255,138,128,.13);--line:rgba(160,160,160,.35)"

#: Dark themes of JupyterLab, VS Code and Colab.
_DARK_THEMES = (
    'body[data-jp-theme-light="false"] .tg-audit',
    "body.vscode-dark .tg-audit",
    "html[theme=dark] .tg-audit",
)

_STYLE = f"""
.tg-audit{{{_LIGHT};color:inherit;line-height:1.45;max-width:75rem}}
{",".join(_DARK_THEMES)}{{{_DARK}}}
.tg-audit h3{{font-size:1.15em;margin:.4em 0 .8em;font-weight:600}}
.tg-audit h4{{font-size:.95em;margin:1.4em 0 .4em;font-weight:600;opacity:.75}}
.tg-audit .scroll{{overflow-x:auto}}
.tg-audit table{{border-collapse:collapse;background:none;margin:0;font-size:.92em}}
.tg-audit table.code{{min-width:100%}}
.tg-audit tr,.tg-audit tbody tr:nth-child(even){{background:none}}
.tg-audit th,.tg-audit td{{padding:.3em .8em;text-align:left;vertical-align:baseline;
  border:0;border-bottom:1px solid var(--line);color:inherit;white-space:nowrap;background:none}}
.tg-audit th{{font-weight:600;font-size:.85em;opacity:.75}}
.tg-audit td.n{{text-align:right}}
.tg-audit code,.tg-audit td.n,.tg-audit td.no{{font-family:ui-monospace,SFMono-Regular,Menlo,
  Consolas,"DejaVu Sans Mono",monospace;font-size:1em}}
.tg-audit code{{background:none;color:inherit;padding:0}}
.tg-audit table.code td{{border:0;padding:.16em .8em}}
.tg-audit table.code code{{white-space:pre}}
.tg-audit td.no{{text-align:right;opacity:.6;user-select:none}}
.tg-audit td.mark{{font-size:.85em;text-align:right;padding-right:0}}
.tg-audit td.what{{white-space:normal;min-width:16em}}
.tg-audit td.text{{white-space:normal;max-width:24em}}
.tg-audit table.code td.text{{max-width:none}}
.tg-audit .right .mark,.tg-audit .good{{color:var(--good)}}
.tg-audit .bad,.tg-audit .wrong .mark,.tg-audit .follows .mark,.tg-audit .wrong .what{{
  color:var(--bad)}}
.tg-audit .bad,.tg-audit .wrong .mark{{font-weight:600}}
.tg-audit .forward{{opacity:.65}}
.tg-audit tr.here td{{background:var(--badbg)}}
.tg-audit u{{text-decoration:underline wavy var(--bad);text-decoration-thickness:1.5px;
  text-underline-offset:.25em}}
.tg-audit .why{{border-left:3px solid var(--bad);padding:.2em 0 .2em .9em;margin:.2em 0 .5em;
  max-width:44em;white-space:normal}}
.tg-audit .why p{{margin:.25em 0}}
.tg-audit .why pre{{margin:.35em 0;padding:0;background:none;color:var(--good);border:0;
  white-space:pre-wrap;font-size:1em}}
.tg-audit .notes{{font-size:.92em;margin:1em 0 0;padding-left:1.2em}}
"""

_PAGE = f"""
:root{{color-scheme:light dark}}
body{{margin:0;padding:1.5rem clamp(.8rem,4vw,3rem);background:#fff;color:#1b1b1f;
  font:17px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}}
@media (prefers-color-scheme:dark){{body{{background:#16171a;color:#e6e6ea}}
  .tg-audit{{{_DARK}}}}}
@media print{{body{{padding:0;font-size:11pt}}}}
"""


def html(audit: Audit) -> str:
    """The report as a fragment that a notebook shows, styles included."""
    return f"<style>{_STYLE}</style>{_body(audit)}"


def page(audit: Audit) -> str:
    """The report as a whole page, with nothing to be fetched and no script."""
    title = escape(f"Audit of {printable(audit.name)}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}{_PAGE}</style></head>\n"
        f"<body>{_body(audit)}</body></html>\n"
    )


def write_html(audit: Audit, path: str | os.PathLike[str]) -> Path:
    """Write the report as a page; returns the path.

    Raises:
        ExportError: the file cannot be written.
    """
    return write_page(page(audit), path)


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page's text to a file; raises ExportError if that cannot be done."""
    target = Path(path)
    try:
        target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ExportError(f"the report cannot be written to {target}: {error.strerror}") from error
    return target


def _body(audit: Audit) -> str:
    verdict = "good" if audit.ok else "bad"
    parts = [f'<h3 class="{verdict}">{escape(headline(audit))}</h3>', _table(audit)]
    parts += [_listing(audit, listing) for listing in listings(audit)]
    if audit.notes:
        items = "".join(f"<li>{_text(note)}</li>" for note in audit.notes)
        parts.append(f'<ul class="notes">{items}</ul>')
    return f'<div class="tg-audit">{"".join(parts)}</div>'


def _text(text: str) -> str:
    """Sentences, in which code stands between backquotes."""
    lines = (escape(printable(line)) for line in text.splitlines())
    return "<br>".join(re.sub(r"`([^`]+)`", r"<code>\1</code>", line) for line in lines)


# --- the table ------------------------------------------------------------------------------------


def _table(audit: Audit) -> str:
    if not audit.rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in HEADERS)
    rows = "".join(map(_row, audit.rows))
    return (
        f'<div class="scroll"><table class="verdicts"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(row: AuditRow) -> str:
    verdict = _text(row.verdict) + (f"<br><small>{_text(row.note)}</small>" if row.note else "")
    errors = map(error_figure, (row.error, row.relative))
    show = short if told_apart(row) else full
    cells = [
        f"<td><code>{escape(printable(row.parameter))}</code></td>",
        f"<td><code>{tuple(map(int, row.shape))}</code></td>",
        f'<td class="text {"good" if row.ok else "bad"}">{verdict}</td>',
        *(f'<td class="n">{x}</td>' for x in errors),
        f"<td><code>{escape(where_worst(row))}</code></td>",
        *(f'<td class="n">{show(x)}</td>' for x in three_numbers(row)),
    ]
    return f"<tr>{''.join(cells)}</tr>"


# --- the code -------------------------------------------------------------------------------------


def _listing(audit: Audit, listing: Listing) -> str:
    rows = "".join(_line(audit.culprit, line) for line in listing.lines)
    return (
        f"<h4>{escape(listing.file)}</h4>"
        f'<div class="scroll"><table class="code"><tbody>{rows}</tbody></table></div>'
    )


def _line(culprit: Culprit | None, line: Line) -> str:
    status = line.status if line.status in MARKS else "unknown"
    missing = line.culprit and line.underlined is None
    here = " here" if line.culprit and not missing else ""
    row = (
        f'<tr class="{status}{here}"><td class="mark">{MARKS[status]}</td>'
        f'<td class="no">{line.number}</td>'
    )
    if line.computes:
        row += f'<td><code>{_code(line)}</code></td><td class="what">{escape(line.computes)}</td>'
    else:  # which leaves more room
        row += f'<td colspan="2"><code>{_code(line)}</code></td>'
    row += "</tr>"
    if missing:
        row += (
            f'<tr class="wrong here"><td class="mark">{MARKS["wrong"]}</td><td class="no"></td>'
            f'<td colspan="2">{MISSING}</td></tr>'
        )
    if line.culprit and culprit is not None:
        row += f'<tr><td></td><td></td><td class="text" colspan="2">{_why(culprit)}</td></tr>'
    return row


def _code(line: Line) -> str:
    if line.underlined is None:
        return escape(line.code)
    start, end = line.underlined
    before, inside, after = line.code[:start], line.code[start:end], line.code[end:]
    return f"{escape(before)}<u>{escape(inside)}</u>{escape(after)}"


def _why(culprit: Culprit) -> str:
    parts = [f"<p>{_text(culprit.explanation)}</p>"] if culprit.explanation else []
    parts.append(f"<p><em>{escape(sureness(culprit))}</em></p>")
    if culprit.correction:
        label = correction_label(culprit).capitalize()
        code = "\n".join(map(printable, culprit.correction.expandtabs(4).splitlines()))
        parts.append(f"<p>{label}</p><pre><code>{escape(code)}</code></pre>")
    return f'<div class="why">{"".join(parts)}</div>'
