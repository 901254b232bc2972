"""A token's bytes → the script of its letters, or what else it is made of."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from functools import cache

# Blocks of Unicode with letters, by script; what is neither letter nor mark counts for no script.
BLOCKS = (
    ("Latin", "41-5A 61-7A AA BA C0-24F 250-2AF 1D00-1DBF 1E00-1EFF 2C60-2C7F A720-A7FF AB30-AB6F FF21-FF5A"),
    ("Greek", "370-3FF 1F00-1FFF"),
    ("Cyrillic", "400-52F 1C80-1C8F 2DE0-2DFF A640-A69F"),
    ("Armenian", "530-58F"),
    ("Hebrew", "590-5FF FB1D-FB4F"),
    ("Arabic", "600-6FF 750-77F 870-8FF FB50-FDFF FE70-FEFF"),
    ("Syriac", "700-74F"),
    ("Thaana", "780-7BF"),
    ("N'Ko", "7C0-7FF"),
    ("Devanagari", "900-97F A8E0-A8FF"),
    ("Bengali", "980-9FF"),
    ("Gurmukhi", "A00-A7F"),
    ("Gujarati", "A80-AFF"),
    ("Odia", "B00-B7F"),
    ("Tamil", "B80-BFF"),
    ("Telugu", "C00-C7F"),
    ("Kannada", "C80-CFF"),
    ("Malayalam", "D00-D7F"),
    ("Sinhala", "D80-DFF"),
    ("Thai", "E00-E7F"),
    ("Lao", "E80-EFF"),
    ("Tibetan", "F00-FFF"),
    ("Myanmar", "1000-109F A9E0-A9FF AA60-AA7F"),
    ("Georgian", "10A0-10FF 1C90-1CBF 2D00-2D2F"),
    ("Hangul", "1100-11FF 3130-318F A960-A97F AC00-D7FF"),
    ("Ethiopic", "1200-139F 2D80-2DDF AB00-AB2F"),
    ("Cherokee", "13A0-13FF AB70-ABBF"),
    ("Canadian", "1400-167F 18B0-18FF"),
    ("Khmer", "1780-17FF"),
    ("Mongolian", "1800-18AF"),
    ("Ol Chiki", "1C50-1C7F"),
    ("Tifinagh", "2D30-2D7F"),
    ("Bopomofo", "3100-312F 31A0-31BF"),
    ("Yi", "A000-A4CF"),
    ("Javanese", "A980-A9DF"),
    ("Kana", "3040-30FF 31F0-31FF FF66-FF9F"),
    ("Han", "2E80-2FDF 3005-3007 3400-4DBF 4E00-9FFF F900-FAFF 20000-3FFFF"),
)
BYTES, DIGITS, SPACES, SIGNS, MIXED, OTHER = (
    "bytes",
    "digits",
    "white space",
    "signs",
    "mixed",
    "other letters",
)


@cache
def list_ranges() -> tuple[list[int], list[tuple[int, str]]]:
    """Where ranges begin, ascending, and for each its end and script."""
    ranges = []
    for script, blocks in BLOCKS:
        for block in blocks.split():
            first, _, last = block.partition("-")
            ranges.append((int(first, 16), int(last or first, 16), script))
    ranges.sort()
    return [first for first, _, _ in ranges], [(last, script) for _, last, script in ranges]


def find_script(character: str) -> str:
    starts, ranges = list_ranges()
    place = bisect_right(starts, ord(character)) - 1
    if place >= 0 and ord(character) <= ranges[place][0]:
        return ranges[place][1]
    return OTHER


def is_of_script(character: str) -> bool:
    """Whether it is a letter, or a mark that is of one script: a vowel sign is, an accent is not."""
    category = unicodedata.category(character)
    return category[0] == "L" or (category[0] == "M" and find_script(character) != OTHER)


def name_script(token: bytes) -> str:
    """The script of a token's letters; `bytes` where it is a part of characters.

    >>> name_script(" tea".encode()), name_script("水".encode()[:2]), name_script(b"123")
    ('Latin', 'bytes', 'digits')
    """
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return BYTES
    scripts = {find_script(character) for character in text if is_of_script(character)}
    if scripts == {"Han", "Kana"}:
        return "Kana"
    if scripts:
        return scripts.pop() if len(scripts) == 1 else MIXED
    if any(character.isnumeric() for character in text):
        return DIGITS
    return SPACES if text.isspace() else SIGNS
