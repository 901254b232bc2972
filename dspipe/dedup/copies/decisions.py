"""Links, in the order of rank → which document stays, and which goes in favour of which.

Documents are taken from the best to the worst. One that is linked to a document that stays goes in favour of
the best such; else it stays. So none goes because of a chain of others: it is like one that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dspipe.dedup.copies.ledger import Ledger
from dspipe.shards import open_array
from dspipe.text.kernel import kernel


def decide(ledger: Ledger, files: Sequence[Path]) -> None:
    """files: of links, in the order of the worse documents' ranks."""
    columns = [ledger.open(name, write=True) for name in ("kept", "kind", "jaccard", "containment")]
    for file in files:
        take_links(open_array(file), *columns)


@kernel
def take_links(links, kept, kind, jaccard, containment):  # type: ignore[no-untyped-def]
    for place in range(links.size):
        link = links[place]
        worse, better = link.worse, link.better
        if kept[worse] == worse and kept[better] == better:
            kept[worse], kind[worse] = better, link.kind
            jaccard[worse], containment[worse] = link.jaccard, link.containment
