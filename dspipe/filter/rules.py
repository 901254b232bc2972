"""Turns signal columns into verdicts: the rules in force, and which of them each document fails.

A rule is a bound on one column, so a verdict can be explained from the row of signals alone, and another
threshold needs no second look at the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.rulesets import KNOWN, RULE_SETS, Rule
from dspipe.recipe import NON_NATURAL, Bound, Filter, RecipeError, Threshold
from dspipe.schema import SIGNALS

Mask = NDArray[np.bool_]

# What is not a bound on a signal, in the order in which it counts, before all rules.
LANGUAGE, HOST, URL, WORD, LICENSE = "language", "blocked-host", "blocked-url", "blocked-word", "license"
FIRST_REASONS = (LANGUAGE, HOST, URL, WORD, LICENSE)


@dataclass(frozen=True)
class Ruled:
    """A rule as it is in force: in which domains, and with which bounds for which languages."""

    rule: Rule
    sets: tuple[str, ...] = ()  # it holds in domains that have one of these sets
    domains: tuple[str, ...] | None = None  # of a rule of the recipe's own; None: natural language
    languages: Mapping[str, Bound] | None = None
    everywhere: bool = False  # of no rule, but of a signal that is looked at

    def holds_in(self, domain: str, settings: Filter) -> bool:
        if self.everywhere:
            return True
        if self.sets:
            return any(name in self.sets for name in choose_rule_sets(domain, settings))
        return domain not in NON_NATURAL if self.domains is None else domain in self.domains


def list_rules(settings: Filter) -> list[Ruled]:
    """The rules in force, in declared order: those of the named sets, then the recipe's own.

    Raises:
        RecipeError: a threshold names neither a rule nor a column.
    """
    rules: dict[str, Ruled] = {}
    for name, members in RULE_SETS.items():
        for rule in members:
            sets = (*rules[rule.reason].sets, name) if rule.reason in rules else (name,)
            rules[rule.reason] = Ruled(rule, sets)
    for name, threshold in settings.thresholds.items():
        rules[name] = change(rules[name], threshold, name) if name in KNOWN else make_own(name, threshold)
    off = {name for name, threshold in settings.thresholds.items() if threshold.off}
    return [ruled for name, ruled in rules.items() if name not in off]


def check_columns(settings: Filter) -> None:
    """Refuse rules and columns that do not exist.

    Raises:
        RecipeError: one sentence with the key.
    """
    list_rules(settings)
    if settings.quality is not None and settings.quality not in list_columns():
        raise missing_column("quality", settings.quality)


def list_columns() -> list[str]:
    """The signals that are numbers."""
    return [field.name for field in SIGNALS if is_number(field.type)]


def missing_column(key: str, column: str) -> RecipeError:
    listed = ", ".join(list_columns())
    return RecipeError(f"filter.{key}: there is no signal {column} that is a number; there are: {listed}")


def change(ruled: Ruled, threshold: Threshold, name: str) -> Ruled:
    """A published rule with the recipe's bounds in place of its own."""
    if threshold.column is not None or threshold.domains is not None:
        raise RecipeError(
            f"filter.thresholds.{name}: is a rule that exists, on {ruled.rule.column}; leave out column and "
            "domains, or give your own rule another name"
        )
    bounds = {
        side: bound for side in ("minimum", "maximum") if (bound := getattr(threshold, side)) is not None
    }
    return replace(ruled, rule=replace(ruled.rule, **bounds), languages=threshold.languages)


def make_own(name: str, threshold: Threshold) -> Ruled:
    """A rule of the recipe's own."""
    if threshold.column is None:
        raise RecipeError(
            f"filter.thresholds.{name}: there is no such rule; name the column of a rule of your own, or one "
            f"of: {', '.join(KNOWN)}"
        )
    if threshold.column not in list_columns():
        raise missing_column(f"thresholds.{name}.column", threshold.column)
    if name in FIRST_REASONS:
        raise RecipeError(f"filter.thresholds.{name}: is a reason that exists; give your rule another name")
    bounded = [threshold, *threshold.languages.values()]
    if all(bound.minimum is None and bound.maximum is None for bound in bounded):
        raise RecipeError(f"filter.thresholds.{name}: has no bound; give it a minimum or a maximum")
    rule = Rule(name, threshold.column, threshold.minimum, threshold.maximum)
    domains = None if threshold.domains is None else tuple(threshold.domains)
    return Ruled(rule, domains=domains, languages=threshold.languages)


def is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def choose_rule_sets(domain: str, settings: Filter) -> list[str]:
    """The sets that hold for a domain.

    One name, or several, hold for natural language, and code and math keep their own; "none" asks for no
    rules at all. A table names domains, and those that it does not name have none.
    """
    rules: Any = settings.rules
    if isinstance(rules, Mapping):
        rules = rules.get(domain, "none")
    elif rules not in ("none", ["none"]) and domain in NON_NATURAL:
        rules = domain
    return [rules] if isinstance(rules, str) else list(rules)


def find_failures(signals: Any, settings: Filter, rules: Sequence[Ruled]) -> Mask:
    """bool[documents, rules]: True where a row of a batch of `SIGNALS` fails a rule."""
    failures = np.zeros((signals.num_rows, len(rules)), bool)
    for number, ruled in enumerate(rules):
        held = find_held(signals, ruled, settings)
        if held.any():
            failures[:, number] = held & find_violations(signals, ruled)
    return failures


def find_held(signals: Any, ruled: Ruled, settings: Filter) -> Mask:
    """The documents that a rule is for: by domain, language and kind of file."""
    rule, domains = ruled.rule, pc.unique(signals.column("domain")).to_pylist()
    held = is_among(
        signals.column("domain"), [domain for domain in domains if ruled.holds_in(domain, settings)]
    )
    if rule.languages:
        held &= is_among(signals.column("language"), (*rule.languages, *(ruled.languages or {})))
    exempt = [language for language in rule.exempt if language not in (ruled.languages or {})]
    if exempt:
        held &= ~is_among(signals.column("language"), exempt)
    if rule.extensions:
        held &= is_among(signals.column("extension"), rule.extensions)
    if rule.exempt_extensions:
        held &= ~is_among(signals.column("extension"), rule.exempt_extensions)
    return held


def find_violations(signals: Any, ruled: Ruled) -> Mask:
    """Where a rule's bounds are broken, whoever it is for; compared in the column's own precision."""
    values, languages = read_values(signals, ruled.rule.column), ruled.languages or {}
    broken = breaks(values, ruled.rule)
    for language, bound in languages.items():
        here = is_among(signals.column("language"), [language])
        broken = np.where(here, breaks(values, inherit(bound, ruled.rule)), broken)
    return broken


def inherit(bound: Bound, rule: Rule) -> Bound:
    """A language's bounds; on the side where it has none, the rule's."""
    minimum, maximum = bound.minimum, bound.maximum
    return Bound(
        minimum=rule.minimum if minimum is None else minimum,
        maximum=rule.maximum if maximum is None else maximum,
    )


def read_values(signals: Any, column: str) -> NDArray[Any]:
    """A column as numbers, NaN where there is none."""
    values = signals.column(column)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    return np.asarray(values.to_numpy(zero_copy_only=False))


def breaks(values: NDArray[Any], bound: Rule | Bound) -> Mask:
    broken = np.zeros(values.size, bool)
    if bound.minimum is not None:
        broken |= values < to_type(bound.minimum, values)
    if bound.maximum is not None:
        broken |= values > to_type(bound.maximum, values)
    return broken


def to_type(bound: float, values: NDArray[Any]) -> Any:
    """A bound as a column has its numbers: 0.1 as float32 is not less than itself."""
    return values.dtype.type(bound) if values.dtype.kind == "f" else bound


def find_unwanted(signals: Any, languages: Sequence[str] | None) -> Mask:
    """Natural-language documents in a language that the recipe does not list."""
    if languages is None:
        return np.zeros(signals.num_rows, bool)
    listed = is_among(signals.column("language"), languages)
    return ~listed & ~is_among(signals.column("domain"), NON_NATURAL)


def list_reasons(failures: Mask, names: Sequence[str]) -> Any:
    """list<string>: all reasons of each document, in declared order."""
    offsets = np.concatenate([[0], np.cumsum(failures.sum(1))])
    reasons = pa.array(names, pa.string()).take(pa.array(np.nonzero(failures)[1]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), reasons)


def count_failures(failures: Mask, names: Sequence[str]) -> Iterator[tuple[str, int, int, int]]:
    """Yield (reason, documents that fail it, those that fail nothing else, those that fail it first)."""
    several = failures.sum(1)
    first = np.bincount(failures[several > 0].argmax(1), minlength=len(names))
    for number, name in enumerate(names):
        fails = failures[:, number]
        if fails.any():
            yield name, int(fails.sum()), int((fails & (several == 1)).sum()), int(first[number])


def is_among(column: Any, values: Sequence[str]) -> Mask:
    return to_mask(pc.is_in(column, pa.array(values, pa.string())))


def to_mask(column: Any) -> Mask:
    return np.asarray(column.fill_null(False), bool)
