"""Turns a batch of documents into its signals and the verdict on each document, and a verdict into rows to
keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.filter.domain import find_domain
from dspipe.filter.language import find_language
from dspipe.filter.rules import find_failures, list_reasons
from dspipe.filter.signals import measure_signals
from dspipe.recipe import Filter
from dspipe.schema import DOCUMENTS, REJECTED, SIGNALS

Tally = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Verdict:
    """What is decided about the documents of one batch, in their order."""

    language: Any  # Arrow strings
    domain: Any
    failures: NDArray[np.bool_]  # [documents, rules.DECLARED]

    @property
    def kept(self) -> NDArray[np.bool_]:
        return np.logical_not(self.failures.any(axis=1))

    def keep(self, batch: Any) -> Any:
        """The rows of the same batch that no rule rejects."""
        return self._fill(batch, DOCUMENTS, []).filter(pa.array(self.kept))

    def reject(self, batch: Any) -> Any:
        """The other rows, each with all its reasons."""
        return self._fill(batch, REJECTED, [list_reasons(self.failures)]).filter(pa.array(~self.kept))

    def _fill(self, batch: Any, schema: pa.Schema, more: list[Any]) -> Any:
        found = {"language": self.language, "domain": self.domain}
        columns = [found[name] if name in found else batch.column(name) for name in DOCUMENTS.names]
        return pa.record_batch(columns + more, schema)


def judge(batch: Any, settings: Filter) -> tuple[Any, Verdict]:
    """Return the `SIGNALS` of a batch of `DOCUMENTS`, and the verdict of the recipe's rules on it."""
    text = batch.column("text")
    language, margin = find_language(text, settings.language_characters)
    found = {
        "id": batch.column("id"),
        "language": language,
        "language_margin": margin,
        "domain": find_domain(batch),
        **measure_signals(text),
    }
    signals = pa.record_batch([found[name] for name in SIGNALS.names], SIGNALS)
    return signals, Verdict(language, found["domain"], find_failures(signals, settings))


def tally(verdicts: Iterable[Verdict]) -> tuple[Tally, Tally]:
    """Documents by language and by domain: of all, and of those kept."""
    seen: list[Counter[str]] = [Counter(), Counter(), Counter(), Counter()]
    for verdict in verdicts:
        kept = pa.array(verdict.kept)
        for place, column in enumerate((verdict.language, verdict.domain)):
            for offset, values in ((0, column), (2, column.filter(kept))):
                for count in values.value_counts():
                    seen[place + offset][count["values"].as_py()] += count["counts"].as_py()
    languages, domains, kept_languages, kept_domains = (dict(sorted(counter.items())) for counter in seen)
    return {"languages": languages, "domains": domains}, {
        "languages": kept_languages,
        "domains": kept_domains,
    }


def sum_tallies(tallies: Iterable[Tally]) -> Tally:
    """Add up the tallies of parts; the most frequent come first."""
    totals: dict[str, Counter[str]] = {"languages": Counter(), "domains": Counter()}
    for one in tallies:
        for name, counts in one.items():
            totals[name].update(counts)
    return {
        name: dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))
        for name, counter in totals.items()
    }
