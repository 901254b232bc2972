"""Settings of dedup → the bytes of disk that it needs for each document, by what they are for.

Texts are not counted: `distinct` takes as much again as what stays of `filtered`. Nor are the sets of
shingles of documents in pairs of candidates: these take about one and a half times the bytes of their texts,
until the stage is done.
"""

from __future__ import annotations

from dspipe.dedup.curve import find_bands
from dspipe.recipe import Dedup

ROW = 4  # a document's number, behind each key that is sorted
BAND_HASH = 8
KEY = 16  # of the folded text, or of the URL
ID = 16
MINIMUM = 4  # of a permutation
PLACE = 39  # source, quality, length, date and id: what the order is found by
LEDGER = 74  # what the steps tell each other of a document
COUNTS = 13  # how many shingles, which group, what its text needs
LASTING = "index"  # the one that stays, for later runs


def disk_per_document(settings: Dedup) -> dict[str, int]:
    """Bytes for each document, by what they are for; all but the index are free when the stage is done.

    >>> disk_per_document(Dedup(similarity=0.8))
    {'signatures': 144, 'bands': 108, 'keys': 36, 'order': 43, 'ledger': 103, 'index': 176}
    """
    bands, rows = find_bands(settings)
    urls = {"URLs": KEY + ROW} if settings.urls else {}
    return {
        "signatures": MINIMUM * bands * rows,
        "bands": (BAND_HASH + ROW) * bands,
        "keys": KEY + KEY + ROW,
        **urls,
        "order": PLACE + ROW,
        "ledger": LEDGER + COUNTS + ID,
        LASTING: ID + KEY + MINIMUM * bands * rows,
    }
