"""Files of texts and their languages → texts in memory, and the languages as recipes name them."""

from __future__ import annotations

import glob
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from dspipe.bench.crawl import SAMPLE, iterate_pages
from dspipe.extract.pages.page import extract_page
from dspipe.extract.reasons import Unusable
from dspipe.filter.languages.guess import NAMES
from dspipe.recipe import Extract, RecipeError

TRUTH = "shards/sample/truth.json"
HELD = 2_000_000  # bytes of text that are timed: py3langid takes seconds for them


@dataclass(frozen=True)
class Labelled:
    """Texts, and the language of each where that is known."""

    given: str
    texts: tuple[str, ...]
    languages: tuple[str | None, ...]

    @property
    def array(self) -> Any:
        return pa.array(self.texts, pa.large_string())

    @property
    def bytes(self) -> int:
        return sum(len(text.encode()) for text in self.texts)

    def hold(self, size: int = HELD) -> Labelled:
        """Texts from all over, of about so many bytes, or all where there are fewer."""
        count = max(1, min(len(self.texts), round(len(self.texts) * size / self.bytes)))
        places = [place * len(self.texts) // count for place in range(count)]
        return Labelled(
            self.given,
            tuple(self.texts[place] for place in places),
            tuple(self.languages[place] for place in places),
        )


def read_labelled(pattern: str | None) -> Labelled:
    """The rows of Parquet and JSON lines files, with `text` and perhaps `language`; or the sample's pages.

    Raises:
        RecipeError: no file matches, or one cannot be read so.
    """
    if pattern is None:
        return gather("the sample's pages", iterate_sample())
    files = sorted(glob.glob(pattern, recursive=True))
    if not files:
        raise RecipeError(f"no file matches {pattern}; check --data")
    return gather(pattern, (row for file in files for row in iterate_rows(Path(file))))


def gather(given: str, rows: Iterator[tuple[str, str | None]]) -> Labelled:
    kept = [(text, name_language(language)) for text, language in rows if text]
    if not kept:
        raise RecipeError(f"there is no text in {given}; give files with a column `text` with --data")
    texts, languages = zip(*kept, strict=True)
    return Labelled(given, texts, languages)


def name_language(label: str | None) -> str | None:
    """A label without its region, as recipes have it: pt-br → pt, no-nb → no, nb → no."""
    name = label.replace("_", "-").split("-")[0].lower() if label else None
    return NAMES.get(name, name) if name else None


def iterate_rows(file: Path) -> Iterator[tuple[str, str | None]]:
    try:
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            columns = [table[name].to_pylist() for name in ("text", "language") if name in table.column_names]
            yield from zip(columns[0], columns[1] if len(columns) > 1 else [None] * len(table), strict=True)
            return
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for line in lines:
                row = msgspec.json.decode(line)
                yield row["text"], row.get("language")
    except (OSError, ValueError, KeyError, IndexError, pa.ArrowException) as error:
        raise RecipeError(
            f"{file} cannot be read as Parquet or JSON lines with `text`: {error}; check --data"
        ) from None


def iterate_sample() -> Iterator[tuple[str, str | None]]:
    """The text of each page whose language is known."""
    files = sorted(glob.glob(SAMPLE))
    if not files or not Path(TRUTH).is_file():
        raise RecipeError(f"{SAMPLE} is not there; run this in a checkout of dspipe, or give --data GLOB")
    languages = json.loads(Path(TRUTH).read_bytes())["languages"]
    for file in files:
        for record in iterate_pages(file):
            language = languages.get(record.headers["WARC-Target-URI"])
            if language is not None:
                yield read_page(record), language


def read_page(record: Any) -> str:
    try:
        return extract_page(record.reader.read(), record.http_charset, Extract()).text
    except Unusable:
        return ""
