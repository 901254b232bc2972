"""Rows held out from training → the batches of an evaluation: the same rows in the same order, every time.

Rows of an artifact's `validation/L<length>.arrow` lie there by domain, language, and whether their documents
are infilled. Where fewer are wanted than there are, they are taken at even distances, so that each domain and
language keeps its share.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch

from dspipe.batch import PackedBatch
from dspipe.recipe import DspipeError
from dspipe.sequences import MEND
from dspipe.shards import Artifact
from dspipe.train.loading.order import Places
from dspipe.train.loading.parts import Parts
from dspipe.train.loading.reader import Reader, compile_reader, count_files

LABELS = ("domain", "language")
INFILLED = "fim"  # of each document of a row, all of them alike


class Label(NamedTuple):
    """What the documents of a row have in common."""

    domain: str | None
    language: str | None
    infilled: bool


@dataclass(frozen=True)
class HeldOut:
    """Rows of one length, (n,), by their numbers in the file, and the label of each.

    vocabulary: rows with a token from there on are refused.
    """

    parts: Parts
    rows: Places
    labels: list[Label]
    vocabulary: int

    def batches(self, size: int) -> Iterator[PackedBatch]:
        """All rows in order, so many at a time, each held to its checksum.

        Raises:
            DspipeError: a row is not as it was packed, or has a token beyond the vocabulary.
        """
        compile_reader()
        reader = Reader(self.parts, count_files(1), self.vocabulary)
        try:
            for start in range(0, len(self.rows), size):
                rows = self.rows[start : start + size]
                tokens_BL, document_BL = np.empty((2, len(rows), self.parts.length), np.int32)
                reader.read(rows, tokens_BL.view(np.uint32), document_BL)
                yield PackedBatch(torch.from_numpy(tokens_BL), torch.from_numpy(document_BL))
        finally:
            reader.close()


def open_held_out(sequences: Artifact, length: int, slots: int, vocabulary: int) -> HeldOut:
    """As many of an artifact's held-out rows of a length as `slots` hold; none where none were packed."""
    name = locate_rows(length)
    files = [(sequences.folder / name, part.rows) for part in sequences.manifest.beside if part.file == name]
    parts = Parts(length, files)
    rows = choose_rows(parts.rows, slots // length)
    labels = read_labels(parts) if len(rows) else []
    return HeldOut(parts, rows, [labels[row] for row in rows.tolist()], vocabulary)


def locate_rows(length: int) -> str:
    """The file of an artifact's held-out rows of a length."""
    return f"validation/L{length}.arrow"


def choose_rows(count: int, wanted: int) -> Places:
    """`wanted` of the rows 0..count-1 at even distances, or all of them, ascending."""
    taken = min(count, wanted)
    return np.arange(taken, dtype=np.int64) * count // max(taken, 1)


def read_labels(parts: Parts) -> list[Label]:
    """The label of every row.

    Raises:
        DspipeError: the file cannot be read, or has no such columns or other rows.
    """
    path, labels = parts.paths[0], list[Label]()
    try:
        with pa.OSFile(str(path)) as source:  # no mapping, which a file that is cut short would kill us by
            schema = pa.ipc.open_file(source).schema
            places = [schema.get_field_index(name) for name in (*LABELS, INFILLED)]
            reader = pa.ipc.open_file(source, options=pa.ipc.IpcReadOptions(included_fields=places))
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate(full=True)
                marks = [any(row) for row in batch[INFILLED].to_pylist()]
                names = (batch[name].to_pylist() for name in LABELS)
                labels += itertools.starmap(Label, zip(*names, marks, strict=True))
    except (pa.ArrowException, OSError, LookupError, ValueError, OverflowError) as error:
        raise DspipeError(f"{path}: not a readable Arrow file ({error}); {MEND}") from None
    if len(labels) != parts.rows:
        raise DspipeError(f"{path}: has {len(labels)} rows instead of {parts.rows}; {MEND}")
    return labels
