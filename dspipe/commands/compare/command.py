"""`dspipe compare`: folders of runs → what differs, side by side, on a terminal and as a page with curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dspipe.commands.charts.page import render
from dspipe.commands.compare.curves import draw_comparison
from dspipe.commands.compare.differences import list_common, list_counts, list_settings
from dspipe.commands.compare.figures import list_figures, list_notes
from dspipe.commands.compare.printing import print_comparison
from dspipe.commands.compare.sides import Side, open_sides
from dspipe.commands.terminal import plain, print_json, show_size
from dspipe.shards import write_file

FOLDER = Path(__file__).parent


def compare(paths: Sequence[Path], out: Path | None, as_json: bool) -> None:
    """Print the comparison and, if asked, write the page."""
    sides = open_sides(paths)
    content = describe_comparison(sides)
    if as_json:
        print_json(content)
    else:
        print_comparison(content)
    if out is not None:
        page = render(FOLDER, "compare.html", charts=draw_comparison(sides), **content)
        write_file(out, page)
        click.echo(f"{plain(out, 1000)}: {show_size(len(page))}", err=as_json)


def describe_comparison(sides: Sequence[Side]) -> dict[str, Any]:
    return {
        "runs": [{"name": side.name, "folder": str(side.run.folder)} for side in sides],
        "troubles": [trouble for side in sides for trouble in side.run.troubles],
        "common": list_common(sides),
        "settings": list_settings(sides),
        "counts": list_counts(sides),
        "figures": list_figures(sides),
        "notes": list_notes(sides),
    }
