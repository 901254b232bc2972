"""A mixture and a tokenizer → how fast `pack` makes rows of them, beside datatrove's tokenizer pipeline.

The stage runs as `dspipe run` runs it, Parquet to rows on disk, with its defaults: a tenth of the documents
turned to fill-in-the-middle, best fit, rows of 4,096 tokens. Worker processes are there before. datatrove
gets the same texts as Parquet files of two columns, the same tokenizer, and its own settings; it encodes,
shuffles and merges, and knows neither fill-in-the-middle nor rows. The time that its processes take to start
is taken off before the two are compared.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.bench import Options, Say, timing
from dspipe.bench.contenders import on_one_core
from dspipe.bench.documents import Documents
from dspipe.bench.rates import rate_all, show_rates
from dspipe.bench.yardstick import Yardstick, find_interpreter
from dspipe.bench.yardsticks import write_texts
from dspipe.bpe.files import find_file
from dspipe.recipe import END, Pack, Recipe
from dspipe.road import STAGES
from dspipe.runner import Watcher, walk
from dspipe.shards import Artifact, open_artifact, read_batches
from dspipe.workers import Pool

SCRIPT = "datatrove_tokens.py"
PACKAGES = ("datatrove", "tokenizers", "pyarrow")
SETTINGS = Pack()
ROUNDS = 3  # at most: datatrove takes minutes
FLOOR, GOAL = 30, 60  # MB/s a core
FLOOR_OF_RATIO = 12  # times datatrove, as many workers each


def measure_packing(
    mixture: Documents, tokenizer: Artifact, folder: Path, options: Options, say: Say
) -> dict[str, Any]:
    """Rates of the stage with one worker and with several, and of datatrove; and what the rows are like."""
    several = f"{options.workers} worker{'s' * (options.workers > 1)}"
    with ExitStack() as stack:
        works = {}
        for count in sorted({1, options.workers}):
            pool = stack.enter_context(closing(Pool(count)))
            work = partial(pack_and_remove, SETTINGS, mixture.artifact, tokenizer, folder, pool)
            works[f"{count} worker{'s' * (count > 1)}"] = on_one_core(work) if count == 1 else work
        peer = open_peer(mixture, tokenizer, folder, options, stack, say)
        seconds, answers = take_turns(works, peer, folder, min(ROUNDS, options.repeat))
    theirs = [answer["seconds"] for answer in answers]
    labelled = seconds | ({f"datatrove, {several}": theirs} if peer else {})
    show_rates(labelled, mixture.bytes, mixture.rows, "documents", say)
    gain = timing.divide(seconds["1 worker"], seconds[several])
    say(f"{several}: {gain} times one; MB/s a core: floor {FLOOR}, goal {GOAL}")
    figures = {
        "bytes": mixture.bytes,
        "rates": rate_all(labelled, mixture.bytes, mixture.rows, "documents"),
        "gain": gain,
        "datatrove": compare(peer, answers, seconds[several], say) if peer else None,
        "rows": {
            mode: look_at_rows(mode, mixture, tokenizer, folder, say) for mode in ("best-fit", "concatenate")
        },
    }
    return figures


def take_turns(
    works: dict[str, Any], peer: Yardstick | None, folder: Path, rounds: int
) -> tuple[dict[str, list[float]], list[dict[str, Any]]]:
    """Seconds of the stage, and datatrove's answers, in turns after a round that warms up the stage alone."""
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    answers: list[dict[str, Any]] = []
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(timing.measure_seconds(work))
        if peer:
            answers.append(peer.ask(str(folder / "datatrove")))
            shutil.rmtree(folder / "datatrove")
    return seconds, answers


def compare(peer: Yardstick, answers: list[dict[str, Any]], ours: list[float], say: Say) -> dict[str, Any]:
    start = float(peer.greeting["start"])
    whole = [answer["seconds"] for answer in answers]
    ratio = timing.divide([seconds - start for seconds in whole], ours)
    say(
        f"{ratio} times as fast as datatrove {peer.greeting['version']} (at least {FLOOR_OF_RATIO}), the "
        f"{start:.1f} s not counted that its processes take to start"
    )
    return {
        "versions": peer.greeting["versions"],
        "start": start,
        "tokenizing": timing.summarize([answer["tokenizing"] for answer in answers]),
        "merging": timing.summarize([answer["merging"] for answer in answers]),
        "tokens": answers[-1]["tokens"],
        "bytes_of_tokens": answers[-1]["bytes"],
        "ratio": ratio,
        "ratio_with_start": timing.divide(whole, ours),
    }


def open_peer(
    mixture: Documents, tokenizer: Artifact, folder: Path, options: Options, stack: ExitStack, say: Say
) -> Yardstick | None:
    """datatrove, where the interpreter has it and it can read the tokenizer."""
    interpreter = find_interpreter(options.peer, *PACKAGES)
    if interpreter is None:
        say(f"no yardstick: pip install {' '.join(PACKAGES)} elsewhere, and name that Python with --peer")
        return None
    (folder / "texts").mkdir()
    for share in range(options.workers):
        write_texts(iterate(mixture, share, options.workers), folder / "texts" / f"{share}.parquet")
    file = find_file(tokenizer.folder)
    peer = Yardstick(interpreter, SCRIPT, folder / "texts", file, END, str(options.workers))
    return stack.enter_context(peer)


def iterate(mixture: Documents, share: int, shares: int) -> Iterator[Any]:
    """One of several equal shares of every record batch."""
    for file in mixture.artifact.files:
        for batch in read_batches(file, ["id", "text"]):
            first, end = (batch.num_rows * (share + more) // shares for more in (0, 1))
            yield batch.slice(first, end - first)


def pack(settings: Pack, mixture: Artifact, tokenizer: Artifact, folder: Path, pool: Pool) -> Artifact:
    """The stage as a run has it, into a folder of its own."""
    use = {"mixture": str(mixture.folder), "tokenizer": str(tokenizer.folder)}
    recipe = Recipe(name="bench", seed=1, use=use, pack=settings)
    place = Path(tempfile.mkdtemp(dir=folder))
    walk(recipe, place, [STAGES["pack"]], pool, Watcher())
    return open_artifact(place / "sequences")


def pack_and_remove(settings: Pack, mixture: Artifact, tokenizer: Artifact, folder: Path, pool: Pool) -> None:
    shutil.rmtree(pack(settings, mixture, tokenizer, folder, pool).folder.parent)


def look_at_rows(
    mode: Any, mixture: Documents, tokenizer: Artifact, folder: Path, say: Say
) -> dict[str, Any]:
    """What the stage has written: rows, padding, and documents that are cut, from the rows' own columns."""
    settings = msgspec.structs.replace(SETTINGS, mode=mode)
    with closing(Pool(1)) as pool:
        made = pack(settings, mixture.artifact, tokenizer, folder, pool)
    figures = describe_rows(made)
    shutil.rmtree(made.folder.parent)
    say(
        f"{mode}: {figures['rows']:,} rows, padding {100 * figures['padding']:.4f} %; documents cut "
        f"{100 * figures['cut']:.2f} %, of those that fit a row "
        f"{100 * figures['cut_of_those_that_fit']:.2f} %; {100 * figures['infilled']:.2f} % infilled"
    )
    return figures


def describe_rows(made: Artifact) -> dict[str, Any]:
    """Rows of one length: shares of padding, of documents in more than one chunk, and of infilled ones."""
    tables = [pa.ipc.open_file(pa.memory_map(str(file))).read_all() for file in made.files]
    row_length = tables[0].schema.field("tokens").type.list_size
    places, lengths, infilled = (
        np.concatenate([flatten(table, column) for table in tables])
        for column in ("places", "lengths", "fim")
    )
    _, first, chunks, tokens = group(places, lengths)
    rows = sum(table.num_rows for table in tables)
    fits = tokens <= row_length
    return {
        "row_length": row_length,
        "rows": rows,
        "documents": chunks.size,
        "padding": 1 - int(lengths.sum()) / (rows * row_length),
        "cut": float((chunks > 1).mean()),
        "cut_of_those_that_fit": float((chunks[fits] > 1).mean()) if fits.any() else 0.0,
        "infilled": float(infilled[first].mean()),
    }


def flatten(table: pa.Table, column: str) -> npt.NDArray[Any]:
    """The values of all lists of a column."""
    values: npt.NDArray[Any] = table[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values


def group(
    places: npt.NDArray[np.int64], lengths: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Of each document: its place, its first chunk, how many chunks and how many tokens it has."""
    documents, first, inverse, chunks = np.unique(
        places, return_index=True, return_inverse=True, return_counts=True
    )
    return documents, first, chunks, np.bincount(inverse, lengths, documents.size)
