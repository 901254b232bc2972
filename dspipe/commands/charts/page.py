"""Tables of plain values + a template → one self-contained page, in which no value can be markup.

Every value is cleaned of what is not printable (control characters, directions) and then escaped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from dspipe.commands.charts.heat import list_legend
from dspipe.commands.charts.scales import show_number
from dspipe.commands.terminal import show_lines, show_size

FOLDER = Path(__file__).parent


def render(folder: Path, template: str, **content: Any) -> bytes:
    """The page, in UTF-8; templates are looked for in the folder, then beside this file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        finalize=clean,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": show_number,
        "count": show_count,
        "size": show_size,
        "share": show_share,
        "span": show_span,
        "moment": show_moment,
        "first_lines": cut_lines,
    }
    environment.globals |= {"heat_legend": list_legend()}
    return environment.get_template(template).render(**content).encode("utf-8", "replace")


def clean(value: Any) -> Any:
    """A value as it is printed: what is not printable stands as a sign, nothing for None."""
    if value is None:
        return ""
    return show_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def show_count(value: float | None) -> str:
    """1234567 → 1,234,567."""
    return "–" if value is None else f"{value:,}"


def show_share(value: float | None, digits: int = 1) -> str:
    """0.1234 → 12.3 %."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def show_span(seconds: float | None) -> str:
    """A time for people: 0.5 s, 12 s, 3 min 20 s, 5 h 02 min, 2 d 4 h."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest:02} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes:02} min"


def show_moment(started: str) -> str:
    """2026-11-27T12:19:34Z → 2026-11-27 12:19:34."""
    return started.replace("T", " ").removesuffix("Z")


def cut_lines(text: str, lines: int = 6, width: int = 200) -> str:
    """The first lines of a text that hold anything, each cut, so that no text fills the page."""
    held = [line.rstrip() for line in text[: 4 * lines * width].splitlines() if line.strip()]
    shown = [line if len(line) <= width else line[:width] + "…" for line in held[:lines]]
    return "\n".join(shown + (["…"] if len(held) > lines else []))
