"""Pieces of texts that repeat elsewhere, as `strings/` finds them → the texts without, and the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.dedup.copies.ledger import STAYS, Ledger
from dspipe.dedup.signatures.part import GROUP
from dspipe.dedup.strings.cuts import Standing, find_cuts
from dspipe.dedup.strings.removal import Cuts, cut_texts, cuts_of_rows
from dspipe.recipe import NON_NATURAL, Dedup
from dspipe.schema import REMOVED
from dspipe.shards import write_array
from dspipe.text.hashing import format_ids
from dspipe.workers import Workers

DOMAIN = GROUP.index("domain")
PIECES = ("line", "substring")  # kinds of cuts, by their numbers


def find_pieces(
    settings: Dedup, ledger: Ledger, files: Sequence[Path], workers: Workers
) -> list[Path] | list[None]:
    """For each file, which are the last parts of the ledger, what is to be cut out of its documents.

    Code and mathematics take no part: a program without the function that another has, too, is none.
    """
    if settings.lines is None and settings.substrings is None:
        return [None] * len(files)
    standing = []
    for part, file in enumerate(files, len(ledger.signed) - len(files)):
        ranks = np.array(ledger.ranks_of(part))
        formal = np.array([group[DOMAIN] in NON_NATURAL for group in ledger.signed[part].groups], bool)
        left_out = ledger.open("kind")[ranks] != STAYS
        if len(ranks):
            left_out |= formal[ledger.signed[part].read(ledger.folder, "groups")]
        ranks[left_out] = -1
        path = ledger.folder / f"standing-{part:05d}.npy"
        write_array(path, ranks)
        standing.append(Standing(file, path))
    return find_cuts(settings, standing, ledger.folder / "strings", workers)


def cut_batch(batch: pa.RecordBatch, cuts: Cuts, first: int) -> tuple[pa.RecordBatch, npt.NDArray[np.bool_]]:
    """Documents without their cuts, and which of them have nothing left by that; first: row of the part."""
    emptied = np.zeros(len(batch), bool)
    own = cuts_of_rows(cuts, first, len(batch))
    if not len(own):
        return batch, emptied
    texts, rows = cut_texts(batch["text"], cuts, first), np.unique(own["row"]).astype(np.int64) - first
    left = pc.utf8_length(pc.ascii_trim_whitespace(texts.take(pa.array(rows))))
    emptied[rows] = left.to_numpy(zero_copy_only=False) == 0
    number = batch.schema.get_field_index("text")
    return batch.set_column(number, batch.schema.field(number), texts), emptied


def describe_cuts(ledger: Ledger, part: int, cuts: Cuts) -> pa.RecordBatch:
    """The evidence: one row for each piece that a document has lost."""
    own = np.array(ledger.ranks_of(part))[cuts["row"].astype(np.int64)]
    figures = [pa.nulls(len(cuts), pa.float64())] * 2
    columns = [
        format_ids(ledger.find_ids(own)),
        format_ids(ledger.find_ids(cuts["keeper"])),
        pa.array(PIECES).take(pa.array(cuts["kind"])),
        *figures,
        pa.array(cuts["start"]),
        pa.array(cuts["end"] - cuts["start"]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=REMOVED)


def count_pieces(cuts: Cuts) -> dict[str, dict[str, int]]:
    """Of each kind of piece: in how many documents, how many, and how many bytes."""
    counted = {}
    for kind, name in enumerate(PIECES):
        own = cuts[cuts["kind"] == kind]
        size = int((own["end"] - own["start"]).sum())
        counted[name] = {"documents": len(np.unique(own["row"])), "pieces": len(own), "bytes": size}
    return counted
