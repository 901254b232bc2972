"""Quality signals against their slow twin, and what each of them says."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.quality.signals import measure_signals
from tests.reference.signals import measure
from tests.text.strategies import PIECES, batches

MORE_PIECES = [
    "use cookies", "uses", " cookies", "Terms of Use", "privacy policy", "policy", " of ", "JavaScript",
    "javascript", "x" * 1001, "it's", "’s ", "a.b", "1,000", "10:30", "x@y", "a_b", "12 ", "NATO ", ". ",
    "? ", "one two three. ", "der die das ", "--", "===", '"', "a.", "the cat ", "the cat sat on the mat ",
]  # fmt: skip


def measure_all(texts: list[str | None], language: str = "und") -> list[dict[str, Any]]:
    array = pa.array(texts, pa.large_string())
    return pa.table(measure_signals(array, pa.array([language] * len(texts), pa.string()))).to_pylist()


def assert_equal(found: dict[str, Any], expected: dict[str, Any], text: str) -> None:
    differing = {
        name: (found[name], expected[name])
        for name in expected
        if found[name]
        != (pytest.approx(expected[name], abs=1e-6) if name == "word_entropy" else expected[name])
    }
    assert not differing and found.keys() == expected.keys(), (text, differing)


@settings(max_examples=300, deadline=None)
@given(batches, st.sampled_from(["und", "en", "de", "ja", "xx"]))
def test_every_signal_equals_the_slow_twin(texts: list[str | None], language: str) -> None:
    for text, found in zip(texts, measure_all(texts, language), strict=True):
        assert_equal(found, measure(text or "", language), text or "")


def test_every_signal_of_long_mixed_texts_equals_the_slow_twin() -> None:
    draw = random.Random(5)
    pieces = [*PIECES, *MORE_PIECES, *"\n\n\n\n", *"        ", *"..."]
    texts = ["".join(draw.choices(pieces, k=draw.randint(0, 60))) for _ in range(1200)]
    for text, found in zip(texts, measure_all([*texts], "en"), strict=True):
        assert_equal(found, measure(text, "en"), text)


def test_repetition_of_few_lines_equals_the_slow_twin() -> None:
    draw = random.Random(9)
    lines = ["A", "B b", "Ccc.", " ", "", ""]
    texts = ["\n".join(draw.choices(lines, k=draw.randint(0, 30))) for _ in range(400)]
    for text, found in zip(texts, measure_all([*texts]), strict=True):
        assert_equal(found, measure(text), text)


@pytest.mark.parametrize("words", [["a", "bb", "c"], ["中", "文", "日", "本"], ["x", ".", "'s", " ", "1"]])
def test_repetition_of_few_words_equals_the_slow_twin(words: list[str]) -> None:
    draw = random.Random(7)
    texts = [
        ("" if words[0] == "中" else " ").join(draw.choices(words, k=draw.randint(0, 90))) for _ in range(300)
    ]
    for text, found in zip(texts, measure_all([*texts]), strict=True):
        assert_equal(found, measure(text), text)


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("", "words", 0),
        ("one\ntwo\n\nthree\n", "lines", 4),
        ("one\ntwo\n \nthree\n\n\n", "paragraphs", 2),
        ("\n\nabc", "longest_line", 3),
        ("ab\ncdef\n", "mean_line_length", 3.0),
        ("# one #two", "hash_ratio", 0.5),
        ("wait... what…", "ellipsis_ratio", 0.5),
        ("• a\n- b\n* c\n-d\n\n", "bullet_lines", 0.6),
        ("and so on...\nend…\nno..\n\n", "ellipsis_lines", 0.5),
        ("Yes.\nHe said: “Yes.”\nand…\n完了。", "ended_lines", 0.5),
        ("x" * 30 + "\n" + "x" * 31, "short_lines", 0.5),
        ("1,234.5 €\n- 12 -\n---\n5 h", "numeric_lines", 0.5),
        ("BUY Now\nbuy NOW\nno", "uppercase_lines", 1 / 3),
        ("Yes!\nNot one.", "single_word_lines", 0.5),
        ("Please enable JavaScript.\nNo script", "javascript_lines", 0.5),
        ("We use cookies.\nTerms of Use\nused cookies\nuse  cookies", "policy_lines", 0.5),
        ("a\nb\n", "lines_per_token", 1.0),
        ("abc\nabc\nabcdef", "duplicate_line_characters", 0.25),
        ("abc\nabc\nabcdef", "duplicate_lines", 1 / 3),
        ("a\nb\n\nc\n\na\nb", "duplicate_paragraphs", 1 / 3),
        ("a | 1 b2", "alphabetic_tokens", 0.5),
        ("a|1 (b2), 3. --", "alphabetic_words", 0.5),
        ("1\ufe0f\u20e3 a", "alphabetic_tokens", 0.5),
        ("It's 3.14 at example.com, isn't it?", "alphabetic_tokens", 0.7),
        ("USA and NATO, a B", "capital_words", 0.4),
        ("abC 12", "uppercase_characters", 1 / 6),
        ("abC 12", "digit_characters", 1 / 3),
        ("a + (b)", "symbol_characters", 3 / 7),
        ("to be or not to be", "unique_words", 4 / 6),
        ("a b", "word_entropy", 0.6931472),
        ("the cat the cat the dog", "top_2_gram", 14 / 23),
        ("1 2 3 4 5 6 1 2 3 4 5", "duplicate_5_grams", 5 / 21),
        ("There is 3.14. Is it? 「そうです。」はい！ no end", "sentences", 4),
        ("... ?! .", "sentences", 0),
        ('One two three. Four.\nOne two\nOne two three...\nSay "no more"', "kept_sentences", 3),
        ("if (a) { b } else { c }", "curly_brackets", 2),
        (
            "if (a) { b } else { c }\nThe set {1, 2, 3} is small.\nJavascript has {} too.",
            "kept_curly_brackets",
            1,
        ),
        ("So Lorem Ipsum it is", "lorem_ipsum", True),
        ("florem ipsum, lorem  ipsum", "lorem_ipsum", False),
    ],
)
def test_a_signal_says_what_its_name_says(text: str, signal: str, value: Any) -> None:
    found = measure_all([text])[0][signal]
    assert found == (pytest.approx(value) if isinstance(value, float) else value)


def test_stop_words_are_those_of_the_language() -> None:
    assert [row["stop_words"] for row in measure_all(["THE the of Of And wolf"], "en")] == [3]
    assert [row["stop_word_share"] for row in measure_all(["Der Wolf und die Geiß"], "de")] == [
        pytest.approx(0.6)
    ]
    assert measure_all(["the of"], "und")[0]["stop_words"] is None
    assert measure_all(["我的书"], "zh")[0]["stop_words"] == 2


def test_lines_of_one_document_are_not_duplicates_of_another() -> None:
    assert [row["duplicate_lines"] for row in measure_all(["same line", "same line"])] == [0, 0]


def test_huge_lines_and_many_lines_are_measured() -> None:
    long, many = measure_all(["x " * 1_000_000, "".join(f"{n}\n" for n in range(300_000))])
    assert long["longest_line"] == 2_000_000 and long["words"] == 1_000_000
    assert many["lines"] == 300_000 and many["duplicate_lines"] == 0


def test_a_slice_is_measured_like_a_copy() -> None:
    texts = ["zero", "one two\nthree.", None, "four " * 9]
    array = pa.array(texts, pa.large_string())
    languages = pa.array(["en"] * 2)
    found = pa.table(measure_signals(array.slice(1, 2), languages)).to_pylist()
    assert found == measure_all(texts[1:3], "en")
