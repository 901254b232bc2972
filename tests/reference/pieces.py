"""Pieces as the regexes say them, one alternative after the other: the slow twin of `dspipe.bpe.pieces`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

SIGN = MARK | PUNCTUATION | OTHER
SUFFIXES = ("s", "t", "re", "ve", "m", "ll", "d")


@dataclass(frozen=True)
class Character:
    """One character of a text, or a byte that is none."""

    value: str  # "" for such a byte
    kind: int
    length: int


Text = list[Character]
Match = Callable[[Text, int], int]  # where what matches at a place ends; the place itself: nothing does


def entry_of(point: int) -> int:
    blocks, classes = load_characters()
    first = 0 if point < 0x800 else THREES if point < 0x10000 else FOURS
    return int(classes[point if point < 0x80 else int(blocks[first + point // 64]) * 64 + point % 64])


def read_text(text: bytes) -> Text:
    """The characters of a text, and the bytes that Python cannot read as any."""
    found = []
    for character in text.decode("utf-8", "surrogateescape"):
        escaped = 0xD800 <= ord(character) < 0xE000
        kind, length = (OTHER, 1) if escaped else (entry_of(ord(character)), len(character.encode()))
        found.append(Character("" if escaped else character, kind, length))
    return found


def run(text: Text, place: int, kinds: int, most: int | None = None) -> int:
    """Where characters of some kinds end."""
    start = place
    while place < len(text) and text[place].kind & kinds and (most is None or place - start < most):
        place += 1
    return place


def lines(text: Text, place: int) -> int:
    while place < len(text) and text[place].value in ("\r", "\n"):
        place += 1
    return place


def is_ascii_letter(character: Character) -> bool:
    return character.value.isascii() and character.value.isalpha()


def divide(text: Text, match: Match) -> list[Text]:
    """What matches and what is between, as `Split` with the behaviour `isolated` leaves it."""
    pieces: list[Text] = []
    place = gap = 0
    while place < len(text):
        end = match(text, place)
        if end > place:
            pieces += [text[gap:place], text[place:end]]
            gap = end
        place = max(end, place + 1)
    return [piece for piece in [*pieces, text[gap:]] if piece]


def match_white(text: Text, place: int) -> int:
    r"""`\s+(?!\S)|\s+`"""
    end = run(text, place, WHITE)
    return end - 1 if end < len(text) and end - place > 1 else end


def match_lines(text: Text, place: int) -> int:
    r"""`\s*[\r\n]+`: through the last line break in white space."""
    end = run(text, place, WHITE)
    while end > place and text[end - 1].value not in ("\r", "\n"):
        end -= 1
    return end


def match_deepseek_word(text: Text, place: int) -> int:
    first = text[place]
    if first.value.isascii() and first.kind == PUNCTUATION:
        end = place + 1
        while end < len(text) and is_ascii_letter(text[end]):
            end += 1
        if end > place + 1:
            return end
    if first.value not in ("\r", "\n") and not first.kind & (LETTER | PUNCTUATION):
        end = run(text, place + 1, LETTER | MARK)
        if end > place + 1:
            return end
    end = run(text, place, LETTER | MARK)
    if end > place:
        return end
    start = place + (first.value == " ")
    end = run(text, start, PUNCTUATION)
    if end > start:
        return lines(text, end)
    end = match_lines(text, place)
    return end if end > place else match_white(text, place)


def split_deepseek(text: Text) -> list[Text]:
    pieces = divide(text, lambda text, place: run(text, place, NUMBER, 3))
    pieces = [part for piece in pieces for part in divide(piece, lambda text, place: run(text, place, CJK))]
    return [part for piece in pieces for part in divide(piece, match_deepseek_word)]


def match_contraction(text: Text, place: int, modern: bool) -> int:
    if text[place].value != "'":
        return place
    for suffix in SUFFIXES:
        found = "".join(character.value for character in text[place + 1 : place + 1 + len(suffix)])
        if found == suffix or (modern and found.replace("ſ", "s").lower() == suffix):
            return place + 1 + len(suffix)
    return place


def match_gpt2(text: Text, place: int) -> int:
    end = match_contraction(text, place, modern=False)
    start = place + (text[place].value == " ")
    for kinds in (LETTER, NUMBER, SIGN):
        if end == place and run(text, start, kinds) > start:
            end = run(text, start, kinds)
    return end if end > place else match_white(text, place)


def match_llama(text: Text, place: int, digits: int) -> int:
    first = text[place]
    end = match_contraction(text, place, modern=True)
    if end > place:
        return end
    joins = first.value not in ("\r", "\n") and not first.kind & (LETTER | NUMBER)
    end = run(text, place + joins, LETTER)
    if end > place + joins:
        return end
    end = run(text, place, NUMBER, digits)
    if end > place:
        return end
    start = place + (first.value == " ")
    end = run(text, start, SIGN)
    if end > start:
        return lines(text, end)
    end = match_lines(text, place)
    return end if end > place else match_white(text, place)


SPLITS: dict[str, Callable[[Text], list[Text]]] = {
    "deepseek-v3": split_deepseek,
    "gpt-2": lambda text: divide(text, match_gpt2),
    "llama-3": lambda text: divide(text, lambda text, place: match_llama(text, place, 3)),
    "cl100k": lambda text: divide(text, lambda text, place: match_llama(text, place, 3)),
    "qwen-2": lambda text: divide(text, lambda text, place: match_llama(text, place, 1)),
}


def find_ends(pattern: str, text: bytes) -> list[int]:
    """Where the pieces of one text end, in bytes."""
    ends, end = [], 0
    for piece in SPLITS[pattern](read_text(text)):
        end += sum(character.length for character in piece)
        ends.append(end)
    return ends
