"""Rules over signal columns."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from dspipe.filter.rules import (
    check_columns,
    choose_rule_sets,
    count_failures,
    find_failures,
    find_unwanted,
    list_reasons,
    list_rules,
)
from dspipe.filter.rulesets import KNOWN, RULE_SETS
from dspipe.recipe import Bound, Filter, RecipeError, Threshold
from dspipe.schema import SIGNALS

GOOD: dict[str, Any] = {
    "id": "0", "language": "en", "language_margin": 3.0, "domain": "web", "extension": None,
    "characters": 3000, "words": 500, "lines": 20, "paragraphs": 10, "sentences": 20, "mean_word_length": 5.0,
    "mean_line_length": 60.0, "longest_line": 200, "alphabetic_characters": 0.8, "alphabetic_words": 0.95,
    "alphabetic_tokens": 0.9, "stop_words": 6, "ended_lines": 0.9, "kept_sentences": 12,
}  # fmt: skip


def make_signals(*changes: dict[str, Any]) -> Any:
    """Rows of signals of a good document, with changes; all that is not named is 0 where it is a number."""
    zeros = {
        field.name: 0
        for field in SIGNALS
        if not pa.types.is_string(field.type) and not pa.types.is_boolean(field.type)
    }
    nulls = dict.fromkeys(["visible_text", "visible_characters", "language_share"])
    rows = [{**dict.fromkeys(SIGNALS.names), **zeros, **nulls, **GOOD, **change} for change in changes]
    return pa.RecordBatch.from_pylist(rows, SIGNALS)


def reasons(settings: Filter, *changes: dict[str, Any]) -> list[list[str]]:
    rules = list_rules(settings)
    failures = find_failures(make_signals(*changes), settings, rules)
    found: list[list[str]] = list_reasons(failures, [ruled.rule.reason for ruled in rules]).to_pylist()
    return found


@pytest.mark.parametrize("name", sorted(RULE_SETS))
def test_a_good_document_passes_every_set(name: Any) -> None:
    assert reasons(Filter(rules={"web": name}), {}) == [[]]


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("gopher", {"words": 49}, "gopher-words"),
        ("gopher", {"words": 100_001}, "gopher-words"),
        ("gopher", {"mean_word_length": 2.9}, "gopher-word-length"),
        ("gopher", {"hash_ratio": 0.11}, "gopher-hashes"),
        ("gopher", {"ellipsis_ratio": 0.11}, "gopher-ellipses"),
        ("gopher", {"bullet_lines": 0.91}, "gopher-bullets"),
        ("gopher", {"ellipsis_lines": 0.31}, "gopher-ellipsis-lines"),
        ("gopher", {"alphabetic_tokens": 0.79}, "gopher-alphabetic"),
        ("gopher", {"alphabetic_words": 0.79, "language": "ru"}, "gopher-alphabetic-words"),
        ("gopher", {"stop_words": 1}, "gopher-stop-words"),
        ("gopher", {"duplicate_lines": 0.31}, "gopher-duplicate-lines"),
        ("gopher", {"duplicate_paragraphs": 0.31}, "gopher-duplicate-paragraphs"),
        ("gopher", {"duplicate_line_characters": 0.21}, "gopher-duplicate-line-characters"),
        ("gopher", {"duplicate_paragraph_characters": 0.21}, "gopher-duplicate-paragraph-characters"),
        ("gopher", {"top_2_gram": 0.21}, "gopher-top-2-gram"),
        ("gopher", {"top_3_gram": 0.19}, "gopher-top-3-gram"),
        ("gopher", {"top_4_gram": 0.17}, "gopher-top-4-gram"),
        ("gopher", {"duplicate_5_grams": 0.16}, "gopher-duplicate-5-grams"),
        ("gopher", {"duplicate_10_grams": 0.101}, "gopher-duplicate-10-grams"),
        ("c4", {"kept_curly_brackets": 1}, "c4-curly-bracket"),
        ("c4", {"lorem_ipsum": True}, "c4-lorem-ipsum"),
        ("c4", {"kept_sentences": 4}, "c4-sentences"),
        ("fineweb", {"ended_lines": 0.11}, "fineweb-ended-lines"),
        ("fineweb", {"short_lines": 0.68}, "fineweb-short-lines"),
        ("fineweb", {"duplicate_line_characters": 0.02}, "fineweb-duplicate-characters"),
        ("fineweb", {"lines_per_token": 0.31}, "fineweb-lines"),
        ("code", {"mean_line_length": 101.0}, "code-mean-line"),
        ("code", {"longest_line": 1001}, "code-longest-line"),
        ("code", {"alphabetic_characters": 0.24}, "code-alphabetic"),
        ("code", {"xml_header": True}, "code-xml"),
        ("code", {"visible_text": 0.19}, "code-visible-text"),
        ("code", {"visible_characters": 99}, "code-visible-characters"),
        ("code", {"characters": 49, "extension": "yaml"}, "code-data"),
        ("code", {"characters": 5001, "extension": "json"}, "code-data"),
        ("math", {"words": 19}, "math-words"),
        ("math", {"duplicate_line_characters": 0.31}, "math-duplicate-lines"),
    ],
)
def test_each_bound_has_its_reason(name: Any, change: dict[str, Any], reason: str) -> None:
    assert reasons(Filter(rules={"web": name}), change) == [[reason]]


def test_a_value_on_the_bound_passes() -> None:
    edges = {
        rule.column: bound
        for rule in KNOWN.values()
        for bound in (rule.minimum, rule.maximum)
        if bound and not rule.extensions and rule.column not in ("duplicate_line_characters", "words")
    }
    assert reasons(Filter(rules=["gopher", "c4", "fineweb"]), {**edges, "words": 50}) == [[]]
    assert reasons(Filter(rules="fineweb"), {"duplicate_line_characters": 0.01}) == [[]]


def test_rules_that_a_language_cannot_meet_do_not_hold_for_it() -> None:
    chinese = {"language": "zh", "mean_word_length": 1.0, "alphabetic_tokens": 0.7}
    assert reasons(Filter(rules="gopher"), chinese) == [[]]
    assert reasons(Filter(rules="gopher"), {"language": "ko", "mean_word_length": 2.6}) == [[]]
    assert reasons(Filter(rules="c4"), {"language": "th", "kept_sentences": 0}) == [[]]
    assert reasons(Filter(rules="gopher"), {"language": "und", "stop_words": None}) == [[]]


def test_files_of_some_kinds_have_rules_of_their_own() -> None:
    code = Filter(rules={"web": "code"})
    assert reasons(code, {"characters": 10**6}, {"characters": 10, "extension": "py"}) == [[], []]
    assert reasons(code, {"xml_header": True, "extension": "xslt"}) == [[]]


def test_languages_that_are_not_listed_are_dropped_but_for_code_and_math() -> None:
    rows = [{"language": code} for code in ("en", "no", "de", "und")]
    rows += [{"language": "und", "domain": "code"}, {"language": "de", "domain": "math"}]
    unwanted = find_unwanted(make_signals(*rows), ["en", "no"]).tolist()
    assert unwanted == [False, False, True, True, False, False]
    assert not find_unwanted(make_signals(*rows), None).any()


def test_one_set_is_for_natural_language_and_a_table_names_domains() -> None:
    sets = [choose_rule_sets(domain, Filter(rules="c4")) for domain in ("web", "law", "code", "math")]
    assert sets == [["c4"], ["c4"], ["code"], ["math"]]
    table = Filter(rules={"web": ["fineweb", "c4"], "code": "none"})
    assert [choose_rule_sets(d, table) for d in ("web", "law", "code")] == [
        ["fineweb", "c4"],
        ["none"],
        ["none"],
    ]
    assert choose_rule_sets("code", Filter(rules="none")) == ["none"]
    assert choose_rule_sets("code", Filter(rules=["gopher", "c4"])) == ["code"]


def test_several_sets_hold_together() -> None:
    both = Filter(rules=["gopher", "c4"])
    assert reasons(both, {"words": 1, "kept_sentences": 0}) == [["gopher-words", "c4-sentences"]]


def test_a_threshold_replaces_a_bound_and_leaves_the_other() -> None:
    settings = Filter(thresholds={"gopher-words": Threshold(minimum=10)})
    assert reasons(settings, {"words": 10}, {"words": 9}, {"words": 100_001}) == [
        [],
        ["gopher-words"],
        ["gopher-words"],
    ]


def test_a_language_may_have_bounds_of_its_own() -> None:
    settings = Filter(
        thresholds={
            "gopher-word-length": Threshold(languages={"de": Bound(maximum=14), "zh": Bound(minimum=1)})
        }
    )
    rows = [{"mean_word_length": 12, "language": name} for name in ("en", "de", "zh")]
    rows += [{"mean_word_length": 2, "language": "de"}, {"mean_word_length": 0.5, "language": "zh"}]
    failing = [bool(found) for found in reasons(settings, *rows)]
    assert failing == [True, False, True, True, True]


def test_a_rule_can_be_switched_off() -> None:
    settings = Filter(thresholds={"gopher-words": Threshold(off=True)})
    assert reasons(settings, {"words": 1}) == [[]]


def test_a_recipe_may_have_rules_of_its_own_over_any_signal() -> None:
    own = Threshold(column="digit_characters", maximum=0.3)
    settings = Filter(rules="none", thresholds={"digits": own})
    rows = [{"digit_characters": 0.4, "domain": domain} for domain in ("web", "law", "code")]
    assert reasons(settings, *rows, {"digit_characters": 0.3}) == [["digits"], ["digits"], [], []]
    settings = Filter(rules="none", thresholds={"d": Threshold(column="lines", minimum=5, domains=["code"])})
    assert reasons(settings, {"lines": 1}, {"lines": 1, "domain": "code"}) == [[], ["d"]]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Filter(thresholds={"gopher-word": Threshold(minimum=1)}), "there is no such rule.*gopher-words"),
        (
            Filter(thresholds={"x": Threshold(column="digits", minimum=1)}),
            "no signal digits.*digit_characters",
        ),
        (Filter(thresholds={"x": Threshold(column="words")}), "has no bound"),
        (Filter(thresholds={"language": Threshold(column="words", minimum=1)}), "is a reason that exists"),
        (Filter(thresholds={"gopher-words": Threshold(column="lines")}), "is a rule that exists"),
        (Filter(quality="language"), "filter.quality: there is no signal language that is a number"),
    ],
)
def test_rules_and_columns_that_do_not_exist_are_refused(settings: Filter, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        check_columns(settings)


def test_all_reasons_are_listed_and_each_rule_counts_in_three_ways() -> None:
    settings = Filter(rules="gopher")
    rules = list_rules(settings)
    rows = ({"words": 1, "stop_words": 0}, {"words": 2}, {}, {"stop_words": 1})
    failures = find_failures(make_signals(*rows), settings, rules)
    names = [ruled.rule.reason for ruled in rules]
    assert list_reasons(failures, names).to_pylist() == [
        ["gopher-words", "gopher-stop-words"], ["gopher-words"], [], ["gopher-stop-words"],
    ]  # fmt: skip
    assert list(count_failures(failures, names)) == [
        ("gopher-words", 2, 1, 2),
        ("gopher-stop-words", 2, 1, 1),
    ]
