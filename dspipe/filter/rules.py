"""Turns signal columns into verdicts: which rules each document fails, for named sets of published
thresholds.

A rule is a bound on one column of `schema.SIGNALS`, so a verdict can be explained from the row alone and
another threshold needs no second look at the text. Sources: Gopher (Rae et al. 2021, A.1.1), C4 (Raffel et
al. 2020, 2.2; page-level rules), FineWeb (Penedo et al. 2024, 3.6; the three rules it adds), DeepSeek-Coder
(Guo et al. 2024, 2.1). The set `math` is ours: it only drops fragments and repetition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.recipe import NON_NATURAL, Filter
from dspipe.shards import Counts

# Written without spaces, so that a "word" is one character (text.words).
SPACELESS = ("zh", "yue", "wuu", "ja", "th", "lo", "km", "my", "bo", "dz")
# Of these, the ones that do not mark where a sentence ends.
UNPUNCTUATED = ("th", "lo")


@dataclass(frozen=True)
class Rule:
    """A document whose `column` is below `minimum` or above `maximum` is rejected for `reason`.

    The rule holds for documents in `languages` only (None: all), and for none in `exempt`.
    """

    reason: str
    column: str
    minimum: float | None = None
    maximum: float | None = None
    languages: tuple[str, ...] | None = None
    exempt: tuple[str, ...] = ()


LANGUAGE = Rule("language", "language")  # the recipe's list is its bound; see `find_unwanted`

RULES: Mapping[str, tuple[Rule, ...]] = {
    "none": (),
    "gopher": (
        Rule("gopher-words", "words", 50, 100_000),
        Rule("gopher-word-length", "mean_word_length", 3, 10, exempt=SPACELESS),
        Rule("gopher-symbols", "symbol_ratio", maximum=0.1),
        Rule("gopher-bullets", "bullet_lines", maximum=0.9),
        Rule("gopher-ellipses", "ellipsis_lines", maximum=0.3),
        Rule("gopher-alphabetic", "alphabetic_words", minimum=0.8),
        Rule("gopher-stop-words", "stop_words", minimum=2, languages=("en",)),
    ),
    "c4": (
        Rule("c4-curly-bracket", "curly_brackets", maximum=0),
        Rule("c4-lorem-ipsum", "lorem_ipsum", maximum=0),
        Rule("c4-sentences", "sentences", minimum=5, exempt=UNPUNCTUATED),
    ),
    "fineweb": (
        Rule("fineweb-ended-lines", "ended_lines", minimum=0.12, exempt=UNPUNCTUATED),
        Rule("fineweb-short-lines", "short_lines", maximum=0.67),
        Rule("fineweb-duplicate-lines", "duplicate_lines", maximum=0.01),
    ),
    "code": (
        Rule("code-mean-line", "mean_line_length", maximum=100),
        Rule("code-longest-line", "longest_line", maximum=1000),
        Rule("code-alphabetic", "alphabetic_characters", minimum=0.25),
    ),
    "math": (
        Rule("math-words", "words", minimum=20),
        Rule("math-duplicate-lines", "duplicate_lines", maximum=0.3),
    ),
}

DECLARED = (LANGUAGE, *(rule for rules in RULES.values() for rule in rules))
REASONS = pa.array([rule.reason for rule in DECLARED], pa.string())


def choose_rule_set(domain: str, settings: Filter) -> str:
    """The set that holds for a domain.

    One name holds for natural language, and code and math keep their own; "none" asks for no rules at all.
    A table names domains, and those that it does not name have none.
    """
    if isinstance(settings.rules, dict):
        return settings.rules.get(domain, "none")
    if settings.rules != "none" and domain in NON_NATURAL:
        return domain
    return settings.rules


def find_failures(signals: Any, settings: Filter) -> NDArray[np.bool_]:
    """bool[documents, rules in declared order]: True where a row of a batch of `SIGNALS` fails a rule."""
    failures = np.zeros((signals.num_rows, len(DECLARED)), bool)
    failures[:, 0] = find_unwanted(signals, settings.languages)
    for domain in pc.unique(signals.column("domain")).to_pylist():
        chosen = RULES[choose_rule_set(domain, settings)]
        here = to_mask(pc.equal(signals.column("domain"), domain))
        for number, rule in enumerate(DECLARED):
            if rule in chosen:
                failures[:, number] |= here & find_violations(signals, rule)
    return failures


def find_unwanted(signals: Any, languages: Sequence[str] | None) -> NDArray[np.bool_]:
    """Natural-language documents in a language that the recipe does not list."""
    if languages is None:
        return np.zeros(signals.num_rows, bool)
    listed = is_among(signals.column("language"), languages)
    return ~listed & ~is_among(signals.column("domain"), NON_NATURAL)


def find_violations(signals: Any, rule: Rule) -> NDArray[np.bool_]:
    """Where a rule's bounds are broken, whatever the domain; compared in the column's own precision."""
    values = signals.column(rule.column)
    values = np.asarray(values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values)
    broken = np.zeros(values.size, bool)
    if rule.minimum is not None:
        broken |= values < values.dtype.type(rule.minimum)
    if rule.maximum is not None:
        broken |= values > values.dtype.type(rule.maximum)
    if rule.languages is not None:
        broken &= is_among(signals.column("language"), rule.languages)
    if rule.exempt:
        broken &= ~is_among(signals.column("language"), rule.exempt)
    return broken


def list_reasons(failures: NDArray[np.bool_]) -> Any:
    """list<string>: all reasons of each document, in declared order."""
    offsets = np.concatenate([[0], np.cumsum(failures.sum(1))])
    reasons = REASONS.take(pa.array(np.nonzero(failures)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), reasons)


def count_reasons(failures: NDArray[np.bool_]) -> dict[str, int]:
    """Documents by the first reason of each, in declared order, those without a reason left out."""
    first = failures[failures.any(1)].argmax(1)
    totals = np.bincount(first, minlength=len(DECLARED))
    return {rule.reason: int(total) for rule, total in zip(DECLARED, totals, strict=True) if total}


def in_declared_order(counts: Counts) -> Counts:
    """The same counts with the reasons in the order of the rules, whichever part had a reason first."""
    dropped = {rule.reason: counts.dropped[rule.reason] for rule in DECLARED if rule.reason in counts.dropped}
    return msgspec.structs.replace(counts, dropped=dropped)


def is_among(column: Any, values: Sequence[str]) -> NDArray[np.bool_]:
    return to_mask(pc.is_in(column, pa.array(values, pa.string())))


def to_mask(column: Any) -> NDArray[np.bool_]:
    return np.asarray(column.fill_null(False), bool)
