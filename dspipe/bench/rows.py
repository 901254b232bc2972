"""Files of rows as `pack` writes them, filled with anything: as many as a loader is to be measured with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.bench.documents import HEADER
from dspipe.schema import sequences
from dspipe.sequences import checksum_keys, checksum_rows
from dspipe.shards import Artifact, Counts, Output, Part, open_artifact, record_file

TOKENS_IN_PART = 1 << 25
ROWS_IN_BATCH = 1024
TOKENS_IN_CHUNK = 1024
BLOCK = 1 << 16  # bytes


def write_rows(path: Path, row_length: int, rows: int, vocabulary: int, seed: int) -> None:
    """A file of rows of random tokens below `vocabulary`: all zero where it is 1."""
    random = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(str(path), sequences(row_length)) as writer:
        for first in range(0, rows, ROWS_IN_BATCH):
            size = (min(ROWS_IN_BATCH, rows - first), row_length)
            writer.write_batch(build_batch(random.integers(0, vocabulary, size, np.uint32)))


def build_batch(tokens: npt.NDArray[np.uint32]) -> pa.RecordBatch:
    """Full rows of chunks of about a thousand tokens, each of a document of its own."""
    rows, row_length = tokens.shape
    chunk = min(TOKENS_IN_CHUNK, row_length)
    counts = -(-row_length // chunk)
    lengths = np.full((rows, counts), chunk, np.int32)
    lengths[:, -1] = row_length - chunk * (counts - 1)
    offsets = np.arange(0, rows * counts + 1, counts, dtype=np.int32)
    sums = np.empty(rows, np.uint64)
    checksum_rows(tokens, offsets, lengths.reshape(-1), checksum_keys(row_length), sums)
    zeros = np.zeros(rows * counts, np.int64)
    columns = {
        "lengths": pa.array(lengths.reshape(-1)),
        "documents": pa.array(["0" * 32]).take(pa.array(zeros)),
        "starts": pa.array(zeros.astype(np.int32)),
        "draws": pa.array(zeros.astype(np.int32)),
        "fim": pa.array(zeros.astype(bool)),
        "places": pa.array(zeros),
    }
    schema = sequences(row_length)
    made: dict[str, pa.Array] = {
        "tokens": pa.FixedSizeListArray.from_arrays(
            pa.array(tokens.reshape(-1)), type=schema.field("tokens").type
        ),
        "checksum": pa.array(sums),
        **{name: pa.ListArray.from_arrays(pa.array(offsets), values) for name, values in columns.items()},
    }
    return pa.RecordBatch.from_arrays([made[name] for name in schema.names], schema=schema)


def make_full(folder: Path, row_length: int, tokens: int, vocabulary: int) -> Artifact:
    """About so many tokens in parts of the usual size: the same content again and again, in files apart."""
    rows = max(1, min(TOKENS_IN_PART, tokens) // row_length)
    first = folder / name_part(row_length, 0)
    write_rows(first, row_length, rows, vocabulary, seed=0)
    for number in range(1, max(1, tokens // (rows * row_length))):
        shutil.copyfile(first, folder / name_part(row_length, number))
    return close(folder, row_length, rows, number_of_parts=max(1, tokens // (rows * row_length)))


def make_sparse(folder: Path, row_length: int, rows: int) -> Artifact:
    """At least so many rows, whose tokens are holes that take no room on the disk.

    All parts are names of one file: a row takes some hundred bytes beside its tokens, which would be ten
    gigabytes for 10^8 rows.
    """
    in_part = min(rows, max(1, TOKENS_IN_PART // row_length))
    first = folder / name_part(row_length, 0)
    write_rows(folder / "full", row_length, in_part, vocabulary=1, seed=0)
    first.parent.mkdir()
    copy_sparsely(folder / "full", first)
    (folder / "full").unlink()
    parts = -(-rows // in_part)
    for number in range(1, parts):
        os.link(first, folder / name_part(row_length, number))
    return close(folder, row_length, in_part, parts)


def name_part(row_length: int, number: int) -> str:
    return f"L{row_length}/part-{number:05d}.arrow"


def close(folder: Path, row_length: int, rows: int, number_of_parts: int) -> Artifact:
    """The artifact of parts that are all alike."""
    known = record_file(folder, name_part(row_length, 0), rows)
    parts = [
        Part(name_part(row_length, number), rows, known.bytes, known.xxh3)
        for number in range(number_of_parts)
    ]
    Output(folder, HEADER).close(parts, Counts(rows * number_of_parts, rows * number_of_parts))
    return open_artifact(folder)


def copy_sparsely(source: Path, target: Path) -> None:
    """Copy a file, and leave holes for its zeros."""
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(BLOCK):
            if block.count(0) == len(block):
                write.seek(len(block), os.SEEK_CUR)
            else:
                write.write(block)
        write.truncate(read.tell())
