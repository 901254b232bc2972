"""Words of `dspipe.text.words` against their slow twin, and what counts as a word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from dspipe.text.arrow import text_buffers
from dspipe.text.words import count_words, hash_words
from tests.reference.words import hash_word, split_words
from tests.text.strategies import batches


def hashes_of(text: str) -> list[int]:
    return [int(value) for value in hash_words(*text_buffers(pa.array([text], pa.large_string())))[0]]


@settings(max_examples=400, deadline=None)
@given(batches)
def test_words_and_their_hashes_equal_the_slow_twin(texts: list[str | None]) -> None:
    buffers = text_buffers(pa.array(texts, pa.large_string()))
    hashes, ends = hash_words(*buffers)
    expected = [[hash_word(word) for word in split_words(text or "")] for text in texts]
    assert [hashes[a:b].tolist() for a, b in pairwise(ends)] == expected
    assert count_words(*buffers).tolist() == [len(words) for words in expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("don't stop", ["don", "t", "stop"]),
        ("e\u0301te\u0301 naïve", ["e\u0301te\u0301", "naïve"]),
        ("GPT4在2023年", ["GPT4", "在", "2023", "年"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("❤\ufe0f \u0301", []),
        ("a\0b", ["a", "b"]),
    ],
)
def test_a_word_is_a_run_of_letters_or_one_letter_of_a_spaceless_script(text: str, words: list[str]) -> None:
    assert split_words(text) == words
    assert hashes_of(text) == [hash_word(word) for word in words]


def test_a_word_has_the_same_hash_wherever_it_stands() -> None:
    word = "characteristically"
    for text in (word, f" {word}", f"{'x' * 31} {word} y", f"中{word}"):
        assert hash_word(word) in hashes_of(text)


def test_one_changed_bit_changes_about_half_of_the_hash() -> None:
    changes = [
        (hash_word("a" * n) ^ hash_word("a" * place + "c" + "a" * (n - place - 1))).bit_count()
        for n in range(1, 40)
        for place in range(n)
    ]
    assert abs(np.mean(changes) - 32) < 1


def test_broken_utf8_is_read_without_leaving_the_buffer() -> None:
    random = np.random.default_rng(1)
    for size in range(1, 200):
        text = random.integers(128, 256, size, np.uint8)
        text.flags.writeable = False
        offsets = np.array([0, size], np.int64)
        offsets.flags.writeable = False
        assert 0 <= count_words(text, offsets)[0] <= size


def test_a_huge_word_is_one_word() -> None:
    assert hashes_of("x" * 1_000_000) == [hash_word("x" * 1_000_000)]
