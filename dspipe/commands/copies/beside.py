"""Pairs of documents → a terminal: side by side where it is wide enough, else one below the other.

What differs is coloured where there are colours, else it stands in {-…-} (kept) and {+…+} (removed). Nothing
of a text but printable characters is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dspipe.commands.copies.difference import Difference, Hunk
from dspipe.commands.copies.pairs import Pair, Piece, decode, describe_pair, name_place, read_pairs
from dspipe.commands.terminal import plain, print_json, show_lines
from dspipe.shards import Artifact

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDE = 100  # columns that two texts need beside each other
MOST_CHANGES = 12  # of a pair
LINE_END = " ⏎ "
BEGIN, END = 250, 100  # characters of a longer stretch that are shown
COLOURS = {"kept": "bold green", "removed": "bold red"}
MARKS = {"kept": ("{-", "-}"), "removed": ("{+", "+}")}
LEAST_ALIKE = "  (the least alike first)"
LEGEND = {
    True: "{-only in the kept one-}  {+only in the removed one+}",
    False: "green: only in the kept one; red: only in the removed one",
}


def show_pairs(
    distinct: Artifact,
    reason: str | None,
    document: str | None,
    most: int,
    as_json: bool,
    count: int | None = None,
) -> None:
    """Print pairs of a reason, of which there are `count`, or of one document, by the beginning of its id."""
    pairs = read_pairs(distinct, reason, document, most)
    if as_json:
        head = {"reason": reason, "count": count} if reason else {"document": document}
        return print_json(head | {"records": [describe_pair(pair) for pair in pairs]})
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if reason is not None:
        console.print(
            f"{plain(reason):<24} {count:,}{LEAST_ALIKE if reason == 'near-copy' and not document else ''}"
        )
    if any(isinstance(pair.shown, Difference) and pair.shown.hunks for pair in pairs):
        console.print(LEGEND[needs_marks(console)])
    for number, pair in enumerate(pairs):
        print_pair(number, pair, console)


def needs_marks(console: Console) -> bool:
    return console.color_system is None or console.no_color


def print_pair(number: int, pair: Pair, console: Console) -> None:
    """Print what is known of a pair, and how its texts differ, or the piece that was taken out."""
    row = pair.row
    known = [f"{name} {row[name]:.4f}" for name in ("jaccard", "containment") if row.get(name) is not None]
    if row.get("start") is not None:
        known = [f"{row['bytes']:,} bytes from byte {row['start']:,} of the one that lost them"]
    console.print(f"\npair {number}: {'  '.join([plain(row['kind']), *known])}")
    for role, document in (("kept", pair.kept), ("removed", pair.removed)):
        console.print(f"  {role:<8} {plain(document['id'])}  {plain(name_place(document))}")
    if isinstance(pair.shown, str):
        console.print(f"  {pair.shown}")
    elif isinstance(pair.shown, Piece):
        console.print(draw_piece(pair.shown, console))
    elif pair.shown.hunks:
        print_difference(pair.shown, console)
    else:
        equal = pair.kept["text"] == pair.removed["text"]
        console.print(f"  the texts are equal{'' if equal else ' but for white space'}")
        console.print(f"  both     | {shorten(decode(pair.kept['text']), LINE_END)}")
    if isinstance(pair.shown, Difference) and any(pair.shown.left):
        left = " and ".join(f"{number:,}" for number in pair.shown.left)
        console.print(f"  … not compared: the last {left} characters")


def print_difference(difference: Difference, console: Console) -> None:
    """Print the first hunks, in two columns or one."""
    from rich.text import Text

    hunks = list(choose_hunks(difference.hunks))
    if console.is_terminal and console.width >= WIDE:
        print_columns(hunks, console)
    else:
        for hunk in hunks:
            if hunk.skipped:
                console.print(f"  {describe_skipped(hunk.skipped)}")
            for role in ("kept", "removed"):
                console.print(Text(f"  {role:<8} | ") + draw_side(hunk, role, console, LINE_END))
    more = difference.more + count_changes(difference.hunks) - count_changes(hunks)
    if more:
        console.print(f"  … {more:,} more differences")
    elif difference.skipped:
        console.print(f"  {describe_skipped(difference.skipped)}")


def print_columns(hunks: list[Hunk], console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid("kept", "removed", padding=(0, 2, 0, 2), expand=True)
    for column in table.columns:
        column.ratio, column.overflow = 1, "fold"
    for number, hunk in enumerate(hunks):
        if hunk.skipped or number:
            table.add_row(Text(describe_skipped(hunk.skipped), "dim"), "")
        table.add_row(*(draw_side(hunk, role, console, "\n") for role in ("kept", "removed")))
    console.print(table, soft_wrap=False)


def choose_hunks(hunks: list[Hunk]) -> Iterator[Hunk]:
    """The hunks up to the last change that is shown."""
    left = MOST_CHANGES
    for hunk in hunks:
        if left <= 0:
            return
        segments = []
        for segment in hunk.segments:
            left -= not segment.same
            if left < 0:
                break
            segments.append(segment)
        yield hunk._replace(segments=segments)


def count_changes(hunks: list[Hunk]) -> int:
    return sum(not segment.same for hunk in hunks for segment in hunk.segments)


def describe_skipped(characters: int) -> str:
    return f"… {characters:,} characters alike …"


def draw_side(hunk: Hunk, role: str, console: Console, line_end: str) -> Text:
    """One text of a hunk, its lines joined by a sign or as they are."""
    from rich.text import Text

    side = Text()
    for segment in hunk.segments:
        text = segment.kept if role == "kept" else segment.removed
        add_stretch(side, text, "" if segment.same else role, console, line_end)
    side.rstrip()
    return side


def draw_piece(piece: Piece, console: Console) -> Text:
    from rich.text import Text

    line = Text("  ")
    line.append(f"… {fold(piece.before, LINE_END)[-END:].lstrip()}" if piece.before else "")
    add_stretch(line, piece.text, "removed", console, LINE_END)
    line.append(f"{fold(piece.after, LINE_END)[:END].rstrip()} …" if piece.after else "")
    return line


def add_stretch(line: Text, text: str, role: str, console: Console, line_end: str) -> None:
    """Append words, those of one side alone with its marks or colour; white space behind stays outside."""
    shown = shorten(text, line_end)
    words = shown.rstrip(f"{LINE_END} \n")
    if not role or not words:
        line.append(words)
    elif needs_marks(console):
        line.append(words.join(MARKS[role]))
    else:
        line.append(words, COLOURS[role])
    line.append(shown[len(words) :])


def shorten(text: str, line_end: str) -> str:
    """A stretch without its middle, if it is long, and with how long it is."""
    if len(text) <= BEGIN + END + 50:
        return fold(text, line_end)
    begin, end = fold(text[: 2 * BEGIN], line_end)[:BEGIN], fold(text[-2 * END :], line_end)[-END:]
    return f"{begin} … ({len(text):,} characters) … {end}"


def fold(text: str, line_end: str) -> str:
    """Printable characters alone, white space as one space or one end of a line."""
    spaced = re.sub(" {2,}", " ", show_lines(text))
    return re.sub(r" ?\n[ \n]*", line_end, spaced)
