"""A plan of rows + tokens of documents → an Arrow file of rows, whose tokens are read without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dspipe.pack.documents import Documents
from dspipe.pack.encoding import DOCUMENT, Group
from dspipe.pack.infill import PLAIN
from dspipe.pack.plan import open_plan
from dspipe.schema import sequences, validation
from dspipe.sequences import checksum_keys, checksum_rows
from dspipe.shards import Counts, Piece, record_file, replacing
from dspipe.text.hashing import format_ids
from dspipe.text.kernel import compiling_once, kernel

TOKENS_IN_BATCH = 1 << 22
ROWS_IN_BATCH = 1024


@dataclass(frozen=True)
class Laying:
    """The task for one file: rows first…last of the plan in folder `plan`, to `folder`/`file`.

    documents, counts: the folder of encoded parts, and how many documents each has. groups: for rows that are
    held out, the group of each.
    """

    plan: Path
    first: int
    last: int
    row_length: int
    pad: int
    documents: Path
    counts: tuple[int, ...]
    folder: Path
    file: str
    groups: tuple[Group, ...] | None = None


def lay_rows(task: Laying) -> Piece:
    """Write one file of rows."""
    schema = (sequences if task.groups is None else validation)(task.row_length)
    with compiling_once():
        list(build_batches(replace(task, last=task.first + min(1, task.last - task.first)), schema))
    with (
        replacing(task.folder / task.file) as temporary,
        pa.ipc.new_file(str(temporary), schema) as writer,
    ):
        for batch in build_batches(task, schema):
            writer.write_batch(batch)
    part = record_file(task.folder, task.file, task.last - task.first)
    return Piece({"sequences": [part]}, Counts(0, 0))


def build_batches(task: Laying, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Lay chunks into rows, a bounded number of rows at a time."""
    plan, documents = open_plan(task.plan), Documents(task.documents, task.counts)
    size = max(1, min(ROWS_IN_BATCH, TOKENS_IN_BATCH // task.row_length))
    for first in range(task.first, task.last, size):
        last = min(first + size, task.last)
        bounds = plan.bounds[first : last + 1] - plan.bounds[first]
        chunks = plan.chunks[plan.bounds[first] : plan.bounds[last]]
        tokens = np.full((last - first, task.row_length), task.pad, np.uint32)
        facts = lay_chunks(documents, chunks, bounds, tokens)
        columns = build_columns(tokens, chunks, bounds.astype(np.int32), facts, schema)
        if task.groups is not None:
            names = task.groups[first:last]
            columns += [pa.array([group[place] for group in names], pa.string()) for place in (0, 1)]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def lay_chunks(
    documents: Documents,
    chunks: npt.NDArray[np.void],
    bounds: npt.NDArray[np.int64],
    tokens: npt.NDArray[np.uint32],
) -> npt.NDArray[np.void]:
    """Copy the tokens of chunks into their rows, and return what is known of the document of each chunk."""
    row = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    ends = np.cumsum(chunks["length"], dtype=np.int64)
    begins = ends - chunks["length"]
    place = begins - begins[bounds[row]] if len(chunks) else begins
    parts = documents.find_parts(chunks["document"])
    facts = np.empty(len(chunks), DOCUMENT)
    for part in np.unique(parts):
        chosen = np.flatnonzero(parts == part)
        encoded = documents.part(int(part))
        facts[chosen] = encoded.documents[chunks["document"][chosen] - documents.firsts[part]]
        source = facts["begin"][chosen] + chunks["start"][chosen]
        copy_chunks(encoded.tokens, source, row[chosen], place[chosen], chunks["length"][chosen], tokens)
    return facts


@kernel
def copy_chunks(source, begins, rows, places, lengths, tokens):  # type: ignore[no-untyped-def]
    """Copy source[begins[i] : begins[i] + lengths[i]] to row rows[i] from place places[i] on."""
    for chunk in range(begins.size):
        row, place, begin = rows[chunk], places[chunk], begins[chunk]
        for token in range(lengths[chunk]):
            tokens[row, place + token] = source[begin + token]


def build_columns(
    tokens: npt.NDArray[np.uint32],
    chunks: npt.NDArray[np.void],
    bounds: npt.NDArray[np.int32],
    facts: npt.NDArray[np.void],
    schema: pa.Schema,
) -> list[pa.Array]:
    """The columns of `schema.sequences`, in order."""
    lengths, sums = np.ascontiguousarray(chunks["length"]), np.empty(len(tokens), np.uint64)
    checksum_rows(tokens, bounds, lengths, checksum_keys(tokens.shape[1]), sums)
    flat = pa.array(tokens.reshape(-1), pa.uint32())
    lists = {
        "lengths": pa.array(lengths),
        "documents": format_ids(facts["id"]),
        "starts": pa.array(np.ascontiguousarray(chunks["start"])),
        "draws": pa.array(np.ascontiguousarray(facts["draw"])),
        "fim": pa.array(facts["form"] != PLAIN),
        "places": pa.array(np.ascontiguousarray(chunks["document"])),
    }
    made: dict[str, pa.Array] = {
        "tokens": pa.FixedSizeListArray.from_arrays(flat, type=schema.field("tokens").type),
        "checksum": pa.array(sums),
        **{name: pa.ListArray.from_arrays(pa.array(bounds), values) for name, values in lists.items()},
    }
    return [made[name] for name in schema.names if name in made]
