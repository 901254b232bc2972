"""What is timed: the bare loop over WARC files, pages alone, and the stage `extract` on the same files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree

from dspipe.bench.crawl import iterate_pages
from dspipe.bench.machine import one_core
from dspipe.bench.timing import Work
from dspipe.extract.pages.page import extract_page
from dspipe.extract.reasons import Unusable
from dspipe.extract.sources.find import find_all_files
from dspipe.extract.spans import split_work
from dspipe.extract.stage import run
from dspipe.recipe import Extract, Source
from dspipe.shards import Counts, Header, Journal, Output
from dspipe.workers import Pool, Workers


def loop_bare(files: Sequence[str], detect: bool) -> int:
    """The yardstick: fastwarc, resiliparse, and nothing kept; returns how many characters it has found."""
    found = 0
    for file in files:
        for record in iterate_pages(file):
            body = record.reader.read()
            found += len(extract_bare(body, find_charset(body) if detect else "utf-8"))
    return found


def find_charset(body: bytes) -> str:
    return detect_encoding(body) or "utf-8"


def extract_bare(body: bytes, charset: str) -> str:
    tree = HTMLTree.parse_from_bytes(body, charset)
    text: str = extract_plain_text(tree, main_content=True, preserve_formatting=True)
    return text


def extract_one(body: bytes, charset: str | None, settings: Extract) -> str | None:
    try:
        return extract_page(body, charset, settings).text
    except Unusable:
        return None


def make_settings(pattern: str) -> Extract:
    return Extract(sources=[Source(name="bench", path=pattern, format="warc")])


def count_tasks(pattern: str) -> int:
    """How many pieces of work the stage makes of some files: no more workers than that are of use."""
    return len(list(split_work(find_all_files(make_settings(pattern)))))


def extract(pattern: str, folder: Path, pool: Pool | None) -> Counts:
    """The stage, from a glob to an artifact, which is removed; in this process where no pool is given."""
    settings = make_settings(pattern)
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        output = Output(place / "documents", Header("extract", 1, {}, "bench", []))
        journal = Journal(place / ".progress" / "extract")
        run(settings, output, Workers(pool, journal) if pool else Alone(Pool(1), journal))
        assert output.closed is not None
        return output.closed.counts
    finally:
        shutil.rmtree(place)


class Alone(Workers):
    """Does every task in this process, to measure the work without what keeps it from harm."""

    def map(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        after_crash: object = None,
        again: Collection[int] = (),
    ) -> list[Any]:
        known = self.__dict__.setdefault(function.__name__, {})
        known.update({number: function(tasks[number]) for number in again or range(len(tasks))})
        return [known[number] for number in range(len(tasks))]


def on_one_core(work: Work) -> Work:
    """The work, held to one core."""

    def held() -> None:
        with one_thread(), one_core():
            work()

    return held


@contextmanager
def one_thread() -> Iterator[None]:
    """As worker processes have it: Arrow's own threads started before could leave the core."""
    before = pa.cpu_count()
    pa.set_cpu_count(1)
    try:
        yield
    finally:
        pa.set_cpu_count(before)
