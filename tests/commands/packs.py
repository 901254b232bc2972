"""A run that is packed and trained as far as its manifests say, over documents whose tokens are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dspipe import schema
from dspipe.bpe.files import ALPHABET, write_tokenizer
from dspipe.recipe import BEGIN, END, FIM_BEGIN, FIM_END, FIM_HOLE, PAD
from dspipe.sequences import checksum_keys, checksum_rows
from dspipe.shards import Counts, Header, Output, Part, record_file, write_parquet
from tests.support import document, make_id

PADDING, SIZE = 2, 3 + 256 + 3  # id of the padding, tokens of the tokenizer
ADDRESS = "https://kettle.example/\x1b[31m"


@dataclass(frozen=True)
class Chunk:
    place: int  # of its document in the mixture
    start: int
    length: int
    fim: bool = False


def make_mixture() -> list[list[dict[str, Any]]]:
    """Two parts of documents; the fourth is the first once more."""
    rows = [
        document(f"Kettles of kind {number} sing.", f"kettle {number}", url=f"{ADDRESS}{number}", draw=0)
        | {"origin": {"file": f"web-{number}.warc.gz", "offset": 100 * number}, "cluster": ""}
        for number in range(6)
    ]
    rows[3] = rows[0] | {"draw": 1}
    rows[4] |= {"language": "no", "domain": "code"}
    return [rows[:2], rows[2:]]


def list_documents() -> list[dict[str, Any]]:
    return [row for part in make_mixture() for row in part]


def encode(row: dict[str, Any]) -> list[int]:
    """A byte is a token, and eos is behind the text: there are no merges."""
    return [3 + ALPHABET.index(byte) for byte in row["text"].encode()] + [1]


def lay_rows(
    rows: Sequence[Sequence[Chunk]], length: int, mixture: list[dict[str, Any]], added: int = 0
) -> pa.Table:
    """Rows of a length, as `pack` writes them; to each token a number may be added."""
    tokens = np.full((len(rows), length), PADDING, np.uint32)
    for number, row in enumerate(rows):
        laid = [token for c in row for token in encode(mixture[c.place])[c.start : c.start + c.length]]
        tokens[number, : len(laid)] = np.array(laid, np.uint32) + added
    chunks = [chunk for row in rows for chunk in row]
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    lengths = np.array([chunk.length for chunk in chunks], np.int32)
    sums = np.empty(len(rows), np.uint64)
    checksum_rows(tokens, offsets, lengths, checksum_keys(length), sums)
    values = {
        "lengths": lengths,
        "documents": [mixture[chunk.place]["id"] for chunk in chunks],
        "starts": [chunk.start for chunk in chunks],
        "draws": [mixture[chunk.place]["draw"] for chunk in chunks],
        "fim": [chunk.fim for chunk in chunks],
        "places": [chunk.place for chunk in chunks],
    }
    form = schema.sequences(length)
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(tokens.reshape(-1)), type=form.field("tokens").type),
        *(
            pa.array(sums)
            if field.name == "checksum"
            else pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), pa.array(values[field.name], field.type.value_type)
            )
            for field in list(form)[1:]
        ),
    ]
    return pa.Table.from_arrays(columns, schema=form)


def write_rows(folder: Path, file: str, table: pa.Table, rows_in_batch: int = 2) -> Part:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    with pa.ipc.new_file(str(folder / file), table.schema) as writer:
        writer.write_table(table, rows_in_batch)
    return record_file(folder, file, table.num_rows)


def close(folder: Path, parts: list[Part], made_of: Sequence[str], beside: list[Part], **more: Any) -> None:
    """Write a manifest in which the fingerprint of an artifact is `of` and its name."""
    inputs = [{"artifact": name, "fingerprint": f"of {name}"} for name in made_of]
    header = Header("test", 1, more.get("settings", {}), f"of {folder.name}", inputs)
    rows = sum(part.rows for part in parts)
    Output(folder, header).close(parts, Counts(rows, rows), beside, more.get("facts", {}))


ROWS = {
    32: [
        [[Chunk(0, 0, 24), Chunk(1, 0, 8)], [Chunk(1, 8, 16, True), Chunk(2, 0, 10)], [Chunk(3, 0, 24)]],
        [[Chunk(2, 10, 14, True), Chunk(3, 0, 2)], [Chunk(0, 4, 20)], []],
    ],
    64: [[[Chunk(number, 0, 24), Chunk(number + 1, 0, 24)] for number in range(3)]],
}
HELD_OUT = {32: ([[Chunk(4, 0, 24)], [Chunk(5, 0, 24)]], [("code", "no"), ("web", "en")])}
SETTINGS: dict[str, Any] = {
    "steps": 8,
    "batch_size": [[0, 2], [256, 4]],
    "sequence_length": [[0, 32], [512, 64]],
    "seed": 7,
}


def make_run(folder: Path) -> Path:
    """mixture, tokenizer, sequences and model of a run, in its folder."""
    mixture = make_mixture()
    tables = [pa.Table.from_pylist(rows, schema.MIXTURE).to_batches() for rows in mixture]
    parts = [
        write_parquet(folder / "mixture", f"part-{number:05d}.parquet", schema.MIXTURE, batches)
        for number, batches in enumerate(tables)
    ]
    close(folder / "mixture", parts, ["distinct"], [])
    empty = np.empty(0, np.int64)
    (folder / "tokenizer").mkdir()
    marks = [BEGIN, END, PAD], [FIM_HOLE, FIM_BEGIN, FIM_END]
    write_tokenizer(folder / "tokenizer", empty, empty, "deepseek-v3", *marks)
    facts = {"vocabulary": 259, "tokens": SIZE}
    close(
        folder / "tokenizer", [record_file(folder / "tokenizer", "tokenizer.json", 1)], ["mixture"], [],
        facts=facts,
    )  # fmt: skip
    write_sequences(folder / "sequences", list_documents())
    (folder / "model").mkdir()
    close(folder / "model", [], ["sequences", "tokenizer"], [], settings=SETTINGS)
    return folder


def write_sequences(folder: Path, mixture: list[dict[str, Any]], added: int = 0) -> None:
    parts = [
        write_rows(folder, f"L{length}/part-{number:05d}.arrow", lay_rows(rows, length, mixture, added))
        for length, parts in ROWS.items()
        for number, rows in enumerate(parts)
    ]
    beside = []
    for length, (rows, labels) in HELD_OUT.items():
        table = lay_rows(rows, length, mixture)
        for name, column in zip(("domain", "language"), zip(*labels, strict=True), strict=True):
            table = table.append_column(pa.field(name, pa.string()), pa.array(column))
        beside.append(write_rows(folder, f"validation/L{length}.arrow", table))
    close(folder, parts, ["mixture", "tokenizer"], beside)


def kettle(number: int) -> str:
    return make_id(f"kettle {number}")
