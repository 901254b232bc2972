"""The report's tables → lines of at most 100 columns, with nothing that steers a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from dspipe.commands.terminal import plain, print_tree

WIDTH = 98
SHOWN = 24  # groups of a table
COLUMN = 17  # of a tokenizer
ACROSS = 4  # tokenizers beside each other
LONGEST_TOKEN = 28
HONEST = (
    "texts of languages differ in content, and characters in bytes and in what they say: for what a language",
    "pays, give parallel texts (--data with columns text, language and source_id)",
)


def print_report(content: dict[str, Any]) -> None:
    for number, (name, part) in enumerate(content.items()):
        click.echo(f"\n{plain(name)}" if number else plain(name))
        PRINTERS.get(name, print_part)(part)


def print_part(part: dict[str, Any]) -> None:
    print_tree({name: value for name, value in part.items() if name != "settings"}, "  ")


def print_compression(part: dict[str, Any]) -> None:
    click.echo(f"  measured on {plain(part['measured_on'])}")
    for key in ("domains", "languages"):
        rows = part.get(key, [])
        names = list(rows[0]["bytes_per_token"]) if rows else []
        for first in range(0, len(names), ACROSS):
            print_groups(key, rows, names[0], names[first : first + ACROSS])
    print_parity(part.get("parity", {}))
    for name, premium in part.get("premium", {}).items():
        if premium:
            figures = [f"{plain(language)} {one['times']:.2f}" for language, one in premium.items()]
            texts = max(one["texts"] for one in premium.values())
            print_wrapped(
                f"  {label(name)}: tokens for the same content, times English ({texts:,} texts): ",
                figures,
                " ",
            )


def print_groups(key: str, rows: list[dict[str, Any]], this: str, names: Sequence[str]) -> None:
    """Bytes (characters) a token, and beside another tokenizer than this its bytes a token as times ours."""
    head = "".join(f"{label(name):>{COLUMN}}" for name in names)
    click.echo(f"\n  bytes (characters) per token\n  {key[:-1]:<10}{'documents':>10}{'MB':>8}{head}")
    for row in rows[:SHOWN]:
        figures = ""
        for name in names:
            held, characters = row["bytes_per_token"][name], row["characters_per_token"][name]
            times = "" if name == this else f" {held / (row['bytes_per_token'][this] or 1):.2f}×"
            figures += f"{f'{held:.2f} ({characters:.2f}){times}':>{COLUMN}}"
        group = plain(row[key[:-1]])[:10]
        click.echo(f"  {group:<10}{row['documents']:>10,}{row['bytes'] / 1e6:>8.2f}{figures}")
    if len(rows) > SHOWN:
        click.echo(f"  … and {len(rows) - SHOWN} more with --json")


def print_parity(part: dict[str, Any]) -> None:
    known = {name: parity for name, parity in part.items() if parity}
    if not known:
        return
    click.echo("\n  parity of languages")
    for name, parity in known.items():
        for unit, one in parity.items():
            click.echo(
                f"    {label(name):<{COLUMN}}{unit:<10} per token in {one['languages']} languages: median "
                f"{one['median']:.2f}, least {one['worst']:.2f} ({plain(one['worst_language'])[:10]}), "
                f"Gini {one['gini']:.3f}"
            )
    for line in HONEST:
        click.echo(f"    {line}")


def print_unreachable(part: dict[str, Any]) -> None:
    for name, one in part.items():
        tested = f"  ({one['not_tested']:,} not tested)" if one["not_tested"] else ""
        click.echo(f"  {label(name):<{COLUMN}}{one['entries']:>8,}{tested}")
        print_wrapped("    ", [show(token) for token in one["some"]], " ")


def print_unused(part: dict[str, Any]) -> None:
    click.echo(
        f"  {part['entries']:,} entries, {100 * part['share']:.2f} %: {part['single_bytes']:,} single bytes, "
        f"{part['parts_of_others']:,} parts of longer ones"
    )
    print_wrapped("    ", [show(token) for token in part["some"]], " ")


def print_scripts(part: dict[str, Any]) -> None:
    """The longest entries with how often the mixture has them, as far as a line has room."""
    for script, row in part.items():
        line = f"  {script:<14}{row['entries']:>9,}{100 * row['share']:>7.1f} %  "
        for one in row["longest"]:
            word = show(one["token"]) + ("" if one["uses"] is None else f"×{one['uses']:,}") + "  "
            if measure(line + word) <= WIDTH:
                line += word
        click.echo(line.rstrip())


def print_examples(part: dict[str, Any]) -> None:
    for name, example in part.items():
        print_wrapped(
            f"  {name:<12}{example['tokens']:>4}  ", [plain(token) for token in example["pieces"]], "│"
        )


def print_wrapped(head: str, words: list[str], between: str) -> None:
    """Words behind a head, in as many lines as they need."""
    line, indent = head, " " * min(len(head), 20)
    for number, word in enumerate(words):
        piece = (between if number else "") + word
        if measure(line + piece) > WIDTH and line.strip():
            click.echo(line)
            line = indent
        line += piece
    if words:
        click.echo(line)


def show(token: str) -> str:
    """A token in quotation marks, cut in the middle where it is long."""
    text = plain(token)
    if len(text) > LONGEST_TOKEN:
        text = f"{text[: LONGEST_TOKEN // 2]}…{text[-LONGEST_TOKEN // 2 + 1 :]}"
    return f'"{text}"'


def measure(text: str) -> int:
    """Columns that a text takes on a terminal."""
    from rich.cells import cell_len

    return cell_len(text)


def label(name: str) -> str:
    """The end of a name, which says most of a path."""
    short = plain(name).removesuffix("/tokenizer.json").removesuffix("/tokenizer")
    return short if len(short) < COLUMN - 1 else f"…{short[-COLUMN + 3 :]}"


PRINTERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "compression": print_compression,
    "unreachable": print_unreachable,
    "never used on the mixture": print_unused,
    "scripts": print_scripts,
    "examples": print_examples,
}
