"""`dspipe bench mix`: short rows → how fast they are mixed to shares, and in how much memory.

Ten million rows, whose texts have some 60 bytes each, weigh as much on what is kept for each document as ten
million long ones, and are made and moved in minutes. Every run has processes of its own, so that the peak is
that of the stage; the same with a quarter of the rows shows what grows with their number.
"""

from __future__ import annotations

import glob
import shutil
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dspipe.bench import Options, Say, timing
from dspipe.bench.memory import find_peak
from dspipe.mix.stage import run as mix
from dspipe.recipe import Epochs, Mix, RecipeError
from dspipe.schema import DISTINCT
from dspipe.shards import Artifact, Counts, Header, Journal, Output, Part, open_artifact, write_parquet
from dspipe.text.hashing import format_ids
from dspipe.workers import Pool, Workers

ROWS, ROWS_IN_PART = 10_000_000, 200_000
MOST_MEMORY = 10**9  # bytes, of the largest process
WORDS = 2000
# domain, language, share of the rows
CELLS = (
    ("web", "en", 0.40), ("web", "de", 0.15), ("web", "zh", 0.10), ("web", "no", 0.05), ("code", "und", 0.20),
    ("math", "en", 0.10),
)  # fmt: skip
SHARES = Mix(
    max_epochs=Epochs(default=3.0, sources={"books": 4.0}, languages={"no": 2.0}),
    quality_power=0.5,
    domains={"web": 0.55, "code": 0.25, "math": 0.20},
    languages={"en": 0.5},
    temperature=1.5,
    seed=1,
)


@dataclass(frozen=True)
class Run:
    settings: Mix
    distinct: Path
    workers: int
    folder: Path  # for the mixture, which is removed


@dataclass(frozen=True)
class Ran:
    seconds: float
    parent: (
        int | None
    )  # the most bytes that the process of the stage has held; None: the system does not tell
    worker: int | None  # that the largest of its workers has held; None too where there is none
    counts: Counts
    facts: dict[str, Any]

    @property
    def peak(self) -> int:
        return max(self.parent or 0, self.worker or 0)


def run(options: Options, say: Say) -> dict[str, Any]:
    """Rows per second, the peak of the largest process, and how far each cell is from its budget."""
    with tempfile.TemporaryDirectory(prefix="dspipe-bench-") as name:
        folder = Path(name)
        distinct, settings = choose_rows(options.data, folder)
        say(f"{options.data or 'made for this'}: {distinct.rows:,} rows in {len(distinct.files)} parts")
        tasks = {
            name_workers(count): Run(settings, distinct.folder, count, folder)
            for count in sorted({1, options.workers})
        }
        rounds = [{name: run_alone(task) for name, task in tasks.items()} for _ in range(options.repeat)]
        ran = {name: [one[name] for one in rounds] for name in tasks}
        last = ran[name_workers(options.workers)][0]
        say(f"{last.counts.in_:,} rows in, {last.counts.out:,} out")
        return {
            "rows": distinct.rows,
            "counts": msgspec.to_builtins(last.counts),
            "rates": {name: rate(name, runs, say) for name, runs in ran.items()},
            "memory": compare_memory(tasks[name_workers(options.workers)], distinct, ran, say),
            "shares": compare_shares(last.facts, say),
        }


def name_workers(count: int) -> str:
    return f"{count} worker{'s' * (count != 1)}"


def rate(name: str, runs: list[Ran], say: Say) -> dict[str, Any]:
    seconds = timing.summarize([one.seconds for one in runs])
    rows = timing.summarize([one.counts.in_ / one.seconds for one in runs])
    say(f"{name:<12} {seconds} s, {rows} rows/s")
    return {"seconds": seconds, "rows_per_second": rows}


def compare_memory(whole: Run, distinct: Artifact, ran: dict[str, list[Ran]], say: Say) -> dict[str, Any]:
    """The peaks of the runs, and of one over a quarter of the parts."""
    files = distinct.files[: max(1, len(distinct.files) // 4)]
    quarter = name_files(files, whole.folder / "quarter")
    settings = shrink(whole.settings, quarter.rows / distinct.rows)
    fewer = run_alone(Run(settings, quarter.folder, whole.workers, whole.folder))
    peaks = {name: max(one.peak for one in runs) for name, runs in ran.items()}
    shown = ", ".join(f"{name} {peak / 1e6:.0f} MB" for name, peak in peaks.items() if peak)
    say(
        f"peak memory of the largest process: {shown or 'not told here'} (at most {MOST_MEMORY / 1e6:.0f} MB)"
    )
    growth = peaks[name_workers(whole.workers)] / fewer.peak if fewer.peak else None
    times = distinct.rows / quarter.rows
    say(f"{times:.1f} times the rows take {growth:.2f} times the memory" if growth else "no peaks to compare")
    parents = {name: max(one.parent or 0 for one in runs) for name, runs in ran.items()}
    return {"peaks": peaks, "parents": parents, "growth": growth, "fewer_rows": quarter.rows}


def shrink(settings: Mix, share: float) -> Mix:
    return msgspec.structs.replace(settings, bytes=settings.bytes and int(settings.bytes * share))


def compare_shares(facts: dict[str, Any], say: Say) -> dict[str, Any]:
    """How many bytes each cell is short of its budget."""
    missing = {name: cell["budget"] - cell["bytes"] for name, cell in facts["cells"].items()}
    worst = max(missing, key=lambda name: missing[name])
    say(f"of {len(missing)} cells, {worst} is farthest from its budget: {missing[worst]} bytes short")
    return {"cells": facts["cells"], "bytes_short": missing}


def run_alone(task: Run) -> Ran:
    """Run the stage in a new process, and its workers below that."""
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        return executor.submit(run_stage, task).result()


def run_stage(task: Run) -> Ran:
    place = Path(tempfile.mkdtemp(dir=task.folder))
    pool = Pool(task.workers)
    workers = Workers(pool, Journal(place / ".progress" / "mix"))
    try:
        output = Output(place / "mixture", Header("mix", 1, {}, "bench", []))
        begun = time.perf_counter()
        mix(task.settings, open_artifact(task.distinct), output, workers)
        seconds = time.perf_counter() - begun
        peaks = [find_peak(process.pid) or 0 for process in active_children()]
        assert output.closed is not None
        return Ran(seconds, find_peak(), max(peaks, default=None), output.closed.counts, output.closed.facts)
    finally:
        pool.close()
        shutil.rmtree(place)


def choose_rows(pattern: str | None, folder: Path) -> tuple[Artifact, Mix]:
    """The parts of `distinct` that a glob names, or rows made for this, and what to mix them to."""
    if pattern is None:
        made = make_rows(folder / "distinct", ROWS)
        return made, msgspec.structs.replace(SHARES, bytes=count_text(made))
    files = [Path(file).resolve() for file in sorted(glob.glob(pattern, recursive=True))]
    if not files:
        raise RecipeError(f"--data {pattern}: no file matches; name the parts of a `distinct`")
    return name_files(files, folder / "distinct"), Mix(temperature=1.5, seed=1)


def name_files(files: list[Path], folder: Path) -> Artifact:
    """An artifact whose parts lie elsewhere."""
    parts = [Part(str(file), pq.read_metadata(file).num_rows, file.stat().st_size, "") for file in files]
    return close(folder, parts)


def make_rows(folder: Path, rows: int) -> Artifact:
    starts = range(0, rows, ROWS_IN_PART)
    return close(folder, [make_part(folder, start, min(ROWS_IN_PART, rows - start)) for start in starts])


def make_part(folder: Path, start: int, rows: int) -> Part:
    """Rows of random words, from a seed that is the number of the first."""
    random = np.random.default_rng(start)
    cells = random.choice(len(CELLS), rows, p=[share for _, _, share in CELLS])
    offsets = np.concatenate([[0], np.cumsum(random.integers(4, 16, rows))]).astype(np.int32)
    vocabulary = pa.array([f"word{number}"[number % 3 :] for number in range(WORDS)])
    words = vocabulary.take(pa.array(random.integers(0, WORDS, int(offsets[-1]))))
    ids = format_ids(random.integers(0, 2**64, (rows, 2), dtype=np.uint64))
    files = pa.array(["made.jsonl"]).take(pa.array(np.zeros(rows, np.int64)))
    known = {
        "id": ids,
        "text": pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), words), " ").cast(
            pa.large_string()
        ),
        "source": pa.array(["crawl", "books"]).take(pa.array(random.integers(0, 2, rows))),
        "url": pc.binary_join_element_wise("https://kettle.example/", ids, ""),
        "language": pa.array([language for _, language, _ in CELLS]).take(pa.array(cells)),
        "domain": pa.array([domain for domain, _, _ in CELLS]).take(pa.array(cells)),
        "quality": pa.array(random.random(rows, np.float32)),
        "origin": pa.StructArray.from_arrays(
            [files, pa.array(np.arange(start, start + rows))], ["file", "offset"]
        ),
        "cluster": ids,
    }
    columns = [known.get(field.name, pa.nulls(rows, field.type)) for field in DISTINCT]
    table = pa.Table.from_arrays(columns, schema=DISTINCT)
    return write_parquet(folder, f"part-{start:08d}.parquet", DISTINCT, table.to_batches(4096))


def count_text(distinct: Artifact) -> int:
    texts = (pq.read_table(file, columns=["text"])["text"] for file in distinct.files)
    return sum(pc.sum(pc.binary_length(text)).as_py() for text in texts)


def close(folder: Path, parts: list[Part]) -> Artifact:
    total = sum(part.rows for part in parts)
    Output(folder, Header("dedup", 1, {}, "bench", [])).close(parts, Counts(total, total))
    return open_artifact(folder)
