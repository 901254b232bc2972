"""Parts of `sequences` → their rows, each held to its checksum before anybody looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.recipe import DspipeError
from dspipe.schema import CHUNKS, sequences, validation
from dspipe.sequences import MEND, Tokens, checksum_keys, checksum_rows
from dspipe.shards import Artifact, Part

LISTS = [name for name, form in CHUNKS if pa.types.is_list(form)]
FILE = re.compile(r"(?:.*/)?L([1-9]\d{0,8})(?:/part-\d+)?\.arrow")


@dataclass(frozen=True)
class Rows:
    """Some rows of a part, as they should be.

    Attributes:
        tokens: (r, L). offsets: (r + 1,) from 0, where the chunks of each row begin. batch: all columns.
        first: the number of the first of them in the part.
    """

    tokens: Tokens
    offsets: NDArray[np.int64]
    batch: pa.RecordBatch
    first: int

    def values(self, name: str) -> pa.Array:
        """A column with a value for each chunk, (c,)."""
        return self.batch[name].flatten()

    @property
    def lengths(self) -> NDArray[np.int32]:
        """How many tokens each chunk has, (c,)."""
        lengths: NDArray[np.int32] = self.values("lengths").to_numpy()
        return lengths

    def chunks(self, row: int) -> list[dict[str, Any]]:
        """What is said of each chunk of a row, and under `first` which place of the row it begins at."""
        one = self.batch.slice(row, 1)
        columns = {name: one[name].flatten().to_pylist() for name in LISTS}
        ends = np.cumsum(columns["lengths"]).tolist()
        firsts = [end - length for end, length in zip(ends, columns["lengths"], strict=True)]
        return [
            {"first": first, **dict(zip(columns, values, strict=True))}
            for first, *values in zip(firsts, *columns.values(), strict=True)
        ]


def describe_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    """What is shown of a chunk, as `Rows.chunks` gives it: its place in the row, and of its document."""
    return {
        "first token": chunk["first"],
        "tokens": chunk["lengths"],
        "document token": chunk["starts"],
        "draw": chunk["draws"],
        "fim": chunk["fim"],
    }


def row_length(file: str) -> int | None:
    """How many tokens the rows of a part have, by its name; None where it is no part with rows."""
    found = FILE.fullmatch(file)
    return int(found[1]) if found else None


def parts_by_length(artifact: Artifact) -> dict[int, list[Part]]:
    """The parts to train on for each packed length, in the manifest's order."""
    parts: dict[int, list[Part]] = {}
    for part in artifact.manifest.parts:
        length = row_length(part.file)
        if length is not None:
            parts.setdefault(length, []).append(part)
    return parts


def held_out_parts(artifact: Artifact) -> list[Part]:
    return [part for part in artifact.manifest.beside if is_held_out(part)]


def is_held_out(part: Part) -> bool:
    return part.file.startswith("validation/") and row_length(part.file) is not None


def read_rows(folder: Path, part: Part, most: int = 1 << 22) -> Iterator[Rows]:
    """All rows of a part, at most so many tokens of them at a time."""
    first = 0
    for batch in open_batches(folder, part):
        step = max(1, most // batch["tokens"].type.list_size)
        for start in range(0, len(batch), step):
            yield check_rows(batch.slice(start, step), part, first + start)
        first += len(batch)


def read_row(folder: Path, part: Part, row: int) -> Rows:
    """One row of a part, by its number there."""
    first = 0
    for batch in open_batches(folder, part):
        if row < first + len(batch):
            return check_rows(batch.slice(row - first, 1), part, row)
        first += len(batch)
    raise DspipeError(f"{folder / part.file}: ends before its row {row}; {MEND}")


def open_batches(folder: Path, part: Part) -> Iterator[pa.RecordBatch]:
    """The record batches of a part, mapped, with the columns that there should be and sound buffers.

    Raises:
        DspipeError: the file cannot be read, or has other columns or lengths than its name says.
    """
    path = folder / part.file
    try:
        with pa.memory_map(str(path)) as mapped:
            reader = pa.ipc.open_file(mapped)
            check_columns(reader.schema, part, path)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)
                yield batch
    except (pa.ArrowException, OSError) as error:
        raise DspipeError(f"{path}: not a readable Arrow file ({error}); {MEND}") from None


def check_columns(schema: pa.Schema, part: Part, path: Path) -> None:
    if "checksum" not in schema.names:
        raise DspipeError(f"{path}: its rows have no checksums, as earlier versions packed them; {MEND}")
    for field in (validation if is_held_out(part) else sequences)(row_length(part.file) or 0):
        place = schema.get_field_index(field.name)
        found = None if place < 0 else schema.field(place).type
        if found != field.type:
            raise DspipeError(
                f"{path}: column `{field.name}` must be {field.type}, not {found or 'absent'}; {MEND}"
            )


def check_rows(batch: pa.RecordBatch, part: Part, first: int) -> Rows:
    """Hold rows to their checksums; `first` is the number of the first in its part.

    Raises:
        DspipeError: a row is not what was packed; the message has its name.
    """
    size, flat = batch["tokens"].type.list_size, batch["tokens"].flatten()
    lists = [batch[name] for name in LISTS]
    values = [column.flatten() for column in lists]
    if len(flat) != size * len(batch) or any(array.null_count for array in (flat, *lists, *values)):
        raise altered(part, first)
    offsets = batch["lengths"].offsets.to_numpy().astype(np.int64)
    offsets -= offsets[0]
    tokens, lengths = flat.to_numpy().reshape(len(batch), size), batch["lengths"].flatten().to_numpy()
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    sums = np.empty(len(batch), np.uint64)
    checksum_rows(tokens, offsets, lengths, checksum_keys(size), sums)
    wrong = sums != batch["checksum"].to_numpy(zero_copy_only=False)
    wrong |= np.diff(ends[offsets]) > size
    for column in lists:
        wrong |= np.diff(column.offsets.to_numpy()) != np.diff(offsets)
    if wrong.any() or (lengths <= 0).any():
        raise altered(part, first + int(wrong.argmax()))
    return Rows(tokens, offsets, batch, first)


def altered(part: Part, row: int) -> DspipeError:
    return DspipeError(
        f"{part.file}:{row}: the row is not what was packed: its checksum differs, the file was altered or "
        f"the disk is failing; {MEND}"
    )
