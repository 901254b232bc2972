"""Turns the marks of `domains/marks.py` into the arrays by which a kernel finds them.

A pair of characters is found at pairs[folded[first] << 6 | folded[second]], a word by its key in an open hash
table. Arrays of marks hold their places in `NAMES`; 0 is no mark. What most words need takes less than 20 KB,
so that it stays in the processor's first cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.domains.marks import (
    BEGINNING_WORDS,
    LINE_BEGINNINGS,
    LINE_ENDS,
    NAMES,
    PAIRS,
    WORDS,
    WORDS_OF_ANY_CASE,
)
from dspipe.text.arrow import Bytes, read_only

FOLDED = "␣⏎aA0é" + "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum())  # by number
SPACE, NEWLINE, SMALL, CAPITAL, ZERO, FOREIGN = range(6)
FOLD = 6  # bits
LONGEST_WORD = 16  # bytes; longer ones are not looked up
SLOTS = 4096
SLOT_SHIFT, TAG_SHIFT = 64 - 12, 64 - 20
GOLDEN = 0x9E3779B97F4A7C15
LOWER, UPPER, DIGIT, UNDERSCORE, HIGH, CONTINUATION = 1, 2, 4, 8, 16, 32
STARTS_WORD = LOWER | UPPER | UNDERSCORE | HIGH
CONTINUES_WORD = STARTS_WORD | DIGIT | CONTINUATION


class Tables(NamedTuple):
    """What the kernel looks marks up in."""

    bits: Bytes  # of each byte: what it is in a word
    folded: Bytes  # of each byte: what it is in a pair
    pairs: Bytes
    beginnings: Bytes
    ends: Bytes
    keys: NDArray[np.uint64]  # of words
    tags: Bytes  # of the word in each slot, made from its key; 0 is an empty slot
    words: Bytes  # of the word in each slot
    openers: Bytes  # of the word in each slot: whether it counts at the beginning of a line


@cache
def load_tables() -> Tables:
    """The tables of all marks, built on the first call."""
    keys, tags, words, openers = build_words()
    tables: tuple[NDArray[Any], ...] = (
        classify_bytes(),
        fold_bytes(),
        build_pairs(PAIRS),
        build_pairs(LINE_BEGINNINGS),
        build_ends(),
        keys,
        tags,
        words,
        openers,
    )
    return Tables(*(read_only(table) for table in tables))


def classify_bytes() -> Bytes:
    """Bits of each byte; of those beyond ASCII, the lead bytes of alphabets start words.

    These are U+00C0 to U+0FFF and what begins with the bytes E1 and EA to ED. Others are marks (C2, E2, EF,
    F0) or scripts written without spaces (E3 to E9).
    """
    bits = np.zeros(256, np.uint8)
    bits[ord("a") : ord("z") + 1] = LOWER
    bits[ord("A") : ord("Z") + 1] = UPPER
    bits[ord("0") : ord("9") + 1] = DIGIT
    bits[ord("_")] = UNDERSCORE
    bits[0x80:0xC0] = CONTINUATION
    bits[0xC3:0xE2] = HIGH
    bits[0xEA:0xEE] = HIGH
    return bits


def fold_bytes() -> Bytes:
    """The number of each byte in pairs: its place in `FOLDED`."""
    folded = np.zeros(256, np.uint8)
    folded[[10, 13]] = NEWLINE
    folded[127:] = FOREIGN
    for code in range(33, 127):
        character = chr(code)
        kind = (
            "a"
            if character.islower()
            else "A"
            if character.isupper()
            else "0"
            if character.isdigit()
            else character
        )
        folded[code] = FOLDED.index(kind)
    return folded


def build_pairs(marks: Mapping[str, str]) -> Bytes:
    pairs = np.zeros(1 << 2 * FOLD, np.uint8)
    for name, listed in marks.items():
        for pair in listed.split():
            pairs[FOLDED.index(pair[0]) << FOLD | FOLDED.index(pair[1])] = NAMES.index(name)
    return pairs


def build_ends() -> Bytes:
    ends = np.zeros(1 << FOLD, np.uint8)
    for name, listed in LINE_ENDS.items():
        ends[[FOLDED.index(character) for character in listed.split()]] = NAMES.index(name)
    return ends


def build_words() -> tuple[NDArray[np.uint64], Bytes, Bytes, Bytes]:
    """(keys, tags, marks, whether it opens lines) of the slots; a key is sought from its own slot on."""
    keys = np.zeros(SLOTS, np.uint64)
    tags, marks, openers = (np.zeros(SLOTS, np.uint8) for _ in range(3))
    opening = set(BEGINNING_WORDS.split())
    listed = list_words()
    for word in sorted({*listed, *opening}):
        key = make_key(word.encode())
        hashed = key * GOLDEN % 2**64
        slot = hashed >> SLOT_SHIFT
        while tags[slot]:
            slot = (slot + 1) % SLOTS
        keys[slot], tags[slot] = key, hashed >> TAG_SHIFT & 255 | 1
        marks[slot], openers[slot] = listed.get(word, 0), word in opening
    return keys, tags, marks, openers


def list_words() -> dict[str, int]:
    """The mark of each word as it is written; the first table that has it is right."""
    listed: dict[str, int] = {}
    for name, words in WORDS.items():
        for word in words.split():
            listed.setdefault(word, NAMES.index(name))
    for name, words in WORDS_OF_ANY_CASE.items():
        for word in words.split():
            for written in (word, word.capitalize(), word.upper()):
                listed.setdefault(written, NAMES.index(name))
    return listed


def make_key(word: bytes) -> int:
    """The key of a word of at most 16 bytes: up to eight are it, else the first eight mixed with the last."""
    first, last = (int.from_bytes(part, "little") for part in (word[:8], word[-8:]))
    return first if len(word) <= 8 else (first ^ (last + len(word)) * GOLDEN) % 2**64
