"""A document's id → where its tokens lie: in which rows, in which form, and which steps train on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from dspipe.commands.packed import (
    check_rows,
    describe_chunk,
    held_out_parts,
    is_held_out,
    open_batches,
    parts_by_length,
)
from dspipe.shards import Artifact, Part

Row = dict[str, Any]

LABELS = ("domain", "language")  # of held-out rows


def find_chunks(run: Path, sequences: Artifact, document: str) -> list[Row]:
    """All chunks of a document, those of training rows first."""
    found: list[Row] = []
    for length, parts in parts_by_length(sequences).items():
        first = 0
        for part in parts:
            places = list(find_in_part(sequences.folder, part, document))
            found += [{**place, "number": first + place["row"], "length": length} for place in places]
            first += part.rows
    found = note_steps(run, sequences, found)
    for part in held_out_parts(sequences):
        found += [place | {"held out": True} for place in find_in_part(sequences.folder, part, document)]
    return found


def find_in_part(folder: Path, part: Part, document: str) -> Iterator[Row]:
    """The document's chunks in a part; only rows that have one become Python objects, once verified."""
    first = 0
    for batch in open_batches(folder, part):
        documents = batch["documents"]
        hits = pc.equal(pc.list_flatten(documents), document)
        for row in pc.unique(pc.filter(pc.list_parent_indices(documents), hits)).to_pylist():
            labels = {name: batch[name][row].as_py() for name in LABELS if is_held_out(part)}
            for chunk in check_rows(batch.slice(row, 1), part, first + row).chunks(0):
                if chunk["documents"] == document:
                    yield labels | {"part": part.file, "row": first + row} | describe_chunk(chunk)
        first += len(batch)


def note_steps(run: Path, sequences: Artifact, chunks: list[Row]) -> list[Row]:
    """Add the steps that train on each chunk, where the run has a training on these rows."""
    from dspipe.commands.trace.training import is_trained_on, plan_training, read_record, steps_of_rows

    record = read_record(run)
    if record is None or not is_trained_on(record, sequences):
        return chunks
    training = plan_training(record, sequences)
    steps: dict[int, list[int]] = {}
    for length in training.counts:
        mine = [number for number, chunk in enumerate(chunks) if chunk["length"] == length]
        rows = [chunks[number]["number"] for number in mine]
        steps |= dict(zip(mine, steps_of_rows(training, length, rows), strict=True))
    return [{**chunk, "steps": steps[number]} for number, chunk in enumerate(chunks)]
