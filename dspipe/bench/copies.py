"""Pieces of real pages → any number of short documents by seeded edits, a known share of them copies.

Most documents are a piece of 500 to 1,000 bytes with so many words replaced that no two of them are alike;
one in twenty is an exact copy of one made before, one in ten a copy with one other word. What a document is
depends on its number alone, so parts are made in any order. Words are numbers until the end: nothing here
loops over documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dspipe.bench.documents import HEADER
from dspipe.bench.pairs import make_batch
from dspipe.recipe import RecipeError
from dspipe.schema import DOCUMENTS
from dspipe.shards import (
    Artifact,
    Counts,
    Output,
    Part,
    open_artifact,
    read_batches,
    write_array,
    write_parquet,
)
from dspipe.text.hashing import GOLDEN, format_ids, scramble
from dspipe.workers import Workers

EXACT, NEAR = 0.05, 0.10  # shares of the documents
LEAST_REPLACED, MOST_REPLACED = 0.3, 0.7  # shares of the words of all other documents
PIECE = 750  # bytes that a piece is cut to, at a word's end
LEAST_PIECE, MOST_PIECE = 500, 1000
LONGEST_WORD = 16  # bytes, of a word that replaces another one
READ = 30_000_000  # bytes of pages that pieces are taken from
ROWS_IN_PART, LEAST_PARTS = 50_000, 4
ROWS_AT_ONCE = 5000

Integers = npt.NDArray[np.int64]
Unsigned = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Pieces:
    """Words of real pages by number, and pieces as runs of such numbers."""

    words: pa.Array
    short: Integers  # numbers of the words that replace others
    numbers: Integers  # of all pieces, one after the other
    offsets: Integers  # of pieces, (n + 1,)


@dataclass(frozen=True)
class Making:
    number: int
    start: int
    rows: int
    pieces: Path
    folder: Path


def make_documents(pieces: Path, rows: int, folder: Path, workers: Workers) -> Artifact:
    """An artifact of so many documents, of pieces that `write_pieces` has put into a folder."""
    size = min(ROWS_IN_PART, -(-rows // LEAST_PARTS))
    tasks = [
        Making(number, start, min(size, rows - start), pieces, folder)
        for number, start in enumerate(range(0, rows, size))
    ]
    output = Output(folder, HEADER)
    output.close(workers.map(make_part, tasks), Counts(rows, rows))
    return open_artifact(folder)


def make_part(task: Making) -> Part:
    pieces = read_pieces(task.pieces)
    batches = (
        make_rows(pieces, np.arange(start, min(start + ROWS_AT_ONCE, task.start + task.rows)))
        for start in range(task.start, task.start + task.rows, ROWS_AT_ONCE)
    )
    return write_parquet(task.folder, f"part-{task.number:05d}.parquet", DOCUMENTS, batches)


def make_rows(pieces: Pieces, numbers: Integers) -> pa.RecordBatch:
    """The documents of these numbers."""
    origins, near = find_origins(numbers)
    words, lengths = edit_pieces(pieces, origins)
    changed = (
        np.cumsum(lengths) - lengths + (draw_numbers(numbers, 5) % lengths.astype(np.uint64)).astype(np.int64)
    )
    words[changed[near]] = choose_words(pieces, draw_numbers(numbers[near], 6))
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    listed = pa.ListArray.from_arrays(offsets, pieces.words.take(pa.array(words)))
    ids = format_ids(np.stack([draw_numbers(numbers, 7), numbers.astype(np.uint64)], axis=1))
    return make_batch(ids, pc.binary_join(listed, " ").cast(pa.large_string()))


def find_origins(numbers: Integers) -> tuple[Integers, npt.NDArray[np.bool_]]:
    """For each document the one that it is a copy of, or itself; and whether it differs by a word."""
    chance = draw_shares(numbers, 1)
    copied = is_copy(numbers)
    origins = numbers.copy()
    origins[copied] = (draw_numbers(numbers[copied], 2) % numbers[copied].astype(np.uint64)).astype(np.int64)
    while (follows := is_copy(origins)).any():  # the first one is nobody's copy
        origins[follows] -= 1
    return origins, copied & (chance >= EXACT)


def is_copy(numbers: Integers) -> npt.NDArray[np.bool_]:
    copied: npt.NDArray[np.bool_] = (draw_shares(numbers, 1) < EXACT + NEAR) & (numbers > 0)
    return copied


def count_copies(rows: int) -> int:
    return int(is_copy(np.arange(rows)).sum())


def edit_pieces(pieces: Pieces, origins: Integers) -> tuple[Integers, Integers]:
    """The words of each document, one after the other, and how many each has."""
    chosen = (draw_numbers(origins, 3) % np.uint64(len(pieces.offsets) - 1)).astype(np.int64)
    lengths = np.diff(pieces.offsets)[chosen]
    begins = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(begins, lengths)
    words = pieces.numbers[np.repeat(pieces.offsets[chosen], lengths) + within]
    chances = scramble(
        np.repeat(draw_numbers(origins, 4), lengths) + within.astype(np.uint64) * np.uint64(GOLDEN)
    )
    share = LEAST_REPLACED + (MOST_REPLACED - LEAST_REPLACED) * draw_shares(origins, 8)
    replaced = chances < np.repeat((share * 2.0**64).astype(np.uint64), lengths)
    words[replaced] = choose_words(pieces, scramble(chances[replaced]))
    return words, lengths


def choose_words(pieces: Pieces, chances: Unsigned) -> Integers:
    return pieces.short[(chances % np.uint64(len(pieces.short))).astype(np.int64)]


def draw_numbers(numbers: Integers, purpose: int) -> Unsigned:
    return scramble(scramble(numbers.astype(np.uint64) + np.uint64(purpose << 56)) + np.uint64(GOLDEN))


def draw_shares(numbers: Integers, purpose: int) -> npt.NDArray[np.float64]:
    return draw_numbers(numbers, purpose) / 2.0**64


def write_pieces(documents: Artifact, folder: Path) -> Path:
    """Cut the first pages into pieces, and put these and their words into a folder."""
    texts: list[pa.Array] = []
    size = 0
    for file in documents.files:
        for batch in read_batches(file, ["text"]):
            if size < READ:
                texts.append(batch["text"])
                size += pc.sum(pc.binary_length(batch["text"])).as_py() or 0
    listed = pc.ascii_split_whitespace(pa.concat_arrays(texts))
    encoded = listed.values.dictionary_encode()
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"word": encoded.dictionary.cast(pa.string())}), folder / "words.parquet")
    numbers = encoded.indices.to_numpy().astype(np.int64)
    sizes = pc.binary_length(encoded.dictionary).to_numpy().astype(np.int64)
    kept, offsets = cut_pieces(sizes[numbers] + 1, listed.offsets.to_numpy().astype(np.int64))
    if len(offsets) < 2:
        raise RecipeError(f"{documents.folder}: no text of {LEAST_PIECE} bytes; give longer ones with --data")
    write_array(folder / "numbers.npy", numbers[kept])
    write_array(folder / "offsets.npy", offsets)
    write_array(folder / "short.npy", np.flatnonzero((sizes > 0) & (sizes <= LONGEST_WORD)))
    return folder


def cut_pieces(sizes: Integers, offsets: Integers) -> tuple[npt.NDArray[np.bool_], Integers]:
    """Which words are in a piece, and where pieces begin among these: runs of about PIECE bytes of a page."""
    pages = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    ends = np.cumsum(sizes)
    begins = (np.concatenate([[0], ends])[offsets[:-1]])[pages]
    run = (ends - sizes - begins) // PIECE
    first = (
        np.flatnonzero(np.concatenate([[True], (np.diff(pages) != 0) | (np.diff(run) != 0)]))
        if len(sizes)
        else np.empty(0, np.int64)
    )
    lengths = np.diff(np.concatenate([first, [len(sizes)]]))
    weights = np.add.reduceat(sizes, first) if len(first) else np.empty(0, np.int64)
    fits = (weights >= LEAST_PIECE) & (weights <= MOST_PIECE) & (lengths > 20)
    return np.repeat(fits, lengths), np.concatenate([[0], np.cumsum(lengths[fits])])


@cache
def read_pieces(folder: Path) -> Pieces:
    words = pq.read_table(folder / "words.parquet")["word"].combine_chunks()
    return Pieces(words, *(np.load(folder / f"{name}.npy") for name in ("short", "numbers", "offsets")))
