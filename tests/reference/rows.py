"""Files of packed rows, as the stage `pack` writes them, with text that can be learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa


def write_rows(
    folder: Path, rows: int, parts: int, length: int = 16, vocabulary: int = 61, seed: int = 0
) -> list[Path]:
    """Each row: two documents and up to three tokens of padding. Three steps of seven on is the usual next
    token.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    paths = []
    for number, size in enumerate(len(part) for part in np.array_split(np.arange(rows), parts)):
        tokens = np.empty((size, length), np.uint64)
        tokens[:, 0] = generator.integers(0, vocabulary, size)
        for place in range(1, length):
            noise = generator.integers(0, vocabulary, size)
            usual = (tokens[:, place - 1] * 3 + 7) % vocabulary
            tokens[:, place] = np.where(generator.random(size) < 0.9, usual, noise)
        lengths = [[5, length - 5 - int(padding)] for padding in generator.integers(0, 4, size)]
        paths.append(folder / f"part-{number:05d}.arrow")
        write_file(paths[-1], tokens.astype(np.uint32), lengths)
    return paths


def write_file(path: Path, tokens: np.ndarray, lengths: list[list[int]]) -> None:
    """Two record batches a file, so that a file's rows are not one block."""
    columns = {
        "tokens": pa.FixedSizeListArray.from_arrays(pa.array(tokens.ravel()), tokens.shape[1]),
        "lengths": pa.array(lengths, pa.list_(pa.int32())),
        "documents": pa.array([[f"{n}" for n in range(len(row))] for row in lengths]),
    }
    table = pa.table(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(len(tokens) // 2, 1))


def overwrite_tokens(path: Path, row: int, token: int) -> None:
    """Put one token into the last place of a row, as a file packed with another tokenizer would have it."""
    table = pa.ipc.open_file(path).read_all()
    tokens = np.array(table["tokens"].to_pylist(), np.uint32)
    tokens[row, -1] = token
    write_file(path, tokens, table["lengths"].to_pylist())
