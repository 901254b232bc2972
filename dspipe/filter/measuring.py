"""Turns one part of `documents` into its part of `signals`: every column of every document, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.filter.census import Census, count_documents, sum_censuses
from dspipe.filter.domains.extension import find_extension
from dspipe.filter.domains.find import find_domain
from dspipe.filter.domains.markup import measure_markup
from dspipe.filter.languages.find import find_languages
from dspipe.filter.private.findings import count_private
from dspipe.filter.quality.signals import measure_signals
from dspipe.recipe import Filter
from dspipe.schema import DOCUMENTS, SIGNALS
from dspipe.shards import Counts, Piece, read_batches, write_parquet

READ = ["id", "text", "source_id", "url", "domain", "origin"]


class Measure(Struct, frozen=True):
    """One part of `documents`, and where its signals go."""

    part: Path
    file: str
    signals: Path
    settings: Filter


def measure_part(task: Measure) -> Piece:
    """Write the signals of one part; the facts are its census."""
    censuses: list[Census] = []
    part = write_parquet(task.signals, task.file, SIGNALS, measure_batches(task, censuses))
    return Piece({"signals": [part]}, Counts(part.rows, part.rows), dict(sum_censuses(censuses)))


def measure_batches(task: Measure, censuses: list[Census]) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(task.part, READ):
        signals = measure_batch(batch, task.settings)
        censuses.append(count_documents(signals))
        yield signals


def measure_batch(batch: Any, settings: Filter) -> Any:
    """The `SIGNALS` of a batch of `DOCUMENTS`."""
    texts = batch.column("text")
    languages, domain, extension = find_languages(texts, settings), find_domain(batch), find_extension(batch)
    files = pc.if_else(pc.equal(domain, "code"), extension, None)  # a page's address ends in .html, too
    columns: dict[str, Any] = {
        "id": batch.column("id"),
        **languages,
        "domain": domain,
        "extension": extension,
        **measure_signals(texts, languages["language"]),
        **measure_markup(texts, files),
        **count_private(texts),
    }
    return pa.record_batch([columns[name] for name in SIGNALS.names], SIGNALS)


def compile_kernels(settings: Filter) -> None:
    """Compile, and unpack the language model, here and not in every worker."""
    measure_batch(pa.RecordBatch.from_pylist([{"id": "", "text": "a"}], DOCUMENTS), settings)
