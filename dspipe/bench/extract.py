"""`dspipe bench extract`: WARC files → how fast they become rows, beside a bare loop over the same files.

The yardstick reads each page with fastwarc and makes text of it with resiliparse, with and without finding
out its charset, and keeps nothing. dspipe does the whole stage, to Parquet on disk. Rates are of HTML as it
is in the records. What is compared with the yardstick runs as that does, in this process and on one core;
worker processes are compared with each other.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from dspipe.bench import Options, Say, gold, timing
from dspipe.bench.contenders import (
    count_tasks,
    extract,
    extract_bare,
    extract_one,
    find_charset,
    loop_bare,
    on_one_core,
)
from dspipe.bench.crawl import Crawl, find_crawl, iterate_pages, scale_sample
from dspipe.bench.memory import measure_memory
from dspipe.bench.rates import rate_all, show_rates
from dspipe.recipe import Extract
from dspipe.workers import Pool

SCALED = 100_000_000  # bytes of HTML that the sample is scaled to
HELD = 50_000_000  # bytes of pages that are held in memory to measure pages alone
FLOOR, GOAL = 0.85, 0.95  # of the bare loop
FLOOR_OF_TWO, GOAL_OF_TWO = 1.7, 1.9  # times one worker


def run(options: Options, say: Say) -> dict[str, Any]:
    """Quality where a gold file is given, speed and memory otherwise."""
    if options.gold is not None:
        return gold.measure(options.gold, options.repeat, say)
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        folder = Path(name)
        crawl = find_crawl(options.data) if options.data else scale_sample(folder / "data", SCALED)
        given = options.data or "the sample, scaled up"
        say(f"{given}: {len(crawl.files)} files with {crawl.pages:,} pages of HTML, {show_sizes(crawl)}")
        return {
            "data": {
                "given": given,
                "files": len(crawl.files),
                "bytes": crawl.bytes,
                "pages": crawl.pages,
            },
            "stage": measure_stage(crawl, folder, options, say),
            "pages": measure_pages(crawl, options.repeat, say),
            "memory": measure_memory(crawl, folder, options.workers, say),
        }


def show_sizes(crawl: Crawl) -> str:
    return f"{crawl.bytes / 1e6:.1f} MB, {crawl.bytes / crawl.pages / 1e3:.1f} KB each"


def measure_stage(crawl: Crawl, folder: Path, options: Options, say: Say) -> dict[str, Any]:
    """From files to rows: the yardsticks, and the stage in this process and in one worker's."""
    stage = partial(extract, crawl.pattern, folder)
    with closing(Pool(1)) as pool, closing(Restarted(options.workers)) as pools:
        works: dict[str, timing.Work] = {
            "bare loop": on_one_core(partial(loop_bare, crawl.files, True)),
            "bare loop, no detection": on_one_core(partial(loop_bare, crawl.files, False)),
            "dspipe, no worker": on_one_core(partial(stage, None)),
            "dspipe, 1 worker": partial(stage, pool),
        }
        several = f"dspipe, {options.workers} workers"
        if options.workers > 1:
            works[f"{several} to start"] = lambda: stage(pools.restart())
            works[several] = lambda: stage(pools.pool)
        seconds = timing.take_turns(works, options.repeat)
    show_rates(seconds, crawl.bytes, crawl.pages, "pages", say)
    ratio = timing.divide(seconds["bare loop"], seconds["dspipe, no worker"])
    say(f"the stage is {ratio} times as fast as the bare loop (floor {FLOOR}, goal {GOAL})")
    speedup, tasks = None, count_tasks(crawl.pattern)
    if options.workers > 1:
        speedup = timing.divide(seconds["dspipe, 1 worker"], seconds[several])
        of_two = f" (floor {FLOOR_OF_TWO}, goal {GOAL_OF_TWO})" if options.workers == 2 else ""
        say(f"{options.workers} workers are {speedup} times as fast as one, with {tasks} tasks{of_two}")
    rates = rate_all(seconds, crawl.bytes, crawl.pages, "pages")
    counts = msgspec.to_builtins(stage(None))
    return {"rates": rates, "ratio": ratio, "speedup": speedup, "tasks": tasks, "counts": counts}


class Restarted:
    """A pool of workers that can be replaced by one that has not started yet."""

    def __init__(self, workers: int) -> None:
        self.pool = Pool(workers)

    def restart(self) -> Pool:
        self.close()
        self.pool = Pool(self.pool.count)
        return self.pool

    def close(self) -> None:
        self.pool.close()


def measure_pages(crawl: Crawl, repeat: int, say: Say) -> dict[str, Any]:
    """Pages in memory to text, one after the other."""
    pages, settings = hold_pages(crawl), Extract()
    size = sum(len(body) for body, _ in pages)
    works: dict[str, timing.Work] = {
        "resiliparse": lambda: [extract_bare(body, find_charset(body)) for body, _ in pages],
        "resiliparse, no detection": lambda: [extract_bare(body, "utf-8") for body, _ in pages],
        "dspipe, pages alone": lambda: [extract_one(body, charset, settings) for body, charset in pages],
    }
    seconds = timing.take_turns({name: on_one_core(work) for name, work in works.items()}, repeat)
    show_rates(seconds, size, len(pages), "pages", say)
    ratio = timing.divide(seconds["resiliparse"], seconds["dspipe, pages alone"])
    say(f"pages alone are read {ratio} times as fast as by resiliparse")
    return {"bytes": size, "rates": rate_all(seconds, size, len(pages), "pages"), "ratio": ratio}


def hold_pages(crawl: Crawl) -> list[tuple[bytes, str | None]]:
    """Pages and the charsets that their servers have named, as many as may be held."""
    pages: list[tuple[bytes, str | None]] = []
    held = 0
    for file in crawl.files:
        for record in iterate_pages(file):
            if held < HELD:
                pages.append((record.reader.read(), record.http_charset))
                held += len(pages[-1][0])
    return pages
