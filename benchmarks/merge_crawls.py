"""Crawls merged one after the other → the share of documents that dedup removes, as a table and a plot.

    python benchmarks/merge_crawls.py [--data GLOB] [--crawls 8] [--against] [--plot FILE.svg] [--workers 2]

Crawls are made of real pages as `dspipe/bench/recrawls.py` says: GLOB names files that `extract` reads, or
the folder of an artifact of documents; without it, the sample, scaled up. The first 1, 2, 4 … crawls are
deduplicated together, older crawls preferred. With `--against` each crawl is deduplicated alone against those
before it instead, as crawls come in; the two must leave the same documents.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from math import log2
from pathlib import Path

import pyarrow.parquet as pq

from dspipe.bench.deduplication import deduplicated
from dspipe.bench.documents import HEADER, find_documents, weigh
from dspipe.bench.pairs import read_texts
from dspipe.bench.recrawls import make_crawls, name_source, write_crawl
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup
from dspipe.shards import Artifact, Counts, Journal, Output, Part, open_artifact, sum_counts
from dspipe.workers import Pool, Workers

SCALED = 20_000_000  # bytes of HTML that the sample is scaled to
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 360, 60, 24, 150, 48  # of the plot, and its margins
BETWEEN_NAMES = 16
COLOURS = ("#0b6e99", "#c2571a", "#5b8c2a")


@dataclass(frozen=True)
class Merged:
    """So many crawls, deduplicated."""

    crawls: int
    counts: Counts
    bytes_in: int
    bytes_out: int
    kept: frozenset[str]

    def share(self, *reasons: str) -> float:
        """Of the documents, those that went for one of the reasons; for any where none is given."""
        gone = sum(self.counts.dropped.get(reason, 0) for reason in reasons or self.counts.dropped)
        return gone / self.counts.in_

    @property
    def share_of_bytes(self) -> float:
        return 1 - self.bytes_out / self.bytes_in

    def show(self) -> str:
        shares = (self.share(), self.share("exact-copy"), self.share("near-copy"), self.share_of_bytes)
        cells = (self.crawls, f"{self.counts.in_:,}", f"{self.counts.in_ - self.counts.out:,}")
        return "| " + " | ".join([*map(str, cells), *(f"{share:.1%}" for share in shares)]) + " |"


def main() -> None:
    options = read_options()
    settings = Dedup(
        similarity=options.similarity, prefer=[name_source(number) for number in range(options.crawls)]
    )
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name, closing(Pool(options.workers)) as pool:
        folder = Path(name)
        crawls = write_crawls(options.data, options.crawls, folder)
        merge = merge_against if options.against else merge_together
        print("| crawls | documents | removed | share | exact | near | share of bytes |")
        print("|--:|--:|--:|--:|--:|--:|--:|")
        merged = []
        for one in merge(crawls, settings, folder, pool):
            print(one.show(), flush=True)
            merged.append(one)
        if options.against:
            compare(merged[-1], next(merge_all(crawls, [len(crawls)], settings, folder, pool)))
    if options.plot:
        options.plot.write_text(draw(merged), "utf-8")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What dedup removes as crawls are merged.")
    parser.add_argument("--data", help="a glob, or the folder of an artifact of documents")
    parser.add_argument("--crawls", type=int, default=8)
    parser.add_argument("--similarity", type=float, default=0.8)
    parser.add_argument(
        "--against", action="store_true", help="one crawl after the other, against those before"
    )
    parser.add_argument("--plot", type=Path, help="an SVG file to write")
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def write_crawls(data: str | None, count: int, folder: Path) -> list[Artifact]:
    pages = [text for text in read_texts(find_documents(data, folder, SCALED).artifact) if text.strip()]
    crawls = make_crawls(pages, count)
    return [write_crawl(crawl, number, folder / name_source(number)) for number, crawl in enumerate(crawls)]


def merge_together(crawls: list[Artifact], settings: Dedup, folder: Path, pool: Pool) -> Iterator[Merged]:
    """The first crawls at once: one, two, four … and all."""
    powers = [2**power for power in range(len(crawls)) if 2**power < len(crawls)]
    return merge_all(crawls, [*powers, len(crawls)], settings, folder, pool)


def merge_all(
    crawls: list[Artifact], sizes: list[int], settings: Dedup, folder: Path, pool: Pool
) -> Iterator[Merged]:
    for size in sizes:
        joined = join(crawls[:size], folder / f"joined-{size}")
        with deduplicated(settings, joined, folder, pool) as distinct:
            yield describe(size, distinct.manifest.counts, joined, [distinct])


def merge_against(crawls: list[Artifact], settings: Dedup, folder: Path, pool: Pool) -> Iterator[Merged]:
    """One crawl after the other, each against what is left of those before it."""
    known: list[Artifact] = []
    for number, crawl in enumerate(crawls):
        place = folder / "runs" / name_source(number)
        output = Output(place / "distinct", HEADER)
        against = [str(one.folder) for one in known]
        alone = Dedup(similarity=settings.similarity, prefer=settings.prefer, against=against)
        run(alone, crawl, output, Workers(pool, Journal(place / ".progress" / "dedup")))
        known.append(open_artifact(output.folder))
        counts = sum_counts(one.manifest.counts for one in known)
        yield describe(number + 1, counts, join(crawls[: number + 1], folder / f"so-far-{number}"), known)


def join(crawls: list[Artifact], folder: Path) -> Artifact:
    """Several crawls as one artifact, whose parts lie where they are."""
    parts = [
        Part(str((crawl.folder / part.file).resolve()), part.rows, part.bytes, part.xxh3)
        for crawl in crawls
        for part in crawl.manifest.parts
    ]
    rows = sum(part.rows for part in parts)
    Output(folder, HEADER).close(parts, Counts(rows, rows))
    return open_artifact(folder)


def describe(crawls: int, counts: Counts, given: Artifact, left: list[Artifact]) -> Merged:
    ids = (pq.read_table(file, columns=["id"])["id"].to_pylist() for one in left for file in one.files)
    kept = frozenset(name for names in ids for name in names)
    return Merged(crawls, counts, weigh(given).bytes, sum(weigh(one).bytes for one in left), kept)


def compare(against: Merged, together: Merged) -> None:
    only, missing = len(against.kept - together.kept), len(together.kept - against.kept)
    print(
        f"\ntogether: {together.show()}\nkept by one of the two ways alone: {only:,} and {missing:,} (none)"
    )


def draw(merged: list[Merged]) -> str:
    """An SVG of the shares over the number of crawls; twice as many are one step to the right."""
    lines = {
        "documents": [one.share() for one in merged],
        "bytes": [one.share_of_bytes for one in merged],
        "exact copies": [one.share("exact-copy") for one in merged],
    }
    crawls = [one.crawls for one in merged]
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13" fill="#333"><title>Share removed as crawls are merged</title>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *draw_axes(crawls),
        *draw_lines(crawls, lines),
        "</svg>\n",
    ]
    return "\n".join(drawn)


def place_across(crawls: int, most: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * log2(crawls) / log2(max(2, most)), 1)


def place_down(share: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - share), 1)


def draw_axes(crawls: list[int]) -> Iterator[str]:
    for percent in range(0, 101, 20):
        down = place_down(percent / 100)
        yield f'<path d="M{LEFT} {down}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{down + 4}" text-anchor="end">{percent} %</text>'
    for count in crawls:
        across = place_across(count, crawls[-1])
        yield f'<text x="{across}" y="{place_down(0) + 20}" text-anchor="middle">{count}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">crawls merged</text>'


def draw_lines(crawls: list[int], lines: dict[str, list[float]]) -> Iterator[str]:
    """A line for each row of shares, with its name behind its end; names do not lie upon each other."""
    lowest = float("inf")
    for number, name in enumerate(sorted(lines, key=lambda name: lines[name][-1])):
        colour = COLOURS[number]
        points = [
            (place_across(count, crawls[-1]), place_down(share))
            for count, share in zip(crawls, lines[name], strict=True)
        ]
        path = " ".join(f"{across},{down}" for across, down in points)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>' for across, down in points)
        lowest = min(points[-1][1] + 4, lowest - BETWEEN_NAMES)
        yield f'<text x="{points[-1][0] + 10}" y="{lowest}" fill="{colour}">{name}</text>'


if __name__ == "__main__":
    main()
