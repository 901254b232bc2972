"""Mutated records → whether `extract` survives and counts every one of them.

    python benchmarks/fuzz_extract.py [--records 1000000] [--seed 1] [--workers 2] [--data FILE.warc.gz]…

Real records are broken in seeded ways (`mutations.py`) and written to WARC files: most of gzip members, some
uncompressed, of zstd or of lz4 frames. About one in eight is left as it is. The stage reads the files in
spans far smaller than usual, and each file is read a second time from its beginning to its end. It must hold

- that nothing crashes or raises, and what comes in goes out or is dropped with a reason;
- that every record whose own frame is intact is counted, and those left as they were become documents;
- that both ways of reading find the same.

The slowest records are shown; nothing else depends on time. A file that fails is kept; `--first NUMBER
--records 2000` writes it again.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as dataset
from mutations import Answer, make_record, mutate

from dspipe.bench.crawl import iterate_pages
from dspipe.bench.machine import describe_machine
from dspipe.bench.memory import find_peak
from dspipe.extract import spans
from dspipe.extract.pages.page import extract_page
from dspipe.extract.readers import READERS
from dspipe.extract.rows import Rows
from dspipe.extract.sources.find import find_all_files
from dspipe.extract.spans import Span
from dspipe.extract.stage import run
from dspipe.recipe import Extract, Source
from dspipe.shards import Counts, Header, Journal, Output
from dspipe.workers import Pool, Workers

SAMPLE = "shards/sample/web-00000.warc.gz"
UNTOUCHED = 1 / 8
STORES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, compresslevel=6, mtime=0),
    "plain": bytes,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "lz4": lambda data: pa.compress(data, "lz4", asbytes=True),
}
ENDINGS = {"gzip": ".warc.gz", "plain": ".warc", "zstd": ".warc.zst", "lz4": ".warc.lz4"}
SLOWEST = 5
FILES_TOGETHER = 8  # for each worker
PATIENCE = 120  # seconds for a file: more than any needs, so that a reader that hangs is found


@dataclass(frozen=True)
class Written:
    """A file of mutants, and what must be found in it."""

    path: str
    number: int
    store: str
    intact: int
    untouched: frozenset[str]  # URLs
    places: list[tuple[int, str]]  # offset, name of what was done


@dataclass
class Read:
    """What reading a file in one go has found."""

    documents: set[int] = field(default_factory=set)  # offsets
    dropped: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, int]] = field(default_factory=list)  # seconds, offset
    error: str | None = None


def main() -> None:
    arguments = parse_arguments()
    answers = [answer for file in arguments.data for answer in read_answers(file)]
    begun, total = time.time(), Summary()
    spans.BYTES_IN_SPAN, spans.BYTES_TOGETHER = arguments.span, 0
    folder = Path(tempfile.mkdtemp(prefix="dspipe-fuzz-", dir=arguments.folder))
    files = list(sizes(arguments.records, arguments.each, arguments.first))
    together = FILES_TOGETHER * arguments.workers
    with Processes(arguments.workers) as processes:
        for at in range(0, len(files), together):
            some = files[at : at + together]
            batch = [(answers, str(folder), arguments.seed, number, count) for number, count in some]
            fuzz(batch, folder, processes, total)
            say(f"{total.records:,} records, {time.time() - begun:.0f} s, {len(total.failures)} failures")
    print(json.dumps(total.describe(time.time() - begun), ensure_ascii=False, indent=1))
    if total.failures:
        sys.exit(1)
    shutil.rmtree(folder)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=2000, help="records in a file")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--span", type=int, default=1 << 20, help="bytes of a span")
    parser.add_argument("--data", nargs="+", default=[SAMPLE], help="WARC files whose pages are broken")
    parser.add_argument("--folder", type=Path, help="where files are written; a temporary folder by default")
    return parser.parse_args()


def read_answers(file: str) -> Iterator[Answer]:
    """The pages of a file that are whole and have a text."""
    for record in iterate_pages(file):
        answer, headers = record.reader.read(), record.http_headers.asdict()
        plain = not any(name.lower().endswith("-encoding") for name in headers)
        if plain and extract_page(answer, record.http_charset, Extract()).text.strip():
            kind = headers.get("Content-Type", "text/html").encode()
            yield Answer(record.headers.get("WARC-Target-URI"), answer, kind)


def sizes(records: int, each: int, first: int) -> Iterator[tuple[int, int]]:
    """(number of a file, how many records it gets); every file but the last is full."""
    full, rest = divmod(records, each)
    yield from ((first + number, each) for number in range(full))
    if rest:
        yield first + full, rest


def write_file(answers: list[Answer], folder: str, seed: int, number: int, count: int) -> Written:
    """A function of the seed and the number, and of the real records."""
    chance = random.Random(f"{seed} {number}")
    name = chance.choice(("gzip",) * 7 + ("plain", "zstd", "lz4"))
    store, path = STORES[name], Path(folder, f"fuzz-{number:06d}{ENDINGS[name]}")
    intact, untouched, places = 0, set(), []
    with path.open("wb") as target:
        for record in range(count):
            answer = chance.choice(answers)
            answer = replace(answer, url=f"{answer.url}#{number}-{record}")
            places.append((target.tell(), "untouched"))
            if chance.random() < UNTOUCHED or record == 0:  # the first tells what the file is
                target.write(store(make_record(answer, record)))
                intact += 1
                untouched.add(answer.url)
                continue
            mutant = mutate(answer, record, store, chance)
            places[-1] = (places[-1][0], mutant.name)
            target.write(store(mutant.record) if mutant.stored is None else mutant.stored)
            if name == "plain":  # what is cut must not swallow the beginning of the line after it
                target.write(b"\r\n\r\n")
            intact += mutant.intact
    return Written(str(path), number, name, intact, frozenset(untouched), places)


def fuzz(batch: list[tuple[Any, ...]], folder: Path, processes: Processes, total: Summary) -> None:
    """Write some files, read them in both ways, and compare."""
    files = list(processes.executor.map(write_file, *zip(*batch, strict=True)))
    total.add(files)
    read = read_whole(files, processes)
    for file, whole in zip(files, read, strict=True):
        if whole.error:
            total.fail([file], f"read in one go: {whole.error}", keep=True)
        total.note_slowest(file, whole)
    sound = [(file, whole) for file, whole in zip(files, read, strict=True) if not whole.error]
    out = folder / "out"
    if sound:
        check_stage([file for file, _ in sound], [whole for _, whole in sound], out, processes.pool, total)
    for file in files:
        Path(file.path).unlink(missing_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    for process in multiprocessing.active_children():
        total.peak = max(total.peak, find_peak(process.pid) or 0)


def make_settings(pattern: str) -> Extract:
    return Extract(sources=[Source(name="fuzz", path=pattern, format="warc")])


def read_by_stage(pattern: str, out: Path, pool: Pool) -> tuple[Counts | None, str | None]:
    """The stage as a run calls it."""
    output = Output(out / "documents", Header("extract", 1, {}, "fuzz", []))
    try:
        run(make_settings(pattern), output, Workers(pool, Journal(out / ".progress" / "extract")))
        assert output.closed is not None
        return output.closed.counts, None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


class Processes:
    """What reads files whole, may die of it, and is started again; and the workers of the stage."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = Pool(workers)
        self.executor = start(workers)

    def restart(self) -> None:
        self.executor.shutdown()
        self.executor = start(self.workers)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *error: object) -> None:
        self.executor.shutdown()
        self.pool.close()


def start(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))


def read_whole(files: list[Written], processes: Processes) -> list[Read]:
    """Each file from its beginning to its end."""
    futures = [processes.executor.submit(read_file, file.path) for file in files]
    results = [wait(future) for future in futures]
    if any(result is None for result in results):  # one has taken the others with it
        say("a process died; reading file by file")
        processes.restart()
        results = [result or read_alone(file) for file, result in zip(files, results, strict=True)]
    return [result or Read(error="the process died, or took too long") for result in results]


def read_alone(file: Written) -> Read | None:
    with start(1) as executor:
        return wait(executor.submit(read_file, file.path))


def wait(future: Future[Read]) -> Read | None:
    """What reading has found; None where the process is no more."""
    try:
        return future.result()
    except BrokenProcessPool:
        return None
    except Exception as error:
        return Read(error=f"{type(error).__name__}: {error}")


def read_file(path: str) -> Read:
    """Drive the reader itself, and time every record."""
    settings, found = make_settings(path), Read()
    (file,) = find_all_files(settings)
    rows = Rows(settings.max_characters)
    extract_page(b"<p>compiles what is compiled", None, settings)
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    begun, last = time.perf_counter(), 0
    for offset in READERS[file.format](file, Span(), rows, settings):
        found.slowest.append((time.perf_counter() - begun, last))
        found.slowest = sorted(found.slowest, reverse=True)[:SLOWEST]
        if rows.full:
            gather(rows, found)
        begun, last = time.perf_counter(), offset
    gather(rows, found)
    faulthandler.cancel_dump_traceback_later()
    return found


def gather(rows: Rows, found: Read) -> None:
    documents, unused = rows.take()
    offsets = [origin["offset"] for origin in documents["origin"].to_pylist()]
    if found.documents & set(offsets) or len(set(offsets)) < len(offsets):
        found.error = "two documents have one offset"
    found.documents.update(offsets)
    found.dropped.update(unused["reason"].to_pylist())


def check_stage(files: list[Written], read: list[Read], out: Path, pool: Pool, total: Summary) -> None:
    """Hold what the stage wrote against what was written, and against the reading in one go."""
    counts, error = read_by_stage(str(Path(files[0].path).parent / "fuzz-*"), out, pool)
    if counts is None:
        total.fail(files, f"the stage: {error}", keep=True)
        return
    total.counts = total.counts + counts
    documents = load(out, "part-*.parquet", ["url", "id", "origin"])
    unused = load(out, "unused-*.parquet", ["reason", "file"])
    if counts.in_ != counts.out + sum(counts.dropped.values()) or counts.out != len(documents):
        total.fail(files, f"the counts do not add up: {counts}, {len(documents)} rows")
    if len({row["id"] for row in documents}) < len(documents):
        total.fail(files, "two documents have one id")
    if counts.dropped.get("crashed"):
        total.fail(files, f"{counts.dropped['crashed']} records crashed a worker")
    for file, whole in zip(files, read, strict=True):
        name = Path(file.path).name
        mine = [row for row in documents if row["origin"]["file"] == name]
        dropped = Counter(row["reason"] for row in unused if row["file"] == name)
        for problem in find_problems(file, whole, mine, dropped):
            total.fail([file], problem, keep=True)


def load(out: Path, pattern: str, columns: list[str]) -> list[dict[str, Any]]:
    parts = sorted(str(path) for path in (out / "documents").glob(pattern))
    return dataset.dataset(parts, format="parquet").to_table(columns=columns).to_pylist() if parts else []


def find_problems(
    file: Written, whole: Read, documents: list[dict[str, Any]], dropped: Counter[str]
) -> Iterator[str]:
    found = len(documents) + dropped.total()
    if found < file.intact:
        yield f"{found} records in, but {file.intact} are intact"
    lost = file.untouched - {row["url"] for row in documents}
    if lost:
        yield f"{len(lost)} untouched records are no documents, such as {min(lost)}"
    offsets = {row["origin"]["offset"] for row in documents}
    if offsets != whole.documents:
        yield f"spans and the whole differ in documents at {sorted(offsets ^ whole.documents)[:5]}"
    if dropped != whole.dropped:
        yield f"spans drop {dropped - whole.dropped} that the whole does not: {whole.dropped - dropped}"


class Summary:
    """What has been seen so far."""

    def __init__(self) -> None:
        self.records = self.intact = self.peak = 0
        self.mutations: Counter[str] = Counter()
        self.stores: Counter[str] = Counter()
        self.counts = Counts(0, 0)
        self.failures: list[dict[str, Any]] = []
        self.slowest: list[dict[str, Any]] = []

    def add(self, files: list[Written]) -> None:
        for file in files:
            self.records += len(file.places)
            self.intact += file.intact
            self.stores[file.store] += len(file.places)
            self.mutations.update(name for _, name in file.places)

    def fail(self, files: list[Written], problem: str, keep: bool = False) -> None:
        """Note it, and take the files out of the way of the others."""
        for file in files:
            kept = str(Path(file.path).with_name("kept-" + Path(file.path).name))
            if keep and os.path.exists(file.path):
                os.rename(file.path, kept)
            self.failures.append({"number": file.number, "file": kept if keep else None, "problem": problem})
            say(f"file {file.number}: {problem}")

    def note_slowest(self, file: Written, whole: Read) -> None:
        for seconds, offset in whole.slowest:
            place = max(bisect_right(file.places, (offset, "~")) - 1, 0)  # time to the next boundary counts
            name = ", then ".join(name for _, name in file.places[place : place + 2])
            self.slowest.append(
                {"seconds": round(seconds, 3), "mutation": name, "number": file.number, "offset": offset}
            )
        self.slowest = sorted(self.slowest, key=lambda row: -float(row["seconds"]))[:SLOWEST]

    def describe(self, seconds: float) -> dict[str, Any]:
        return {
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": describe_machine(),
            "seconds": round(seconds, 1),
            "records": self.records,
            "intact": self.intact,
            "in": self.counts.in_,
            "out": self.counts.out,
            "dropped": self.counts.dropped,
            "peak_memory": self.peak,
            "slowest": self.slowest,
            "stores": self.stores,
            "mutations": dict(self.mutations.most_common()),
            "failures": len(self.failures),
            "first_failures": self.failures[:20],
        }


if __name__ == "__main__":
    main()
