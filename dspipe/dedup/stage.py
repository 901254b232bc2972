"""The stage: `filtered` → `distinct` without copies, with the evidence, and the index of all, beside it."""

from __future__ import annotations

from dspipe.dedup.account import account
from dspipe.dedup.copies.find import find_copies
from dspipe.dedup.copies.ledger import make_ledger
from dspipe.dedup.keeping import Keeping, keep_part
from dspipe.dedup.pieces import find_pieces
from dspipe.dedup.report import sum_pieces
from dspipe.dedup.signatures.earlier import Reopening, list_parts, reopen_part
from dspipe.dedup.signatures.part import Signing, compile_kernels, sign_part
from dspipe.recipe import Dedup, DspipeError
from dspipe.schema import REMOVED
from dspipe.shards import Artifact, Output, concatenate, sum_counts
from dspipe.workers import Workers


def run(settings: Dedup, filtered: Artifact, distinct: Output, workers: Workers) -> None:
    """Sign all documents, decide about them together, and write those that stay."""
    if not filtered.rows:
        raise DspipeError("dedup: filter kept no document; `dspipe inspect` its artifact for the reasons")
    earlier = list_parts(settings)
    texts = [*((part.file, part.index) for part in earlier), *((file, None) for file in filtered.files)]
    old = [Reopening(*pair, settings, workers.scratch) for pair in enumerate(earlier)]
    new = [Signing(*pair, settings, workers.scratch) for pair in enumerate(filtered.files)]
    if workers.count > 1:
        compile_kernels(settings)
    signed = [*workers.map(reopen_part, old), *workers.map(sign_part, new)]
    ledger = make_ledger(workers.scratch, signed, len(earlier))
    facts = account(settings, ledger, find_copies(settings, ledger, texts, workers), texts)
    cuts = find_pieces(settings, ledger, filtered.files, workers)
    tasks = [
        Keeping(number, len(earlier) + number, file, ledger, cuts[number], distinct.folder)
        for number, file in enumerate(filtered.files)
    ]
    pieces = workers.map(keep_part, tasks)
    removed = concatenate(distinct.folder, "removed.parquet", REMOVED, [task.evidence for task in tasks])
    parts = [piece.parts["distinct"] for piece in pieces]
    facts |= {"pieces": sum_pieces(piece.facts for piece in pieces)} if any(cuts) else {}
    facts["line"] = [f"largest cluster {facts['largest_cluster']:,}"]
    distinct.close(
        [part for part, _ in parts],
        sum_counts(piece.counts for piece in pieces),
        [removed, *(index for _, index in parts)],
        facts,
    )
