"""A file of pages with what a person marked in them → precision, recall, F and speed of each extractor.

A line of the file is a JSON object: `html` (text) or `html_base64` (bytes in whatever charset), and either
`text`, the whole text that belongs to the page's main content, or `with` and `without`, lists of segments
that must be in it and must not; `id` and `url` are optional. `benchmarks/prepare_gold.py` makes such files
of public sets.

By words, P, R and F of a page are those of the multisets of its words, and what stands first are their means
over pages; how `words, pooled`, `shingles`, `lines` and `segments` are counted is said in `measures.py`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dspipe.bench import Say, measures
from dspipe.bench.extractors import Extractor, find_extractors, find_settings
from dspipe.recipe import RecipeError

PATIENCE = 10.0  # seconds: an extractor that takes longer over all pages is timed once


@dataclass(frozen=True)
class GoldPage:
    """A page; its `text`, or the segments `wanted` and `unwanted` in it."""

    name: str
    body: bytes
    charset: str | None
    text: str | None
    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()


class Line(msgspec.Struct):
    """A line of a gold file."""

    id: str | None = None
    url: str | None = None
    html: str | None = None
    html_base64: str | None = None
    text: str | None = None
    wanted: list[str] = msgspec.field(name="with", default_factory=list)
    unwanted: list[str] = msgspec.field(name="without", default_factory=list)


def measure(path: Path, repeat: int, say: Say) -> dict[str, Any]:
    """Score and time every extractor, resiliparse with the best of its settings among them."""
    pages = read_gold(path)
    extractors = find_extractors()
    best, settings = find_best(pages)
    extractors["resiliparse, best"] = settings
    texts = {name: extract_all(extractor, pages) for name, extractor in extractors.items()}  # also warms up
    rates = time_all(extractors, pages, repeat)
    rows = {
        name: {**score(texts[name], pages), "pages_per_second": round(rates[name], 1)} for name in extractors
    }
    say(f"{len(pages)} pages of {path}; resiliparse's best of {len(find_settings())} settings is {best}")
    show_table(rows, say)
    return {"gold": path.name, "pages": len(pages), "best_settings": best, "extractors": rows}


def read_gold(path: Path) -> list[GoldPage]:
    """The pages of a gold file; all of them have a text or all of them have segments.

    Raises:
        RecipeError: it cannot be read, or a line is not what it should be.
    """
    pages: list[GoldPage] = []
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                pages.append(make_page(msgspec.json.decode(line, type=Line), f"line {number}"))
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}; check --gold") from None
    except ValueError as error:  # of msgspec, base64, or make_page
        raise RecipeError(f"{path}, line {len(pages) + 1}: {error}; see dspipe/bench/gold.py") from None
    if len({page.text is None for page in pages}) != 1:
        raise RecipeError(f"{path}: give every page its `text`, or every page `with` and `without`")
    return pages


def make_page(line: Line, place: str) -> GoldPage:
    if (line.text is None) == (not line.wanted):
        raise ValueError("give what is wanted as `text`, or as `with` and `without`")
    if line.html is not None and line.html_base64 is None:
        body, charset = line.html.encode(), "utf-8"
    elif line.html_base64 is not None and line.html is None:
        body, charset = base64.b64decode(line.html_base64, validate=True), None
    else:
        raise ValueError("give the page as `html` or as `html_base64`")
    name = line.id or line.url or place
    return GoldPage(name, body, charset, line.text, tuple(line.wanted), tuple(line.unwanted))


def find_best(pages: Sequence[GoldPage]) -> tuple[str, Extractor]:
    """The setting of resiliparse with the highest F by the first measure, and its name."""

    def rate(settings: Extractor) -> float:
        return next(iter(score(extract_all(settings, pages), pages).values()))["f"]

    return max(find_settings().items(), key=lambda item: rate(item[1]))


def extract_all(extractor: Extractor, pages: Sequence[GoldPage]) -> list[str]:
    return [extractor(page.body, page.charset) for page in pages]


def time_all(extractors: dict[str, Extractor], pages: Sequence[GoldPage], repeat: int) -> dict[str, float]:
    """Pages per second of each in its fastest of `repeat` passes, which take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in extractors}
    for _ in range(repeat):
        for name, extractor in extractors.items():
            if not seconds[name] or min(seconds[name]) < PATIENCE:
                begun = time.perf_counter()
                extract_all(extractor, pages)
                seconds[name].append(time.perf_counter() - begun)
    return {name: len(pages) / min(taken) for name, taken in seconds.items()}


def score(texts: Sequence[str], pages: Sequence[GoldPage]) -> dict[str, dict[str, float]]:
    """Precision, recall and F by the measures that these gold pages allow, the one to look at first."""
    found: dict[str, measures.Score] = {}
    if pages[0].text is not None:
        pairs = [(text, page.text or "") for text, page in zip(texts, pages, strict=True)]
        overlaps = [measures.compare(measures.count_words(a), measures.count_words(b)) for a, b in pairs]
        found["words"] = measures.average([overlap.score for overlap in overlaps])
        found["words, pooled"] = measures.pool(overlaps)
        found["shingles"] = measures.score_shingles(pairs)
        found["lines"] = measures.average(
            [measures.compare(measures.count_lines(a), measures.count_lines(b)).score for a, b in pairs]
        )
    else:
        found["segments"] = measures.pool(
            measures.find_segments(text, page.wanted, page.unwanted)
            for text, page in zip(texts, pages, strict=True)
        )
    return {name: round_score(value) for name, value in found.items()}


def round_score(value: measures.Score) -> dict[str, float]:
    return {
        "precision": round(value.precision, 4),
        "recall": round(value.recall, 4),
        "f": round(value.f, 4),
    }


def show_table(rows: dict[str, Any], say: Say) -> None:
    """One row for each extractor; under each measure precision, recall, F."""
    names = [name for name in next(iter(rows.values())) if name != "pages_per_second"]
    say(f"{'':<26}" + "".join(f"{name:<21}" for name in names) + "  pages/s")
    say(f"{'':<26}" + "P     R     F        " * len(names))
    for extractor, row in rows.items():
        cells = "".join("".join(f"{value:.3f} " for value in row[name].values()) + "   " for name in names)
        say(f"{extractor:<26}{cells}{row['pages_per_second']:9.1f}")
