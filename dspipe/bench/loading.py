"""Files of rows → how soon there is a first batch, how fast batches follow, and whether training waits.

The first batch counts from the folder's name on: the manifest is read and the files are looked for, too, as
a run that resumes has to. So that 10^8 rows need no terabytes, their tokens are holes. Rates are those of
token bytes, 4 for each, from files that the system holds in its memory, with every row's checksum verified.
Nothing is done with the batches; beside them stands bare reading. Training is that of a small network on the
rows, which has the shortest steps and so the most batches to wait for.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dspipe.bench import Options, Say, timing
from dspipe.bench.rows import make_full, make_sparse
from dspipe.recipe import Train
from dspipe.shards import Artifact, open_artifact
from dspipe.train.schedule.course import plan_course
from dspipe.train.schedule.phases import plan_phases

ROWS, ROW_LENGTH = 100_000_000, 4096
BATCH = 256  # rows
MOST_SECONDS = 1
TOKENS = 1 << 28  # that are read from the system's memory: 1 GiB
TOKENS_IN_BATCH = 1 << 20
ROW_LENGTHS = (4096, 32768)
READERS = (1, 2)
VOCABULARY = 8192
AHEAD = 3  # batches that a reader of bare bytes writes to by turns
BARE = " bare"
FLOOR = 4  # GB of token bytes a second
STEPS, TRAINED_ROWS, TRAINED_LENGTH = 60, 8, 256
WARM = 10  # steps that do not count: memory is taken, kernels are chosen


def measure_loading(folder: Path, options: Options, say: Say) -> dict[str, Any]:
    return {
        "first_batch": measure_first(folder / "sparse", options.repeat, say),
        "rates": {
            f"L{row_length}": measure_rates(folder / "full", row_length, options.repeat, say)
            for row_length in ROW_LENGTHS
        },
        "training": measure_waiting(folder / "trained", say),
    }


def open_loader(sequences: Artifact, batch_size: int, seed: int) -> Any:
    from dspipe.train.loading.loader import RowLoader, list_parts  # torch takes seconds to import

    parts = list_parts(sequences)
    return RowLoader(parts, plan_phases(batch_size, None, list(parts)), seed)


def measure_first(folder: Path, repeat: int, say: Say) -> dict[str, Any]:
    """A batch of a training that begins, and of one that goes on at the end of its second epoch."""
    made = make_sparse(folder, ROW_LENGTH, ROWS)
    steps = {"first": 1, "resumed": 2 * made.rows // BATCH}
    read_first(folder, 1, seed=repeat)  # compiles
    seconds = {
        name: timing.summarize(
            [timing.measure_seconds(partial(read_first, folder, step, seed)) for seed in range(repeat)]
        )
        for name, step in steps.items()
    }
    parts = len(made.files)
    shutil.rmtree(folder)
    say(
        f"{made.rows:,} rows of {ROW_LENGTH:,} tokens in {parts:,} files: a first batch of {BATCH} after "
        f"{seconds['first']} s, at step {steps['resumed']:,} after {seconds['resumed']} s (at most "
        f"{MOST_SECONDS})"
    )
    return {"rows": made.rows, "row_length": ROW_LENGTH, "parts": parts, "batch": BATCH, "seconds": seconds}


def read_first(folder: Path, step: int, seed: int) -> None:
    open_loader(open_artifact(folder), BATCH, seed).batch(step)


def measure_rates(folder: Path, row_length: int, repeat: int, say: Say) -> dict[str, timing.Spread]:
    """Gigabytes of token bytes a second, each row once in the seeded order, for numbers of reader threads."""
    made = make_full(folder, row_length, TOKENS, VOCABULARY)
    size = max(1, TOKENS_IN_BATCH // row_length)
    steps = max(1, made.rows // size)
    works: dict[str, timing.Work] = {
        f"{count} reader{'s' * (count > 1)}{what}": partial(work, made, size, steps, count)
        for what, work in (("", read_all), (BARE, read_bare))
        for count in READERS
    }
    seconds = timing.take_turns(works, repeat)
    shutil.rmtree(folder)
    read = 4 * steps * size * row_length / 1e9
    rates = {name: timing.summarize([read / one for one in taken]) for name, taken in seconds.items()}
    for name in [name for name in rates if not name.endswith(BARE)]:
        rates[f"{name}, of{BARE}"] = timing.divide(seconds[name + BARE], seconds[name])
    told = ", ".join(f"{name} {rate}" for name, rate in rates.items())
    say(f"batches of {size} rows of {row_length:,} tokens, GB/s of token bytes (at least {FLOOR}): {told}")
    return rates


def read_bare(made: Artifact, size: int, steps: int, readers: int) -> None:
    """What the system gives at best: `pread` of as many bytes, from places as random, to batches by turns."""
    with ExitStack() as opened, ThreadPoolExecutor(readers) as threads:
        files = [opened.enter_context(file.open("rb", buffering=0)) for file in made.files]
        width = 4 * int(made.files[0].parent.name.removeprefix("L"))
        places = np.random.default_rng(0).integers(0, made.manifest.parts[0].bytes - width, (steps, size))

        def read(reader: int) -> None:
            memory: list[Any] = [list(np.empty((size, width), np.uint8)) for _ in range(AHEAD)]
            for number, batch in enumerate(places[reader::readers].tolist()):
                for row, place in zip(memory[number % AHEAD], batch, strict=True):
                    os.preadv(files[place % len(files)].fileno(), [row], place)

        list(threads.map(read, range(readers)))


def read_all(made: Artifact, size: int, steps: int, readers: int) -> None:
    with closing(open_loader(made, size, 0).stream(1, steps, readers=readers)) as batches:
        for batch in batches:
            del batch  # its memory is used again


def measure_waiting(folder: Path, say: Say) -> dict[str, Any]:
    """Seconds of training steps, and the share of them that was spent waiting for batches."""
    from dspipe.train.loop import train

    settings = Train(steps=STEPS, batch_size=TRAINED_ROWS)
    made = make_full(folder / "sequences", TRAINED_LENGTH, STEPS * TRAINED_ROWS * TRAINED_LENGTH, VOCABULARY)
    course = plan_course(settings, [TRAINED_LENGTH])
    train(settings, course, open_loader(made, TRAINED_ROWS, 0), VOCABULARY, folder / "model")
    lines = (folder / "model" / "metrics.jsonl").read_text("utf-8").splitlines()[WARM:]
    shutil.rmtree(folder)
    steps = [json.loads(line) for line in lines]
    seconds, waited = (timing.summarize([step[key] for step in steps]) for key in ("seconds", "waited"))
    share = sum(step["waited"] for step in steps) / sum(step["seconds"] for step in steps)
    say(
        f"training, {TRAINED_ROWS} rows of {TRAINED_LENGTH:,} tokens a step: {seconds} s, of which "
        f"{100 * share:.3f} % waiting for the batch"
    )
    return {"steps": len(steps), "seconds": seconds, "waited": waited, "share_waited": share}
