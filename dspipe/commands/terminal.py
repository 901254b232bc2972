"""Values → text for a terminal or a program: nothing that comes from a document can steer the terminal."""

from __future__ import annotations

from typing import Any

import click
import msgspec

WIDTH = 100  # characters of a value that are shown
NUMBERS = 4  # of a table that are printed on one line


def print_json(value: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_tree(content: dict[str, Any], indent: str = "") -> None:
    """Print nested tables by indentation, one value a line, and a few numbers on one line."""
    for key, value in content.items():
        if isinstance(value, dict) and 0 < len(value) <= NUMBERS and all(map(is_number, value.values())):
            numbers = "  ".join(f"{plain(name)} {number:,}" for name, number in value.items())
            click.echo(f"{indent}{plain(key):<24} {numbers}")
        elif isinstance(value, dict) and value:
            click.echo(f"{indent}{plain(key)}")
            print_tree(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, row in enumerate(value):
                click.echo(f"{indent}{plain(key)} {number}")
                print_tree(row, indent + "  ")
        else:
            click.echo(f"{indent}{plain(key):<24} {plain(value)}")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def plain(value: Any, width: int = WIDTH) -> str:
    """A value as one short line of printable characters."""
    text = "-" if value is None else str(value)
    cut = text[:width] + (f"… ({len(text):,} characters)" if len(text) > width else "")
    return "".join(
        c if c.isprintable() else {"\n": "⏎", "\t": "⇥"}.get(c, "\N{REPLACEMENT CHARACTER}") for c in cut
    )


def show_lines(text: str) -> str:
    """A text of several lines without anything but printable characters, spaces and line feeds."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(
        c if c.isprintable() or c == "\n" else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def show_size(size: float) -> str:
    """Bytes in the unit that reads best: 2.3 MB."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("KB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"
