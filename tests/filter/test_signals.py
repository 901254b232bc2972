"""Quality signals against their slow twin, and what each of them says."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings

from dspipe.filter.signals import measure_signals
from tests.reference.signals import measure
from tests.text.strategies import PIECES, batches


def measure_all(texts: list[str | None]) -> list[dict[str, Any]]:
    columns = measure_signals(pa.array(texts, pa.large_string()))
    return pa.table(columns).to_pylist()


@settings(max_examples=300, deadline=None)
@given(batches)
def test_every_signal_equals_the_slow_twin(texts: list[str | None]) -> None:
    assert measure_all(texts) == [measure(text or "") for text in texts]


def test_every_signal_of_long_mixed_texts_equals_the_slow_twin() -> None:
    draw = random.Random(5)
    pieces = [*PIECES, *"\n\n\n\n", *"        ", *"..."]
    texts = ["".join(draw.choices(pieces, k=draw.randint(0, 40))) for _ in range(4000)]
    for text, found in zip(texts, measure_all([*texts]), strict=True):
        assert found == measure(text), repr(text)


@pytest.mark.parametrize(
    ("text", "signal", "value"),
    [
        ("", "words", 0),
        ("one\ntwo\n\nthree\n", "lines", 4),
        ("\n\nabc", "longest_line", 3),
        ("ab\r\ncdef\r\n", "mean_line_length", 3.0),
        ("# one #two", "symbol_ratio", 1.0),
        ("wait... what…", "symbol_ratio", 1.0),
        ("• a\n- b\n* c\n-d\n\n", "bullet_lines", 0.75),
        ("and so on...\nend…\nno..\n", "ellipsis_lines", float(pa.scalar(2 / 3, pa.float32()).as_py())),
        ("Yes.\nHe said: “Yes.”\nno\n完了。", "ended_lines", 0.75),
        ("x" * 29 + "\n" + "x" * 30, "short_lines", 0.5),
        ("abc\n  abc \nabcdef", "duplicate_lines", 0.25),
        ("a | 1 b2", "alphabetic_words", 0.5),
        ("1\ufe0f\u20e3 a", "alphabetic_words", 0.5),
        ("THE the of Of And", "stop_words", 3),
        ("There is 3.14. Is it? 「そうです。」はい！ no end", "sentences", 4),
        ("... ?! .", "sentences", 0),
        ("if (a) { b } else { c }", "curly_brackets", 2),
        ("So Lorem Ipsum it is", "lorem_ipsum", True),
        ("florem ipsum, lorem  ipsum", "lorem_ipsum", False),
    ],
)
def test_a_signal_says_what_its_name_says(text: str, signal: str, value: Any) -> None:
    assert measure_all([text])[0][signal] == value


def test_lines_of_one_document_are_not_duplicates_of_another() -> None:
    assert [row["duplicate_lines"] for row in measure_all(["same line", "same line"])] == [0, 0]


def test_huge_lines_and_many_lines_are_measured() -> None:
    long, many = measure_all(["x " * 1_000_000, "".join(f"{n}\n" for n in range(300_000))])
    assert long["longest_line"] == 2_000_000 and long["words"] == 1_000_000
    assert many["lines"] == 300_000 and many["duplicate_lines"] == 0


def test_a_slice_is_measured_like_a_copy() -> None:
    texts = ["zero", "one two\nthree.", None, "four " * 9]
    array = pa.array(texts, pa.large_string())
    assert pa.table(measure_signals(array.slice(1, 2))).to_pylist() == measure_all(texts[1:3])
