"""Tokens and shingles as they are defined, one by one: the slow twin of `dspipe.dedup.signatures`.

Where the fast path folds characters by a table and brings only some texts to NFKC, here every text is brought
to NFKC, and its case is folded by the standard library.
"""

from __future__ import annotations

import hashlib

import unicodedata2

from tests.reference.words import split_words

LOW = (1 << 64) - 1
STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def fold_case(character: str) -> str:
    for folded in (character.casefold(), character.lower(), character.lower()[:1]):
        if len(folded) == 1:
            return folded
    return character


def list_tokens(text: str, unit: str = "words") -> list[str]:
    words = ["".join(map(fold_case, word)) for word in split_words(unicodedata2.normalize("NFKC", text))]
    if unit == "words":
        return words
    tokens: list[str] = []
    position, normal = 0, unicodedata2.normalize("NFKC", text)
    for number, word in enumerate(split_words(normal)):
        begin = normal.index(word, position)
        if number and begin > position:
            tokens.append(" ")
        tokens += map(fold_case, word)
        position = begin + len(word)
    return tokens


def hash_token(token: str) -> int:
    data = token.encode()
    value = 0
    for start in range(0, len(data), 8):
        value = (value ^ int.from_bytes(data[start : start + 8], "little")) * FIRST & LOW
        value ^= value >> 29
    value = (value ^ len(data)) * SECOND & LOW
    value = (value ^ value >> 33) * FIRST & LOW
    return value ^ value >> 33


def hash_run(tokens: list[str]) -> int:
    value = 0
    for token in tokens:
        value = (value * STEP + hash_token(token)) & LOW
    value = (value ^ value >> 33) * FIRST & LOW
    value = (value ^ value >> 33) * SECOND & LOW
    return value ^ value >> 33


def write_run(tokens: list[str], unit: str) -> bytes:
    return (" " if unit == "words" else "").join(tokens).encode()


def list_shingles(text: str, size: int = 5, unit: str = "words", hashing: str = "dspipe") -> list[int]:
    tokens = list_tokens(text, unit)
    runs = [tokens[first : first + size] for first in range(len(tokens) - size + 1)]
    if hashing == "datasketch":
        return [int.from_bytes(hashlib.sha1(write_run(run, unit)).digest()[:8], "little") for run in runs]
    return [hash_run(run) for run in runs]


def shingle_set(text: str, size: int = 5, unit: str = "words") -> set[tuple[str, ...]]:
    tokens = list_tokens(text, unit)
    return {tuple(tokens[first : first + size]) for first in range(len(tokens) - size + 1)}
