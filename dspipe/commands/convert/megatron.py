"""Packed rows → Megatron's `.bin` and `.idx`: a row is a sequence and a document, padding included.

So a `GPTDataset` whose `sequence_length` is L has a row in each sample, whatever order it draws them in.
After `megatron/core/datasets/indexed_dataset.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dspipe.commands.convert.packed import PackedRows, narrow_tokens
from dspipe.shards import replacing

ENDINGS = (".bin", ".idx")
MAGIC = b"MMIDIDX\x00\x00"
CODES = {"int32": 4, "uint16": 8}  # the library's numbers for the types of tokens
FEW = 65_500  # fewer tokens than this fit two bytes, as Megatron decides it
NUMBERS_AT_ONCE = 1 << 20


def choose_type(packed: PackedRows) -> np.dtype[Any]:
    return np.dtype("<u2" if packed.size < FEW else "<i4")


def write_megatron(packed: PackedRows, target: Path) -> Iterator[int]:
    """Write both files, the index last; yields how many rows are done."""
    form, done = choose_type(packed), 0
    tokens, index = (target.with_name(target.name + ending) for ending in ENDINGS)
    with replacing(tokens) as temporary, open(temporary, "wb") as stream:
        for rows in packed.read():
            stream.write(narrow_tokens(rows, form).data)
            done += len(rows.tokens)
            yield done
        index.unlink(missing_ok=True)  # an old one never stands beside new tokens
    with replacing(index) as temporary, open(temporary, "wb") as stream:
        write_index(stream, packed.count, packed.length, form)


def write_index(stream: BinaryIO, count: int, length: int, form: np.dtype[Any]) -> None:
    """Lengths of sequences, where each begins in bytes, and which sequence each document begins with."""
    stream.write(MAGIC + struct.pack("<QBQQ", 1, CODES[form.name], count, count + 1))
    for first in range(0, count, NUMBERS_AT_ONCE):
        stream.write(np.full(min(NUMBERS_AT_ONCE, count - first), length, "<i4").tobytes())
    for step, end in ((length * form.itemsize, count), (1, count + 1)):
        for first in range(0, end, NUMBERS_AT_ONCE):
            numbers = np.arange(first, min(first + NUMBERS_AT_ONCE, end), dtype="<i8")
            stream.write((numbers * step).tobytes())
