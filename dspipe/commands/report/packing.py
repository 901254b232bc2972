"""Packed rows → how many of which length, what is padding, and how many documents share a row."""

from __future__ import annotations

from typing import Any

from dspipe.commands.packed import open_batches, parts_by_length
from dspipe.commands.report.folder import Run
from dspipe.recipe import DspipeError
from dspipe.shards import Artifact, Part

DOCUMENT_FACTS = ("tokens", "psm", "spm", "splits", "validation")


def describe_packing(run: Run) -> dict[str, Any] | None:
    sequences = run.artifacts.get("sequences")
    if sequences is None:
        return None
    facts = sequences.manifest.facts
    lengths = []
    for length, parts in parts_by_length(sequences).items():
        known = facts.get(f"L{length}", {})
        lengths.append(
            {
                "length": length,
                "rows": known.get("rows", sum(part.rows for part in parts)),
                "bytes": sum(part.bytes for part in parts),
                **{name: known.get(name) for name in ("padding", "cut", "most_chunks", "validation_rows")},
                "documents_in_row": count_chunks(sequences, parts[0]),
                "counted_in": parts[0].file,
            }
        )
    documents = sequences.manifest.counts.out
    return {
        "documents": documents,
        **{name: facts[name] for name in DOCUMENT_FACTS if name in facts},
        "infilled": facts.get("psm", 0) + facts.get("spm", 0),
        "lengths": lengths,
    }


def count_chunks(sequences: Artifact, part: Part) -> dict[str, Any] | None:
    """Of a part, rows by how many documents they have pieces of; only where the lists begin is read."""
    import numpy as np

    try:
        batches = open_batches(sequences.folder, part)
        counts = np.concatenate([np.diff(batch["lengths"].offsets.to_numpy()) for batch in batches])
    except (DspipeError, OSError, ValueError):
        return None
    largest = int(counts.max(initial=0))
    steps = [2**power for power in range(largest.bit_length() + 1)]
    edges = [0, *(step for step in steps if step <= largest)]
    histogram = {}
    for low, high in zip(edges, [*(edge - 1 for edge in edges[1:]), largest], strict=True):
        number = int(((counts >= low) & (counts <= high)).sum())
        if number:
            histogram[str(low) if low == high else f"{low}-{high}"] = number
    return {"mean": round(float(counts.mean()), 3) if counts.size else 0.0, "histogram": histogram}
