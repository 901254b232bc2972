"""Marks of domains: what is counted, and that the kernel counts as its slow twin does."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.domains.counts import PREFIX, count_all_marks
from dspipe.filter.domains.marks import (
    BEGINNING_WORDS,
    LINE_BEGINNINGS,
    LINE_ENDS,
    NAMES,
    PAIRS,
    WORDS,
    WORDS_OF_ANY_CASE,
)
from dspipe.filter.domains.tables import LONGEST_WORD, SLOTS, list_words, load_tables
from dspipe.text.arrow import text_buffers
from tests.filter.test_domain import TRICKY
from tests.reference import domain as reference

ALL_WORDS = sorted({*list_words(), *BEGINNING_WORDS.split()})
MARKS = (
    "$ $$ \\ \\frac{ \\x \\( ``` ~~~ // /* */ ;; # ## % -- --- === - key: - a_key: ? ？ ， 。 × ÷ ² ℝ ⁰ → “ "
    'a I x x_1 x_{i} camelCase Word WORD snake_case x1 3 3.5 1,000 3px 3% (3) $3 < > <b @x #! {" [ [[ α '
    "Größe 12本 多少 一"
)
SPACES = (" ", " ", "\n", "\n", "\n\n", "\t", "  ", "    ", "\r\n", "\x00")
PIECES = st.one_of(
    st.sampled_from(ALL_WORDS), st.sampled_from(MARKS.split()), st.sampled_from(SPACES), st.text(max_size=3)
)
TEXTS = st.lists(PIECES, max_size=40).map("".join).map(str.encode)


def count(*documents: bytes) -> list[dict[str, int]]:
    column = pa.array(documents, pa.large_binary()).view(pa.large_string())
    counts = count_all_marks(*text_buffers(column))
    return [{NAMES[place]: int(row[place]) for place in row.nonzero()[0]} for row in counts]


def count_in(text: str) -> dict[str, int]:
    return count(text.encode())[0]


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=4))
def test_the_kernel_equals_its_slow_twin(documents: list[bytes]) -> None:
    assert count(*documents) == [reference.count_marks(document) for document in documents]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | TEXTS.map(lambda text: text[:-1]), max_size=4))
def test_broken_utf8_is_counted_as_the_slow_twin_counts_it(documents: list[bytes]) -> None:
    assert count(*documents) == [reference.count_marks(document) for document in documents]


def test_real_texts_are_counted_as_the_slow_twin_counts_them() -> None:
    documents = [tricky.text.encode() for tricky in TRICKY]
    for document, found in zip(documents, count(*documents), strict=True):
        assert found == reference.count_marks(document)


@settings(max_examples=20, deadline=None)
@given(TEXTS.filter(bool), st.integers(-20, 20))
def test_nothing_past_the_prefix_is_read(text: bytes, offset: int) -> None:
    size = PREFIX + offset
    document = (text * (size // len(text) + 1))[:size]
    assert count(document + b"x" * 100)[0] == reference.count_marks(document + b"x" * 100)


def test_a_slice_of_a_column_is_counted_as_by_itself() -> None:
    column = pa.array(["first $x$", "the second", "#include <third>"], pa.large_string())
    assert (
        count_all_marks(*text_buffers(column.slice(1, 1))).tolist()
        == count_all_marks(*text_buffers(pa.array(["the second"], pa.large_string()))).tolist()
    )


@pytest.mark.parametrize(
    ("text", "name", "times"),
    [
        ("Let $x$ and $y_1$ be.", "formula", 2),
        ("It costs $5, not $6 or $7.", "formula", 0),
        ("$a = $b + $c;", "formula", 0),
        ("$" + "x" * 400 + "$", "formula", 0),
        ("$open\n\nclose$", "formula", 0),
        ("a \\frac{1}{2} \\alpha", "formula command", 2),
        ("'\\n' and '\\t'", "unknown command", 0),
        ("getName setName Name NAME", "camel case", 2),
        ("a_name x_1 x_ _x", "snake case", 1),
        ("a_name x_1 x_ _x", "indexed letter", 2),
        ("ε < δ, not εδ", "letter of Greek", 2),
        ("3 × 4 ≤ 12 ∈ ℝ ² ₁", "mathematical symbol", 6),
        ("#include <a>\n  #include <b>", "preprocessor word", 2),
        ("import a\nand import b", "beginning word", 1),
        ("key: value\n- other_key:\nNote: this\nhttp://x", "key line", 2),
        ("# one\n# two\n# three\nx", "comment line", 2),
        ("# Title\n\ntext\n\n# Title", "comment line", 0),
        ("/* one\n * two\n */\n * three", "comment line", 3),
        ("/* one */ x = 1;\n/* two\n   three\n * four */ y\n", "comment line", 1),
        ("Title\n=====\n\n-----", "rule line", 2),
        ("How many? 3 or 4", "asked in numbers", 2),
        ("小明有 36 本书，一共有多少本？", "asked in numbers", 1),
    ],
)
def test_a_mark_is_counted_where_it_stands(text: str, name: str, times: int) -> None:
    assert count_in(text).get(name, 0) == times


def test_lines_in_fences_count_by_their_size_only() -> None:
    found = count_in("Text.\n```python\nx = f(y);\n~~~\n```\nMore text.\n")
    assert found["fenced byte"] == len("x = f(y);\n~~~\n") and found["fence"] == 2
    assert found["line"] == 2 and "call" not in found


def test_a_line_of_tildes_below_text_is_a_heading_and_no_fence() -> None:
    assert "fence" not in count_in("Heading\n~~~~~~~\ntext")
    assert count_in("text\n\n~~~\ncode\n~~~")["fence"] == 2


def test_every_word_is_found_under_its_own_mark() -> None:
    for word, mark in list_words().items():
        found = count_in(word if ord(word[0]) >= 0x3000 else f"x {word}")
        assert found.get(NAMES[mark], 0) >= 1, word


def test_no_pair_and_no_word_belongs_to_two_marks() -> None:
    for table in (PAIRS, LINE_BEGINNINGS, LINE_ENDS):
        listed = [pair for pairs in table.values() for pair in pairs.split()]
        assert len(listed) == len(set(listed))
    for table in (WORDS, WORDS_OF_ANY_CASE):
        words = [(word, name) for name, listed in table.items() for word in set(listed.split())]
        assert len(words) == len({word for word, _ in words})


def test_words_are_short_enough_and_leave_the_table_half_empty_at_least() -> None:
    assert max(len(word.encode()) for word in ALL_WORDS) <= LONGEST_WORD
    assert len(ALL_WORDS) == (load_tables().tags > 0).sum() <= SLOTS * 3 // 4
    assert len(NAMES) == len(set(NAMES)) <= 256
