"""The evidence of dedup → the largest clusters: which document is kept, and how many went in its favour."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dspipe.commands.copies.evidence import find_documents, open_distinct
from dspipe.commands.copies.pairs import (
    COPIES,
    MOST_CHARACTERS,
    NOT_AT_HAND,
    decode,
    name_place,
    place_document,
)
from dspipe.commands.lookup import Row
from dspipe.commands.terminal import WIDTH, plain, print_json, print_tree, show_lines
from dspipe.shards import Artifact, read_batches

if TYPE_CHECKING:
    import pyarrow as pa

LINES = 4  # of a text that are shown


def show_clusters(folder: Path, most: int, as_json: bool) -> None:
    """Print the largest clusters of a `distinct`.

    Raises:
        RecipeError: the folder holds something else.
    """
    distinct = open_distinct(folder, "--clusters")
    facts = distinct.manifest.facts
    content: dict[str, Any] = {key: facts[key] for key in ("largest_cluster", "clusters") if key in facts}
    largest = list_clusters(distinct, most)
    if as_json:
        return print_json(content | {"largest": largest})
    print_tree(content)
    for number, cluster in enumerate(largest):
        print_cluster(number, cluster)


def list_clusters(distinct: Artifact, most: int) -> list[Row]:
    """The largest clusters with the kept document's place, the beginning of its text, and copies by kind."""
    counted = count_clusters(distinct.folder / "removed.parquet", most)
    documents = find_documents(distinct, counted) if counted else {}
    clusters = []
    for kept, kinds in counted.items():
        document = documents.get(kept, {"id": kept})
        text = (
            decode(document["text"][: 4 * MOST_CHARACTERS])[:MOST_CHARACTERS] if "text" in document else None
        )
        size = 1 + kinds.total()
        clusters.append(
            {"kept": place_document(document), "documents": size, "removed": dict(kinds), "text": text}
        )
    return clusters


def count_clusters(file: Path, most: int) -> dict[str, Counter[str]]:
    """The documents with the most copies, and these by kind; eight bytes for each copy are in memory."""
    import numpy as np
    import pyarrow.compute as pc

    from dspipe.text.hashing import parse_ids

    halves = [
        parse_ids(batch["kept"])[:, 0] for batch in map(drop_pieces, read_batches(file, ["kept", "kind"]))
    ]
    keys, sizes = (
        np.unique(np.concatenate(halves), return_counts=True) if halves else (np.empty(0), np.empty(0))
    )
    wanted = keys[np.lexsort((keys, -sizes))[:most]]
    found: dict[str, Counter[str]] = {}
    for batch in map(drop_pieces, read_batches(file, ["kept", "kind"])):
        rows = np.flatnonzero(np.isin(parse_ids(batch["kept"])[:, 0], wanted))
        for kept, kind in zip(
            *(pc.take(batch[name], rows).to_pylist() for name in ("kept", "kind")), strict=True
        ):
            found.setdefault(kept, Counter())[kind] += 1
    return dict(sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))[:most])


def drop_pieces(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Without the rows of documents that have only lost a piece."""
    import pyarrow.compute as pc

    return batch.filter(pc.field("kind").isin(list(COPIES.values())))


def print_cluster(number: int, cluster: Row) -> None:
    kept = cluster["kept"] if isinstance(cluster["kept"], dict) else {"id": cluster["kept"]}
    kinds = ", ".join(f"{plain(kind)} {count:,}" for kind, count in sorted(cluster["removed"].items()))
    click.echo(f"\ncluster {number}: {cluster['documents']:,} documents, of which went: {kinds}")
    click.echo(f"  kept {plain(kept['id'])}  {plain(name_place(kept))}")
    if cluster["text"] is None:
        click.echo(f"  {NOT_AT_HAND}")
        return
    lines = [line for line in show_lines(cluster["text"]).split("\n") if line.strip()]
    for line in lines[:LINES]:
        click.echo(f"       | {line[:WIDTH]}{'…' if len(line) > WIDTH else ''}")
