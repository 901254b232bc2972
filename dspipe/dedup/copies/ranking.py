"""Runs of documents' places in the order of survivors → the rank of every document."""

from __future__ import annotations

import numpy as np

from dspipe.dedup.copies.ledger import Ledger
from dspipe.dedup.runs import divide, gather
from dspipe.dedup.signatures.chunks import PLACE_RUN

BYTES_IN_RANGE = 32 << 20


def rank(ledger: Ledger) -> None:
    """Number all documents, the best first, a range of places at a time."""
    ranks, document = ledger.make("rank"), ledger.make("document")
    parts, runs = ledger.list_runs(PLACE_RUN)
    starts = np.asarray(ledger.starts)[parts]
    done = 0
    for wanted in divide(runs, BYTES_IN_RANGE):
        slices = gather(runs, wanted)
        places = np.concatenate([piece.keys for piece in slices])
        found = np.concatenate([starts[piece.run] + piece.values.astype(np.int64) for piece in slices])
        ordered = found[np.argsort(places, kind="stable")]
        document[done : done + len(ordered)] = ordered
        ranks[ordered] = np.arange(done, done + len(ordered))
        done += len(ordered)
