"""Real pages → crawls of the same hosts one after the other, as each finds them: same, touched, edited, new.

The first crawl has a share of the pages as they are. Each one after it visits what the one before had: some
pages are gone, most are the same byte for byte, some have another date, counter or comment, or a few other
words, some have been written anew. What is gone is made up for by pages that no crawl has had.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import pyarrow as pa

from dspipe.bench.documents import HEADER
from dspipe.bench.edits import Page, substitute
from dspipe.schema import DOCUMENTS
from dspipe.shards import Artifact, Counts, Output, Part, open_artifact, write_parquet

ROWS_IN_PART = 5000
WORDS = 5000  # of the first pages, that edited ones are given
NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Shares:
    """What has become of the pages of the crawl before; the rest is the same byte for byte."""

    gone: float = 0.15
    touched: float = 0.15  # a number, or a line at the end
    edited: float = 0.10  # one word in a hundred, to five
    rewritten: float = 0.10  # a third of the words, to all


class Visit(NamedTuple):
    address: int  # the number of the page
    text: str


Crawl = list[Visit]


def make_crawls(
    pages: Sequence[str], count: int, shares: Shares = Shares(), seed: int = 1
) -> Iterator[Crawl]:
    """So many crawls of about one size, as large as the pages allow."""
    order = list(range(len(pages)))
    Random(seed).shuffle(order)
    size = int(len(order) / (1 + (count - 1) * shares.gone))
    unseen = iter(order[size:])
    vocabulary = [word for page in order[:100] for word in pages[page].split()][:WORDS] or ["word"]
    crawl = [Visit(page, pages[page]) for page in order[:size]]
    yield crawl
    for number in range(1, count):
        met = [
            revisit(visit, vocabulary, shares, Random(f"{seed} {number} {visit.address}")) for visit in crawl
        ]
        left = [visit for visit in met if visit is not None]
        fresh = islice(unseen, len(met) - len(left))
        crawl = left + [Visit(page, pages[page]) for page in fresh]
        yield crawl


def revisit(visit: Visit, vocabulary: list[str], shares: Shares, chance: Random) -> Visit | None:
    """The same page as the next crawl finds it, None where it is gone."""
    luck = chance.random()
    if luck < shares.gone:
        return None
    page = Page(visit.text, "", vocabulary, chance)
    if (luck := luck - shares.gone) < shares.touched:
        return visit._replace(text=touch(visit.text, chance))
    if (luck := luck - shares.touched) < shares.edited:
        return visit._replace(text=substitute(page, chance.uniform(0.01, 0.05)))
    if luck - shares.edited < shares.rewritten:
        return visit._replace(text=substitute(page, chance.uniform(0.33, 1.0)))
    return visit


def touch(text: str, chance: Random) -> str:
    """Another number where the page has one, as in dates and counters, or a line more."""
    numbers = list(NUMBER.finditer(text))
    if numbers and chance.random() < 0.7:
        found = chance.choice(numbers)
        return f"{text[: found.start()]}{chance.randrange(10 ** min(9, len(found[0])))}{text[found.end() :]}"
    day = f"{chance.randint(2013, 2025)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
    return f"{text}\n{chance.choice(('Last updated', 'Comment of', 'Page generated on'))} {day}"


def write_crawl(crawl: Crawl, number: int, folder: Path) -> Artifact:
    """A crawl as an artifact; its source has its number, and a page the same URL in every crawl."""
    output = Output(folder, HEADER)
    parts: list[Part] = []
    for start in range(0, len(crawl), ROWS_IN_PART):
        batch = make_batch(crawl[start : start + ROWS_IN_PART], number)
        parts.append(write_parquet(folder, f"part-{len(parts):05d}.parquet", DOCUMENTS, [batch]))
    output.close(parts, Counts(len(crawl), len(crawl)))
    return open_artifact(folder)


def name_source(number: int) -> str:
    return f"crawl-{number}"


def make_batch(visits: Crawl, number: int) -> pa.RecordBatch:
    rows = len(visits)
    urls = [f"https://pages.example/{visit.address}" for visit in visits]
    known = {
        "id": pa.array([hashlib.md5(f"{number} {url}".encode()).hexdigest() for url in urls]),
        "text": pa.array([visit.text for visit in visits], pa.large_string()),
        "source": pa.repeat(name_source(number), rows),
        "url": pa.array(urls),
        "date": pa.repeat(f"20{10 + number:02d}-01-01T00:00:00Z", rows),
    }
    columns = [known.get(field.name, pa.nulls(rows, field.type)) for field in DOCUMENTS]
    return pa.RecordBatch.from_arrays(columns, schema=DOCUMENTS)
