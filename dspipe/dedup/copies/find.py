"""Signed parts → the ledger in which every document's fate is written, step after step, all on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from dspipe.dedup.copies.candidates import RELATIONS, Paired, Pairing, find_pairs, mark_roles
from dspipe.dedup.copies.decisions import decide
from dspipe.dedup.copies.exact import (
    Matching,
    mark_exact_copies,
    mark_removed_before,
    match_keys,
    share_fates,
)
from dspipe.dedup.copies.ledger import NEAR, STAYS, Ledger, pieces
from dspipe.dedup.copies.ranking import rank
from dspipe.dedup.copies.sets import Setting, lay_out, note_places, set_part
from dspipe.dedup.copies.verification import Verified, Verifying, verify_pairs
from dspipe.dedup.runs import Run, divide
from dspipe.dedup.signatures.chunks import BAND_RUN, EXACT_RUN, ID_RUN
from dspipe.recipe import Dedup
from dspipe.workers import Workers

BYTES_OF_PAIRS = 16 << 20


class Found(Struct, frozen=True):
    """What there was to do."""

    candidates: int = 0  # pairs, each once however many bands it shares
    compared: int = 0
    verified: int = 0  # pairs that are similar enough
    capped_buckets: int = 0
    largest_bucket: int = 0


def find_copies(
    settings: Dedup, ledger: Ledger, texts: Sequence[tuple[Path, Path | None]], workers: Workers
) -> Found:
    """Decide about every document.

    texts: of each part of the ledger its file, and of a part of an earlier run its index.
    """
    rank(ledger)
    begin(ledger)
    if not settings.urls:
        find_exact(ledger, workers)
    runs, paired = pair(settings, ledger, workers)
    mark_roles(ledger, runs)
    write_sets(settings, ledger, texts, workers)
    verified = verify(settings, ledger, runs, workers)
    share_fates(ledger)
    return Found(
        sum(one.candidates for one in verified),
        sum(one.compared for one in verified),
        sum(one.links for one in verified),
        sum(one.capped for one in paired),
        max((one.largest for one in paired), default=0),
    )


def begin(ledger: Ledger) -> None:
    """At first every document stays; what earlier runs removed keeps the figures that it went with."""
    kept = ledger.make("kept")
    for piece in pieces(ledger.count):
        kept[piece] = np.arange(piece.start, piece.stop)
    kind = ledger.make("kind")
    columns = {name: ledger.make(name, 1.0) for name in ("jaccard", "containment")}
    high, low = ledger.make("id_high"), ledger.make("id_low")
    for number, signed in enumerate(ledger.signed):
        if not signed.rows:
            continue
        rows = slice(ledger.starts[number], ledger.starts[number + 1])
        high[rows], low[rows] = signed.read(ledger.folder, "ids").T
        if rows.start < ledger.earlier:
            ranks = ledger.ranks_of(number)
            kind[ranks] = np.where(signed.read(ledger.folder, "removed"), NEAR, STAYS)
            for name, column in columns.items():
                column[ranks] = signed.read(ledger.folder, name)


def find_exact(ledger: Ledger, workers: Workers) -> None:
    """Set exact copies aside: their sets of shingles are equal, so what one goes for, all go for.

    Where documents go for their URL, too, that is not so: what goes for its URL need not be like what stays.
    There exact copies are pairs among others.
    """
    tasks = [
        Matching(wanted, ledger, name, Run(ledger.folder, f"{name}-{number:05d}"))
        for name in (ID_RUN, EXACT_RUN)
        for number, wanted in enumerate(divide(ledger.list_runs(name)[1]))
    ]
    workers.map(match_keys, tasks)
    mark_removed_before(ledger, [task.out for task in tasks if task.name == ID_RUN])
    mark_exact_copies(ledger, [task.out for task in tasks if task.name == EXACT_RUN])


def pair(settings: Dedup, ledger: Ledger, workers: Workers) -> tuple[list[Run], list[Paired]]:
    """The runs of pairs; those of equal texts and URLs among them, where URLs count."""
    tasks: list[Pairing] = []
    for name in RELATIONS if settings.urls else (BAND_RUN,):
        _, runs = ledger.list_runs(name)
        for wanted in divide(runs):
            tasks.append(Pairing(wanted, ledger, name, len(tasks)))
    paired = workers.map(find_pairs, tasks)
    runs = [task.out(run) for task, one in zip(tasks, paired, strict=True) for run in range(one.runs)]
    return runs, paired


def write_sets(
    settings: Dedup, ledger: Ledger, texts: Sequence[tuple[Path, Path | None]], workers: Workers
) -> None:
    places = lay_out(ledger)
    tasks = [
        Setting(number, part, index, places[number], settings, ledger)
        for number, (part, index) in enumerate(texts)
        if places[number + 1] > places[number]
    ]
    workers.map(set_part, tasks)
    note_places(ledger, [task.number for task in tasks])


def verify(settings: Dedup, ledger: Ledger, runs: Sequence[Run], workers: Workers) -> list[Verified]:
    """Compare the pairs, and decide."""
    tasks = [
        Verifying(wanted, runs, settings, ledger, ledger.folder / f"links-{number:05d}.npy")
        for number, wanted in enumerate(divide(runs, BYTES_OF_PAIRS))
    ]
    verified = workers.map(verify_pairs, tasks)
    decide(ledger, [task.out for task in tasks])
    return verified
