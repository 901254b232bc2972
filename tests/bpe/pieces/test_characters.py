"""The shipped table of characters has the classes of the `tokenizers` that is the yardstick."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
import unicodedata2

from dspipe.bpe.pieces import characters
from dspipe.bpe.pieces.characters import (
    CJK,
    FOURS,
    LETTER,
    MARK,
    NUMBER,
    OTHER,
    PUNCTUATION,
    THREES,
    WHITE,
    load_characters,
)
from dspipe.bpe.pieces.masks import CHINESE, LETTERS

# A letter that the version was the first to have.
FIRST_LETTERS = {
    "14.0": "\u2c2f",
    "15.0": "\U00031350",
    "15.1": "\U0002ebf0",
    "16.0": "\u1c89",
    "17.0": "\ua7ce",
}


def find_members(regex: str) -> np.ndarray:
    """Every code point that the library takes for a member of a class."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    split = Split(Regex(regex), behavior="removed")
    points = np.array([point for point in range(0x110000) if not 0xD800 <= point < 0xE000])
    members = np.zeros(0x110000, bool)
    for chunk in np.array_split(points, 64):
        spans = split.pre_tokenize_str("".join(map(chr, chunk.tolist())))
        inside = np.ones(chunk.size, bool)
        for _, (begin, end) in spans:
            inside[begin:end] = False
        members[chunk] = inside
    return members


def find_version() -> str:
    """Which Unicode the installed library has."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    split = Split(Regex(r"\p{L}"), behavior="removed")
    known = [name for name, letter in FIRST_LETTERS.items() if not split.pre_tokenize_str(letter)]
    return known[-1] if known else "older than 14.0"


def all_entries() -> np.ndarray:
    blocks, classes = load_characters()
    points = np.arange(0x110000)
    first = np.select([points < 0x800, points < 0x10000], [0, THREES], FOURS)
    entries = classes[blocks[first + (points >> 6)].astype(np.int64) << 6 | points & 63]
    entries[:128] = classes[:128]
    entries[0xD800:0xE000] = OTHER
    return entries


def test_the_installed_library_has_the_unicode_of_the_table() -> None:
    message = f"tokenizers {tokenizers.__version__} has Unicode {find_version()}, the table has 16.0"
    assert find_version() == characters.VERSION.removesuffix(".0"), message


@pytest.mark.parametrize(
    ("regex", "mask"),
    [
        (r"\p{L}", LETTER),
        (r"\p{M}", MARK),
        (r"\p{N}", NUMBER),
        (r"[\p{P}\p{S}]", PUNCTUATION),
        (r"\s", WHITE),
    ],
)
def test_every_code_point_has_the_class_that_the_library_gives_it(regex: str, mask: int) -> None:
    differing = np.flatnonzero(find_members(regex) != ((all_entries() & mask) != 0))
    message = f"tokenizers {tokenizers.__version__} has Unicode {find_version()}: {differing[:9]}"
    assert differing.size == 0, message


def test_a_character_has_one_class_and_numbers_are_never_cjk() -> None:
    entries = all_entries()
    assert (np.bitwise_count(entries & ~np.uint8(CJK)) == 1).all()
    assert not ((entries & CJK != 0) & (entries & NUMBER != 0)).any()
    assert set(np.flatnonzero(entries & CJK).tolist()) == {*range(0x4E00, 0x9FA6), *range(0x3040, 0x3100)}


def test_bytes_that_are_taken_for_the_first_of_a_letter_begin_nothing_else() -> None:
    entries = all_entries()
    for first, last, wanted in (*((*span, LETTER) for span in LETTERS), (*CHINESE, LETTER | CJK)):
        for lead in range(first, last + 1):
            shift, kept = (6, 0x1F) if lead < 0xE0 else (12, 0x0F)
            points = np.arange((lead & kept) << shift, ((lead & kept) + 1) << shift)
            assert (entries[points] == wanted).all(), hex(lead)


def test_the_table_is_what_unicodedata2_says() -> None:
    if unicodedata2.unidata_version != characters.VERSION:
        pytest.skip(f"unicodedata2 has Unicode {unicodedata2.unidata_version}, not {characters.VERSION}")
    assert np.array_equal(characters.build_characters(), all_entries())
