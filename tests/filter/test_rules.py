"""Rules over signal columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dspipe.filter.rules import RULES, choose_rule_set, count_reasons, find_failures, list_reasons
from dspipe.recipe import Filter
from dspipe.schema import SIGNALS

GOOD = {
    "id": "0", "language": "en", "language_margin": 3.0, "domain": "web", "characters": 3000,
    "words": 500, "lines": 20, "mean_word_length": 5.0, "mean_line_length": 60.0,
    "longest_line": 200, "symbol_ratio": 0.0, "bullet_lines": 0.0, "ellipsis_lines": 0.0,
    "ended_lines": 0.9, "short_lines": 0.1, "duplicate_lines": 0.0, "alphabetic_words": 0.95,
    "alphabetic_characters": 0.8, "stop_words": 6, "sentences": 20, "curly_brackets": 0,
    "lorem_ipsum": False,
}  # fmt: skip


def reasons(settings: Filter, *changes: dict[str, Any]) -> list[list[str]]:
    batch = pa.RecordBatch.from_pylist([{**GOOD, **change} for change in changes], SIGNALS)
    found: list[list[str]] = list_reasons(find_failures(batch, settings)).to_pylist()
    return found


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_good_document_passes_every_set(name: Any) -> None:
    assert reasons(Filter(rules={"web": name}), {}) == [[]]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("gopher", {"words": 49}, "gopher-words"),
        ("gopher", {"words": 100_001}, "gopher-words"),
        ("gopher", {"mean_word_length": 2.9}, "gopher-word-length"),
        ("gopher", {"symbol_ratio": 0.11}, "gopher-symbols"),
        ("gopher", {"bullet_lines": 0.91}, "gopher-bullets"),
        ("gopher", {"ellipsis_lines": 0.31}, "gopher-ellipses"),
        ("gopher", {"alphabetic_words": 0.79}, "gopher-alphabetic"),
        ("gopher", {"stop_words": 1}, "gopher-stop-words"),
        ("c4", {"curly_brackets": 1}, "c4-curly-bracket"),
        ("c4", {"lorem_ipsum": True}, "c4-lorem-ipsum"),
        ("c4", {"sentences": 4}, "c4-sentences"),
        ("fineweb", {"ended_lines": 0.11}, "fineweb-ended-lines"),
        ("fineweb", {"short_lines": 0.68}, "fineweb-short-lines"),
        ("fineweb", {"duplicate_lines": 0.02}, "fineweb-duplicate-lines"),
        ("code", {"mean_line_length": 101.0}, "code-mean-line"),
        ("code", {"longest_line": 1001}, "code-longest-line"),
        ("code", {"alphabetic_characters": 0.24}, "code-alphabetic"),
        ("math", {"words": 19}, "math-words"),
        ("math", {"duplicate_lines": 0.31}, "math-duplicate-lines"),
    ],
)
def test_each_bound_has_its_reason(name: Any, change: dict[str, Any], reason: str) -> None:
    assert reasons(Filter(rules={"web": name}), change) == [[reason]]


def test_a_value_on_the_bound_passes() -> None:
    edge = {
        "symbol_ratio": 0.1,
        "bullet_lines": 0.9,
        "ellipsis_lines": 0.3,
        "alphabetic_words": 0.8,
        "words": 50,
    }
    assert reasons(Filter(rules="gopher"), {**edge, "stop_words": 2, "mean_word_length": 10.0}) == [[]]
    assert reasons(
        Filter(rules="fineweb"), {"ended_lines": 0.12, "short_lines": 0.67, "duplicate_lines": 0.01}
    ) == [[]]


def test_rules_that_a_language_cannot_meet_do_not_hold_for_it() -> None:
    assert reasons(Filter(rules="gopher"), {"language": "zh", "mean_word_length": 1.0, "stop_words": 0}) == [
        []
    ]
    assert reasons(Filter(rules="c4"), {"language": "th", "sentences": 0}) == [[]]


def test_languages_that_are_not_listed_are_dropped_but_for_code_and_math() -> None:
    settings = Filter(languages=["en", "no"], rules="none")
    rows = [{"language": code} for code in ("en", "no", "de", "und")]
    rows += [{"language": "und", "domain": "code"}, {"language": "de", "domain": "math"}]
    assert reasons(settings, *rows) == [[], [], ["language"], ["language"], [], []]


def test_one_set_is_for_natural_language_and_a_table_names_domains() -> None:
    assert [choose_rule_set(d, Filter(rules="c4")) for d in ("web", "law", "code", "math")] == [
        "c4",
        "c4",
        "code",
        "math",
    ]
    table = Filter(rules={"web": "fineweb", "code": "none"})
    assert [choose_rule_set(d, table) for d in ("web", "law", "code")] == ["fineweb", "none", "none"]
    assert choose_rule_set("code", Filter(rules="none")) == "none"


def test_all_reasons_are_listed_and_the_first_is_counted() -> None:
    batch = pa.RecordBatch.from_pylist(
        [{**GOOD, "language": "de", "words": 1}, {**GOOD, "words": 2}, GOOD], SIGNALS
    )
    failures = find_failures(batch, Filter(languages=["en"]))
    assert list_reasons(failures).to_pylist() == [["language", "gopher-words"], ["gopher-words"], []]
    assert count_reasons(failures) == {"language": 1, "gopher-words": 1}
