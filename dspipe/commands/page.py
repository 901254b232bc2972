"""A document's or a dropped record's place → the original, read again from its source, and printed.

What a crawl stored may be anything: all of it goes through `show_lines` before a terminal sees it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from dspipe.commands.terminal import print_tree, show_lines
from dspipe.recipe import DspipeError, Extract
from dspipe.road import STAGES
from dspipe.shards import Artifact, Manifest

if TYPE_CHECKING:
    from rich.console import Console

    from dspipe.extract.original import Original
    from dspipe.extract.sources.file import SourceFile

Row = dict[str, Any]

MOST_BESIDE = 200_000  # characters of a page in columns
WINDOW = 100_000  # characters of a page in which the next line of its text is looked for
MOST_LINES = 2000  # of a text that are looked for
BETWEEN = r"(?:[^\w<&]++|<[^<>]{0,300}>|&#?\w{1,8};){0,30}+"  # two words, in a page


@dataclass(frozen=True)
class Place:
    """Where a record stands."""

    source: str
    file: str
    offset: int

    def __str__(self) -> str:
        return f"{self.source}/{self.file}:{self.offset}"


def place_of(row: Row) -> Place:
    """The place of a row of `documents`, or of a list of what gave none."""
    origin = row.get("origin", row)
    return Place(row["source"], origin["file"], origin["offset"])


def find_original(documents: Artifact, row: Row, recipe: Path | None = None) -> Original:
    """The record that a row of `documents`, or of what gave none, was made of.

    Raises:
        DspipeError: the file is gone, cannot be read, or holds something else there.
    """
    from dspipe.extract.original import read_original
    from dspipe.extract.sources.file import hide_secrets
    from dspipe.extract.sources.locate import locate_file

    settings, place = load_settings(documents.manifest, recipe), place_of(row)
    source = next((source for source in settings.sources if source.name == place.source), None)
    if source is None or not source.path:
        raise DspipeError(
            f"{documents.folder} does not say where the files of {place.source} lie; add --recipe FILE"
        )
    folders = list(documents.folder.resolve().parents)
    file = locate_file(source, place.file, settings, folders)
    original = read_original(file, place.offset, settings, deadly=row.get("reason") == "crashed")
    if original is None or not is_same(original.row, row, documents.manifest, file):
        raise DspipeError(
            f"{place} is not what {documents.folder} was made of any more: {hide_secrets(file.address)} has "
            "changed; put the old file back, or run extract again with --rebuild extract"
        )
    return original


def load_settings(manifest: Manifest, recipe: Path | None) -> Extract:
    """The settings of a manifest of documents, with where they lie as noted, or as a recipe has it."""
    from dspipe.reading import load_recipe

    paths = manifest.facts.get("sources", {})
    places = {name: manifest.facts[name] for name in ("common_crawl",) if name in manifest.facts}
    if recipe is not None:
        extract = load_recipe(recipe).extract
        paths = {source.name: source.path for source in extract.sources}
        places = {name: getattr(extract, name) for name in STAGES["extract"].neutral}
    sources = [
        {**source, "path": paths.get(source["name"], "")} for source in manifest.settings.get("sources", [])
    ]
    try:
        return msgspec.convert({**manifest.settings, **places, "sources": sources}, Extract)
    except msgspec.ValidationError as error:
        raise DspipeError(
            f"these documents were made by another version of dspipe ({error}); run extract again"
        ) from None


def is_same(found: Row, row: Row, manifest: Manifest, file: SourceFile) -> bool:
    """Whether what stands at a row's place is what the row was made of.

    Its id, URL and digest say so, its text or the reason for which it was dropped; where it has nothing of
    the kind, the sample of the file does that was taken for the fingerprint.
    """
    before, now = row.get("reason"), found.get("reason")
    if now != before and (now or (before != "same-url" and "id" in found)):
        return False
    known = [
        (row[name], found[name])
        for name in ("source_id", "url", "digest", "text")
        if row.get(name) and name in found
    ]
    if any(before != now for before, now in known):
        return False
    return bool(known) or is_unchanged(manifest, file)


def is_unchanged(manifest: Manifest, file: SourceFile) -> bool:
    from dspipe.extract.sources.find import sample_files

    for entry in manifest.inputs:
        if (entry["source"], entry["file"]) == (file.source, file.path):
            return bool(entry["sample"] == "archived" or entry["sample"] == sample_files([file])[0])
    return False


def print_original(original: Original, text: str | None) -> None:
    """Print the headers, then the page and its text: side by side on a terminal, else one after the other."""
    for name, head in original.heads.items():
        click.echo(name)
        if isinstance(head, str):
            print_lines(head.strip(), "  ")
        else:
            print_tree(head, "  ")
    if text is not None and sys.stdout.isatty():
        from rich.console import Console

        return print_beside(original.page, text, Console(color_system=None, highlight=False, markup=False))
    print_lines(f"page\n{original.page}")
    if text is not None:
        print_lines(f"text\n{text}")


def print_lines(text: str, indent: str = "") -> None:
    for line in show_lines(text).split("\n"):
        click.echo(f"{indent}{line}" if line else "")


def print_beside(page: str, text: str, console: Console) -> None:
    """Print a page beside its text, each line of the text where the page has its first words."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid("page", "text", padding=(0, 2), expand=True)
    for column in table.columns:
        column.ratio, column.overflow = 1, "fold"
    table.show_header = True
    for left, right in pair(page[:MOST_BESIDE], text):
        table.add_row(*(Text(show_lines(side).rstrip("\n")) for side in (left, right)))
    console.print(table)
    if len(page) > MOST_BESIDE:
        click.echo(f"… {len(page) - MOST_BESIDE:,} more characters of the page; --json gives all")


def pair(page: str, text: str) -> Iterator[tuple[str, str]]:
    """Cut a page where lines of its text begin; what cannot be found goes with the line before it."""
    begin, held = 0, ""
    body = re.search("<body", page, re.IGNORECASE)
    reached = body.start() if body else 0  # a title has the words of its heading
    for number, line in enumerate(text.splitlines(keepends=True)):
        found = find_line(page, line, reached) if number < MOST_LINES else None
        if found is not None:
            start = page.rfind("\n", begin, found) + 1 or found
            if start > begin:
                yield page[begin:start], held
                begin, held = start, ""
            reached = found + 1
        held += line
    yield page[begin:], held


def find_line(page: str, line: str, start: int) -> int | None:
    """Where a page has the first words of a line of its text, whatever stands between them there."""
    words = [re.escape(word[:20]) for word in re.findall(r"\w+", line[:200])[:4]]
    match = re.compile(BETWEEN.join(words)).search(page, start, start + WINDOW) if words else None
    return match.start() if match else None
