"""Lines, and spans in NFC and lower case, against Python's own."""

from __future__ import annotations

import itertools
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.languages.composition import (
    check_encoding,
    find_changing,
    gather_spans,
    normalize_spans,
)
from dspipe.filter.languages.spans import Spans, find_prefixes, iterate_lines
from dspipe.text.arrow import text_buffers
from tests.reference.language import count_letters, split_lines
from tests.text.strategies import batches, mixed_texts


def make_array(texts: list[bytes]) -> pa.Array:
    """Strings of any bytes."""
    offsets = np.cumsum([0, *map(len, texts)])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))


def list_lines(array: pa.Array, least: int, size: int) -> list[tuple[int, bytes, int]]:
    text, offsets = text_buffers(array)
    found = []
    for owners, lines in iterate_lines(text, offsets, least, size):
        for owner, start, end, letters in zip(owners, lines.starts, lines.ends, lines.letters, strict=True):
            found.append((int(owner), text[start:end].tobytes(), int(letters)))
    return found


@settings(max_examples=150, deadline=None)
@given(batches, st.integers(0, 4), st.integers(1, 5))
def test_lines_are_those_with_enough_letters_however_small_the_blocks(
    texts: list[str | None], least: int, size: int
) -> None:
    expected = [
        (owner, line.encode(), count_letters(line))
        for owner, text in enumerate(texts)
        for line in split_lines(text or "")
        if count_letters(line) >= max(least, 1)
    ]
    array = pa.array([*texts, "x"], pa.large_string())
    assert list_lines(array.slice(0, len(texts)), least, size) == expected


def test_lines_of_a_slice_are_of_its_own_documents() -> None:
    array = pa.array(["before\nit", "one\r\n two \ntail", None, "", "\n\n", "three"]).slice(1)
    expected = [(0, b"one", 3), (0, b"two", 3), (0, b"tail", 4), (4, b"three", 5)]
    assert list_lines(array, 1, 10) == expected


def prepare(text: str) -> str:
    return unicodedata.normalize("NFC", text.lower() if text.isupper() else text)


def normalize_all(texts: list[str]) -> list[str]:
    """Each text as it is read: a copy where it may change, else itself."""
    array = pa.array(texts, pa.large_string())
    text, offsets = text_buffers(array)
    spans = find_prefixes(text, offsets, 1 << 40)
    changing = find_changing(text, spans)
    copies, bounds = normalize_spans(text, spans.take(np.flatnonzero(changing)))
    changed = iter([copies[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds)])
    return [next(changed) if changes else given for given, changes in zip(texts, changing, strict=True)]


def test_spans_are_normalized_and_lowered_as_python_does() -> None:
    texts = ["É", "E\u0301", "ÀÉ ÎÕ", "ДА", "\u1112\u1161\u11ab", "\u212b", "ΑΒΓ", "\u0958", "", "abc", "Abc"]
    texts += ["ΟΔΟΣ ΣΑΣ ΣΣ", "ΠΟΣΟ,ΤΙΣ", "Σ", "ΤΗΣ", "DIŞI İÇİN", "İİ", "İi", "Οδός"]
    assert normalize_all(texts) == [prepare(text) for text in texts]


@settings(max_examples=200, deadline=None)
@given(st.lists(mixed_texts, max_size=6))
def test_any_spans_are_normalized_as_python_does(texts: list[str]) -> None:
    known = [text for text in texts if all(unicodedata.category(c) != "Cn" for c in text)]
    plain = [text for text in known if not (text.isupper() and "Σ" in text)]
    assert normalize_all(plain) == [prepare(text) for text in plain]


BROKEN = [
    b"\xff\xc3", b"\xc3", b"a\xcc", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe4\xb8", b"\xf0\x9f\x98", b"\xc3\x28",
]  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_utf8_is_left_as_it_is(broken: bytes) -> None:
    texts = [b"E\xcc\x81" + broken, b"E\xcc\x81", broken + b"E\xcc\x81", b"\xc3\x89 CAPITALS" + broken]
    array = make_array(texts)
    text, offsets = text_buffers(array)
    every = np.full(len(texts), -1)
    spans = Spans(offsets[:-1], offsets[1:], every, every)
    assert find_changing(text, spans).tolist() == [False, True, False, False]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(mixed_texts.map(str.encode), st.binary(max_size=6)), max_size=6))
def test_utf8_is_told_from_what_is_not(texts: list[bytes]) -> None:
    def is_utf8(text: bytes) -> bool:
        try:
            return text.decode() is not None
        except UnicodeDecodeError:
            return False

    text, offsets = text_buffers(make_array(texts))
    valid = np.zeros(len(texts), np.bool_)
    check_encoding(text, offsets[:-1], offsets[1:], valid)
    assert valid.tolist() == [is_utf8(text) for text in texts]
    every = np.full(len(texts), -1)
    spans = Spans(offsets[:-1], offsets[1:], every, every)
    assert [bytes(row.as_buffer() or b"") for row in gather_spans(text, spans)] == texts
