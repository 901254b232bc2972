"""The signals of one document by Python's strings: the slow twin of `dspipe.filter.signals`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dspipe.text.unicode import BULLET, CLOSING, LETTER, MARK, NEWLINE, SENTENCE_END, SPACE
from tests.reference.words import class_of, entry_of, split_words

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def measure(text: str) -> dict[str, Any]:
    words = split_words(text)
    tokens = split_tokens(text)
    lines = [line.replace("\r", "") for line in text.split("\n")]
    if lines[-1] == "" and not text.endswith("\r"):
        lines.pop()  # a line end at the end opens no line
    raw = [line for line in (strip(line) for line in text.split("\n")) if line]
    filled = [len(line.replace("\r", "")) for line in raw]
    repeated = sum(length for place, length in enumerate(filled) if raw[place] in raw[:place])
    symbols = max(text.count("#"), len(re.findall(r"\.{3,}|…", text)))
    return {
        "characters": len(text),
        "words": len(words),
        "lines": len(lines),
        "mean_word_length": share(sum(map(len, words)), len(words)),
        "mean_line_length": share(sum(map(len, lines)), len(lines)),
        "longest_line": max(map(len, lines), default=0),
        "symbol_ratio": share(symbols, max(len(words), 1)),
        "bullet_lines": share(sum(map(is_bullet, raw)), len(raw)),
        "ellipsis_lines": share(sum(line.endswith(("...", "…")) for line in raw), len(raw)),
        "ended_lines": share(sum(map(ends_sentence, raw)), len(raw)),
        "short_lines": share(sum(length < 30 for length in filled), len(raw)),
        "duplicate_lines": share(repeated, sum(filled)),
        "alphabetic_words": share(sum(any(map(is_letter, token)) for token in tokens), len(tokens)),
        "alphabetic_characters": share(sum(map(count_letters, words)), len(text)),
        "stop_words": len(STOP_WORDS & {word.lower() for word in words if word.isascii()}),
        "sentences": count_sentences(text),
        "curly_brackets": text.count("{"),
        "lorem_ipsum": has_lorem_ipsum(text),
    }


def share(part: int, whole: int) -> float:
    return float(np.float32(part / whole)) if whole else 0.0


def is_space(character: str) -> bool:
    return class_of(character) in (SPACE, NEWLINE)


def is_letter(character: str) -> bool:
    return class_of(character) == LETTER


def count_letters(word: str) -> int:
    kinds = [class_of(character) for character in word]
    return sum(
        kind == LETTER or (kind == MARK and LETTER in kinds[:place]) for place, kind in enumerate(kinds)
    )


def split_tokens(text: str) -> list[str]:
    spaced = "".join("\n" if is_space(character) else character for character in text)
    return [token for token in spaced.split("\n") if token]


def strip(line: str) -> str:
    while line and is_space(line[0]):
        line = line[1:]
    while line and is_space(line[-1]):
        line = line[:-1]
    return line


def is_bullet(line: str) -> bool:
    if line[0] in "-*":
        return len(line) == 1 or is_space(line[1])
    return bool(entry_of(line[0]) & BULLET)


def ends_sentence(line: str) -> bool:
    while line and not entry_of(line[-1]) & SENTENCE_END:
        if not entry_of(line[-1]) & CLOSING:
            return False
        line = line[:-1]
    return bool(line)


def count_sentences(text: str) -> int:
    """At each place where a sentence may end: was there a word since the last end?"""
    sentences, start = 0, 0
    for place, character in enumerate(text):
        mark = entry_of(character) & SENTENCE_END
        wide = mark and ord(character) >= 0x3000
        broken = place + 1 == len(text) or is_space(text[place + 1])
        if wide or (broken and ends_sentence(text[start : place + 1])):
            sentences += bool(split_words(text[start:place]))
            start = place + 1
    return sentences


def has_lorem_ipsum(text: str) -> bool:
    """The word "lorem", alone, and one space and "ipsum" after it, in ASCII letters of any case."""
    for found in re.finditer(r"lorem(?= ipsum)", text, re.IGNORECASE | re.ASCII):
        before = split_words(text[: found.end()])
        if before and before[-1].lower() == "lorem" and before[-1].isascii():
            return True
    return False
