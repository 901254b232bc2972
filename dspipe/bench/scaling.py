"""Ten thousand documents to ten million → whether time and memory keep to what is promised."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from dspipe.bench import Say
from dspipe.bench.copies import count_copies, make_documents, write_pieces
from dspipe.bench.deduplication import Ran, Run, run_alone
from dspipe.bench.documents import weigh
from dspipe.recipe import Dedup
from dspipe.shards import Artifact, Journal
from dspipe.workers import Pool, Workers

FIRST, TIMES = 10_000, 10
MEMORY = 2 << 30  # bytes that the stage is given
SETTINGS = Dedup(similarity=0.8)


def measure_scaling(
    documents: Artifact, folder: Path, most: int, workers: int, say: Say
) -> list[dict[str, Any]]:
    """The stage over ten times as many documents again and again, in processes of their own."""
    pieces = write_pieces(documents, folder / "pieces")
    with closing(Pool(workers)) as pool:
        make = partial(make_in_pool, pool, pieces, folder)
        warm = make(min(FIRST, most)).folder if most else folder
        figures = [measure_one(make, warm, rows, workers, say) for rows in list_sizes(most)]
    if len(figures) > 1:
        first, last = figures[0], figures[-1]
        growth = last["microseconds_per_document"] / first["microseconds_per_document"]
        times = last["documents"] / first["documents"]
        say(f"{times:,.0f} times the documents take {growth:.2f} times the time for each")
    return figures


def make_in_pool(pool: Pool, pieces: Path, folder: Path, rows: int) -> Artifact:
    place = Path(mkdtemp(dir=folder))
    return make_documents(pieces, rows, place / "made", Workers(pool, Journal(place / ".progress" / "made")))


def measure_one(
    make: Callable[[int], Artifact], warm: Path, rows: int, workers: int, say: Say
) -> dict[str, Any]:
    made = make(rows)
    place = made.folder.parent
    ran = run_alone(Run(SETTINGS, made.folder, workers, MEMORY, place, warm))
    figures = describe(weigh(made).bytes, rows, ran)
    show(figures, say)
    shutil.rmtree(place)
    return figures


def list_sizes(most: int) -> list[int]:
    """10,000, 100,000 … and the most itself.

    >>> list_sizes(250_000)
    [10000, 100000, 250000]
    """
    powers = (FIRST * TIMES**power for power in range(20))
    return [size for size in powers if size < most] + ([most] if most else [])


def describe(size: int, rows: int, ran: Ran) -> dict[str, Any]:
    return {
        "documents": rows,
        "bytes": size,
        "copies_made": count_copies(rows),
        "removed": ran.counts.in_ - ran.counts.out,
        "seconds": ran.seconds,
        "microseconds_per_document": 1e6 * ran.seconds / rows,
        "megabytes_per_second": size / 1e6 / ran.seconds,
        "peaks": asdict(ran.peaks),
    }


def show(figures: dict[str, Any], say: Say) -> None:
    peaks = {name: value / 2**20 for name, value in figures["peaks"].items()}
    say(
        f"{figures['documents']:>10,} documents: {figures['seconds']:8.1f} s, "
        f"{figures['microseconds_per_document']:6.1f} µs each, {figures['megabytes_per_second']:5.1f} MB/s, "
        f"{figures['removed']:,} removed ({figures['copies_made']:,} are copies); MiB: largest process "
        f"{peaks['largest']:,.0f}, without mapped files {peaks['largest_own']:,.0f}, all processes "
        f"{peaks['all_own']:,.0f} (at most {MEMORY >> 20:,})"
    )
