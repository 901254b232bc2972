"""The stage: `documents` → `signals` → `filtered` with `rejected.parquet` beside it; one task a part.

Signals that were measured with the same settings are kept, so that other thresholds cost no measuring.
"""

from __future__ import annotations

from dspipe.filter.census import sum_censuses
from dspipe.filter.judging import Judge, judge_part
from dspipe.filter.lists.blocklist import check_blocklist
from dspipe.filter.measuring import Measure, compile_kernels, measure_part
from dspipe.filter.report import describe_replaced, in_order, sum_reports
from dspipe.filter.rules import FIRST_REASONS, list_rules
from dspipe.recipe import DspipeError, Filter
from dspipe.schema import REJECTED
from dspipe.shards import Artifact, Output, Piece, concatenate, open_artifact, sum_counts
from dspipe.workers import Workers


def run(settings: Filter, documents: Artifact, signals: Output, filtered: Output, workers: Workers) -> None:
    """Measure every document, if that has not been done, and keep those that no rule rejects."""
    names = [*FIRST_REASONS, *(ruled.rule.reason for ruled in list_rules(settings))]
    check_blocklist(settings)
    measured = signals.closed is not None
    if not measured:
        measure(settings, documents, signals, workers)
    pieces = judge(settings, documents, open_artifact(signals.folder), filtered, workers)
    files = [workers.scratch / "rejected" / piece.parts["filtered"][0].file for piece in pieces]
    rejected = concatenate(filtered.folder, "rejected.parquet", REJECTED, files)
    report = sum_reports([piece.facts for piece in pieces], names)
    counts = in_order(sum_counts(piece.counts for piece in pieces), names)
    filtered.close(
        [piece.parts["filtered"][0] for piece in pieces],
        counts,
        beside=[rejected],
        facts=report | {"line": [*describe_replaced(report), *(["signals reused"] if measured else [])]},
    )


def measure(settings: Filter, documents: Artifact, signals: Output, workers: Workers) -> None:
    tasks = [
        Measure(part, name(number), signals.folder, settings) for number, part in enumerate(documents.files)
    ]
    if workers.count > 1 and len(tasks) > 1:
        compile_kernels(settings)
    pieces = workers.map(measure_part, tasks)
    parts = [piece.parts["signals"][0] for piece in pieces]
    facts = dict(sum_censuses(piece.facts for piece in pieces))
    signals.close(parts, sum_counts(piece.counts for piece in pieces), facts=facts)


def judge(
    settings: Filter, documents: Artifact, signals: Artifact, filtered: Output, workers: Workers
) -> list[Piece]:
    if [part.rows for part in signals.manifest.parts] != [part.rows for part in documents.manifest.parts]:
        raise DspipeError(
            f"{signals.folder}: does not go with its documents; make it again with --rebuild extract"
        )
    rejected = workers.scratch / "rejected"
    pairs = enumerate(zip(documents.files, signals.files, strict=True))
    return workers.map(
        judge_part,
        [
            Judge(part, file, name(number), filtered.folder, rejected, settings)
            for number, (part, file) in pairs
        ],
    )


def name(number: int) -> str:
    return f"part-{number:05d}.parquet"
