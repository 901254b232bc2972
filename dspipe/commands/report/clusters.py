"""What dedup decided → sizes of clusters, the largest of them, and what went of each source."""

from __future__ import annotations

from typing import Any

from dspipe.commands.copies.clusters import list_clusters
from dspipe.commands.copies.pairs import name_place
from dspipe.commands.report.folder import Run
from dspipe.recipe import DspipeError

LARGEST = 8  # clusters that are shown
MOST_CHARACTERS = 600
FACTS = ("largest_cluster", "candidates", "compared", "verified", "capped_buckets", "bands", "rows")


def describe_clusters(run: Run) -> dict[str, Any] | None:
    distinct = run.artifacts.get("distinct")
    if distinct is None:
        return None
    facts = distinct.manifest.facts
    try:
        largest = list_clusters(distinct, LARGEST)
    except (DspipeError, OSError, ValueError, KeyError):  # evidence of another version, or damaged
        largest = []
    return {
        "facts": {name: facts[name] for name in FACTS if name in facts},
        "histogram": facts.get("clusters", {}),
        "sources": facts.get("removed", {}).get("source", {}),
        "pieces": facts.get("pieces", {}),
        "largest": [
            {
                "kept": show_kept(cluster["kept"]),
                "documents": cluster["documents"],
                "removed": cluster["removed"],
                "text": cluster["text"][:MOST_CHARACTERS] if cluster["text"] else None,
            }
            for cluster in largest
        ],
    }


def show_kept(kept: dict[str, Any] | str) -> str:
    return kept if isinstance(kept, str) else f"{kept['id']}  {name_place(kept)}"
