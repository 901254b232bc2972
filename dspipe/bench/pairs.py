"""Real pages → pairs of a page and an edited copy whose similarity is known, as one artifact to deduplicate.

Similarity is the Jaccard similarity of the sets of five successive words, counted here in plain Python from
the definition alone: text in lower case after NFKC; a word is letters, marks and numbers, beginning with a
letter or a number; in scripts written without spaces each letter with its marks. The pages have next to
nothing in common with each other, so a page or copy can only go in favour of the other one of its pair.
"""

from __future__ import annotations

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import pyarrow as pa

from dspipe.bench.documents import HEADER
from dspipe.bench.edits import EDITS, SPACELESS, Page
from dspipe.recipe import RecipeError
from dspipe.schema import DOCUMENTS
from dspipe.shards import Artifact, Counts, Output, Part, open_artifact, read_batches, write_parquet

WORDS = 5  # in a shingle
LEAST_WORDS, MOST_CHARACTERS = 50, 20_000  # in a page
MOST_SEEN = 0.1  # share of a page's shingles that pages before it have
FIRST_WORDS = 20  # words that a page gives to the vocabulary
ROWS_IN_PART = 2000

Shingles = frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Pair:
    edit: str
    page: str
    copy: str
    jaccard: float

    @property
    def ids(self) -> tuple[str, str]:
        name = hashlib.md5(f"{self.edit} {self.page}".encode()).hexdigest()
        return name, hashlib.md5(name.encode()).hexdigest()


def list_words(text: str) -> list[str]:
    return word_pattern().findall(unicodedata.normalize("NFKC", text).lower())


@cache
def word_pattern() -> re.Pattern[str]:
    categories = (unicodedata.category(chr(point)) for point in range(sys.maxunicode + 1))
    marks = "".join(chr(point) for point, category in enumerate(categories) if category[0] == "M")
    return re.compile(
        rf"(?![{marks}])[{SPACELESS}][{marks}]*|[^\W_{SPACELESS}](?:[^\W_{SPACELESS}]|[{marks}])*"
    )


def list_shingles(words: list[str]) -> Shingles:
    return frozenset(zip(*(words[start:] for start in range(WORDS)), strict=False))


def measure_jaccard(page: Shingles, copy: Shingles) -> float:
    return len(page & copy) / len(page | copy) if page or copy else 1.0


def read_texts(artifact: Artifact) -> Iterator[str]:
    """Every text in the artifact, part by part; what is not UTF-8 is passed over."""
    for file in artifact.files:
        for batch in read_batches(file, ["text"]):
            for text in batch["text"].cast(pa.large_binary()).to_pylist():
                try:
                    yield (text or b"").decode("utf-8")
                except UnicodeDecodeError:
                    continue


def choose_pages(texts: Iterable[str]) -> Iterator[str]:
    """The pages that are neither short nor long and have hardly a shingle in common with those before."""
    seen: set[int] = set()
    for text in texts:
        words = list_words(text) if len(text) <= MOST_CHARACTERS else []
        if len(words) >= LEAST_WORDS:
            shingles = set(map(hash, list_shingles(words)))
            if len(shingles & seen) <= MOST_SEEN * len(shingles):
                yield text
            seen |= shingles


def make_pairs(texts: Iterable[str], most: int, seed: int = 1) -> list[Pair]:
    """At most so many pairs, each of two pages: one is edited, the other one lends words or stands behind it.

    Edits take turns; one that leaves a page as it is gives its turn to the next.

    Raises:
        RecipeError: there is no pair.
    """
    pages = list(islice(choose_pages(texts), 2 * most))
    if len(pages) < 2:
        raise RecipeError("there are no two unlike pages of fifty words; give more documents with --data")
    chance = Random(seed)
    chance.shuffle(pages)
    words = {word for page in pages for word in page.split()[:FIRST_WORDS] if word.isalpha()}
    vocabulary = sorted(words) or ["other"]
    pairs = []
    for number, (text, other) in enumerate(zip(pages[::2], pages[1::2], strict=False)):
        page = Page(text, other, vocabulary, Random(f"{seed} {number}"))
        names = [*EDITS][number % len(EDITS) :] + [*EDITS][: number % len(EDITS)]
        edited = ((name, EDITS[name](page)) for name in names)
        name, copy = next(pair for pair in edited if pair[1] != text)
        pairs.append(Pair(name, text, copy, measure(text, copy)))
    return pairs


def measure(page: str, copy: str) -> float:
    return measure_jaccard(list_shingles(list_words(page)), list_shingles(list_words(copy)))


def write_pairs(pairs: list[Pair], folder: Path) -> Artifact:
    """All pages and copies as one artifact, in the order of their ids."""
    rows = sorted(
        (name, text) for pair in pairs for name, text in zip(pair.ids, (pair.page, pair.copy), strict=True)
    )
    output = Output(folder, HEADER)
    parts: list[Part] = []
    for start in range(0, len(rows), ROWS_IN_PART):
        names, texts = zip(*rows[start : start + ROWS_IN_PART], strict=True)
        batch = make_batch(pa.array(names), pa.array(texts, pa.large_string()))
        parts.append(write_parquet(folder, f"part-{len(parts):05d}.parquet", DOCUMENTS, [batch]))
    output.close(parts, Counts(len(rows), len(rows)))
    return open_artifact(folder)


def make_batch(ids: pa.Array, texts: pa.Array) -> pa.RecordBatch:
    """Documents that have nothing but an id, a text and a source."""
    rows = len(ids)
    known = {"id": ids, "text": texts, "source": pa.repeat("bench", rows)}
    columns = [known.get(field.name, pa.nulls(rows, field.type)) for field in DOCUMENTS]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)
