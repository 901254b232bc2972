"""Files of packed rows, as the stage `pack` writes them, with text that can be learned."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dspipe.schema import sequences
from dspipe.sequences import checksum_keys, checksum_rows
from dspipe.shards import Artifact, Counts, open_artifact, record_file
from dspipe.train.schedule.phases import Phase, plan_phases
from tests.support import make_output

Parts = dict[int, list[tuple[Path, int]]]  # of each length its files, and how many rows each has


def even(rows: int, length: int = 16) -> list[Phase]:
    """The phases of steps that are all alike."""
    return plan_phases(rows, None, [length])


def write_rows(
    folder: Path, rows: int, parts: int, length: int = 16, vocabulary: int = 61, seed: int = 0
) -> Parts:
    """Each row: two documents and up to three tokens of padding. Three steps of seven on is the usual next
    token.
    """
    generator = np.random.default_rng(seed)
    files = []
    for number, size in enumerate(len(part) for part in np.array_split(np.arange(rows), parts)):
        tokens = np.empty((size, length), np.uint64)
        tokens[:, 0] = generator.integers(0, vocabulary, size)
        for place in range(1, length):
            noise = generator.integers(0, vocabulary, size)
            usual = (tokens[:, place - 1] * 3 + 7) % vocabulary
            tokens[:, place] = np.where(generator.random(size) < 0.9, usual, noise)
        lengths = [[5, length - 5 - int(padding)] for padding in generator.integers(0, 4, size)]
        path = folder / f"L{length}" / f"part-{number:05d}.arrow"
        write_file(path, make_table(tokens.astype(np.uint32), lengths))
        files.append((path, size))
    return {length: files}


def make_table(tokens: np.ndarray, lengths: list[list[int]]) -> pa.Table:
    """Rows of tokens with right checksums, whatever the lengths."""
    count, length = tokens.shape
    ends = np.cumsum([0, *(len(row) for row in lengths)])
    flat = np.array([number for row in lengths for number in row], np.int32)
    sums = np.empty(count, np.uint64)
    checksum_rows(tokens, ends, flat, checksum_keys(length), sums)
    schema = sequences(length)
    columns: dict[str, Any] = {
        "tokens": pa.FixedSizeListArray.from_arrays(
            pa.array(tokens.ravel(), pa.uint32()), type=schema.field("tokens").type
        ),
        "lengths": lengths,
        "checksum": sums,
        "documents": [[f"{n}" for n in range(len(row))] for row in lengths],
    }
    for name, value in (("starts", 0), ("draws", 0), ("fim", False), ("places", 0)):
        columns[name] = [[value] * len(row) for row in lengths]
    return pa.table({name: pa.array(columns[name], schema.field(name).type) for name in schema.names}, schema)


def make_held_out(
    folder: Path,
    labels: list[tuple[str | None, str | None]],
    length: int = 16,
    trained: Parts | None = None,
    infilled: Collection[int] = (),
) -> Artifact:
    """An artifact with a held-out row for each (domain, language), and with the files to train on.

    infilled: which rows have documents that are.
    """
    (drawn,) = write_rows(folder / "drawn", len(labels), 1, length, seed=9)[length]
    tokens, lengths = read_file(drawn[0])
    shutil.rmtree(folder / "drawn")
    table = make_table(tokens, lengths)
    marks = pa.array(
        [[row in infilled] * len(part) for row, part in enumerate(lengths)], pa.list_(pa.bool_())
    )
    table = table.set_column(table.schema.get_field_index("fim"), table.schema.field("fim"), marks)
    for number, name in enumerate(("domain", "language")):
        table = table.append_column(name, pa.array([label[number] for label in labels], pa.string()))
    write_file(folder / f"validation/L{length}.arrow", table)
    output = make_output(folder)
    parts = [
        record_file(folder, str(path.relative_to(folder)), rows)
        for files in (trained or {}).values()
        for path, rows in files
    ]
    rows = sum(part.rows for part in parts)
    held_out = record_file(folder, f"validation/L{length}.arrow", len(labels))
    output.close(parts, Counts(rows, rows), [held_out])
    return open_artifact(folder)


def write_file(path: Path, table: pa.Table, rows_in_batch: int | None = None) -> None:
    """Two record batches a file, so that a file's rows are not one block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_in_batch or max(len(table) // 2, 1))


def read_file(path: Path) -> tuple[np.ndarray, list[list[int]]]:
    """The tokens of a part, (rows, L), and the lengths of its chunks."""
    with pa.OSFile(str(path)) as source:
        table = pa.ipc.open_file(source).read_all()
    return np.array(table["tokens"].to_pylist(), np.uint32), table["lengths"].to_pylist()


def overwrite_tokens(path: Path, row: int, token: int) -> None:
    """Put one token into the last place of a row, as a file packed with another tokenizer would have it."""
    tokens, lengths = read_file(path)
    tokens[row, -1] = token
    write_file(path, make_table(tokens, lengths))
