"""The ledger → what the manifest says of a deduplication, and the refusal of one that removes too much."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dspipe.dedup.copies.find import Found
from dspipe.dedup.copies.ledger import Ledger, pieces
from dspipe.dedup.curve import find_bands
from dspipe.dedup.keeping import read_fates
from dspipe.dedup.report import (
    MOST_SAMPLES,
    Cluster,
    Clusters,
    check_limits,
    count_removed,
    describe_clusters,
    find_excesses,
    sum_removed,
)
from dspipe.recipe import Dedup
from dspipe.shards import read_rows
from dspipe.text.arrow import list_strings
from dspipe.text.hashing import format_ids

SHOWN = ["id", "source", "url", "text"]


def account(
    settings: Dedup, ledger: Ledger, found: Found, texts: Sequence[tuple[Path, Path | None]]
) -> dict[str, Any]:
    """The facts of what has been decided.

    Raises:
        DspipeError: more goes than the recipe allows.
    """
    clusters = describe_clusters(ledger.open("kept"))
    bands, rows = find_bands(settings)
    ids = format_ids(ledger.find_ids(np.array([rank for rank, _ in clusters.largest], np.int64))).to_pylist()
    facts: dict[str, Any] = {
        "bands": bands,
        "rows": rows,
        "largest_cluster": clusters.most,
        "clusters": clusters.histogram,
        "largest": [
            {"kept": id_, "documents": size} for id_, (_, size) in zip(ids, clusters.largest, strict=True)
        ],
        "removed": sum_removed(count_part(ledger, part) for part in range(len(ledger.signed))),
        **msgspec.to_builtins(found),
        **({"against": settings.against} if settings.against else {}),
    }
    excesses = list(find_excesses(settings, facts))
    check_limits(settings, facts, show_clusters(ledger, clusters, texts) if excesses else [])
    return facts


def count_part(ledger: Ledger, part: int) -> dict[str, dict[str, dict[str, int]]]:
    """How many documents of a part there are of each source, domain and language, and how many go."""
    signed = ledger.signed[part]
    if not signed.groups:  # of an earlier run
        return {}
    return count_removed(signed.groups, signed.read(ledger.folder, "groups"), ~read_fates(ledger, part).stays)


def show_clusters(
    ledger: Ledger, clusters: Clusters, texts: Sequence[tuple[Path, Path | None]]
) -> list[Cluster]:
    """The largest clusters, with the beginnings of the text that is kept and of some that go."""
    kept = ledger.open("kept")
    members: dict[int, list[int]] = {rank: [rank] for rank, _ in clusters.largest}
    wanted = np.array(list(members))
    for piece in pieces(ledger.count):
        for rank in (np.flatnonzero(np.isin(kept[piece], wanted)) + piece.start).tolist():
            own = members[int(kept[rank])]
            if rank != own[0] and len(own) <= MOST_SAMPLES:
                own.append(rank)
    shown = []
    for rank, size in clusters.largest:
        rows = [read_row(ledger, member, texts) for member in members[rank]]
        shown.append(Cluster(rows[0]["id"], size, rows))
    return shown


def read_row(ledger: Ledger, rank: int, texts: Sequence[tuple[Path, Path | None]]) -> dict[str, Any]:
    """One document; of one of an earlier run the id alone is known here."""
    part, row = ledger.locate(int(ledger.open("document")[rank]))
    file, index = texts[part]
    if index is not None:
        [known] = format_ids(ledger.find_ids(np.array([rank]))).to_pylist()
        return {"id": known, "source": "(an earlier run)", "url": None, "text": ""}
    one = np.array([row])
    shown = {name: list_strings(values)[0] for name in SHOWN for _, values in read_rows(file, name, one)}
    return {**shown, "text": shown["text"] or ""}
