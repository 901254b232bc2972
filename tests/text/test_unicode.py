"""The vendored table of Unicode classes against the packages that know."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
import unicodedata2

from dspipe.text import unicode
from dspipe.text.unicode import COMPOSES, LOWER, SENTENCE_END, SPACELESS, UPPER, load_classes
from tests.reference.words import class_of, entry_of

CLASS_OF_CATEGORY = {
    "L": unicode.LETTER,
    "M": unicode.MARK,
    "N": unicode.NUMBER,
    "P": unicode.PUNCTUATION,
    "S": unicode.SYMBOL,
}


def all_entries() -> np.ndarray:
    blocks, classes = load_classes()
    points = np.arange(0x110000)
    return classes[blocks[points >> 7].astype(np.int64) << 7 | points & 127]


def test_the_table_is_what_unicodedata2_says() -> None:
    if unicodedata2.unidata_version != unicode.VERSION:
        pytest.skip(f"unicodedata2 has Unicode {unicodedata2.unidata_version}, not {unicode.VERSION}")
    assert np.array_equal(unicode.build_classes(), all_entries())


def test_classes_are_those_of_the_standard_library_where_it_knows_the_character() -> None:
    differing = 0
    for point in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(point))
        if category[0] in CLASS_OF_CATEGORY:
            differing += class_of(chr(point)) != CLASS_OF_CATEGORY[category[0]]
    assert differing < 20  # between versions of Unicode a handful of characters change their category


def test_white_space_and_line_ends_are_classes_of_their_own() -> None:
    assert {class_of(c) for c in "\n\r"} == {unicode.NEWLINE}
    assert {class_of(c) for c in " \t\v\f\x85\u00a0\u2028\u3000"} == {unicode.SPACE}
    assert {class_of(c) for c in "\0\x1f\u200b\ue000\U0010ffff"} == {unicode.OTHER}


def test_scripts_without_spaces_and_ends_of_sentences_are_flagged() -> None:
    assert all(entry_of(c) & SPACELESS for c in "中々かカｶไລခខབ\U00020000")
    assert not any(entry_of(c) & SPACELESS for c in "aé한አ1。ー"[:-1])
    assert all(entry_of(c) & SENTENCE_END for c in ".!?…。！？।۔؟։።။។།")
    assert not any(entry_of(c) & SENTENCE_END for c in ",;:、，،")


def test_case_flags_tell_what_str_isupper_tells() -> None:
    differing = []
    for point in range(0x20000):
        character = chr(point)
        if unicodedata.category(character) not in ("Cn", "Cs"):
            entry = entry_of(character)
            lower = character.islower() or unicodedata.category(character) == "Lt"
            if (bool(entry & LOWER), bool(entry & UPPER)) != (lower, character.isupper()):
                differing.append(hex(point))
    assert set(differing) <= {"0x295", "0x10fc", "0xa7f2", "0xa7f3", "0xa7f4", "0xab69"}  # changed since 14


def test_text_without_composing_characters_is_in_nfc_already() -> None:
    random = np.random.default_rng(2)
    stable = np.flatnonzero((all_entries() & COMPOSES) == 0)
    stable = stable[(stable < 0xD800) | (stable > 0xDFFF)]
    for points in random.choice(stable[stable < 0x20000], (5000, 8)):
        text = "".join(map(chr, points))
        assert unicodedata.is_normalized("NFC", text)
    assert all(entry_of(c) & COMPOSES for c in "\u0301\u1161\u212b\uf900\u0958")
