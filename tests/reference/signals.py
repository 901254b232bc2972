"""The signals of one document by Python's strings: the slow twin of `dspipe.filter.quality.signals`."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from dspipe.filter.quality.stop_words import WORDS_BY_LANGUAGE
from dspipe.text.unicode import (
    BULLET,
    CLOSING,
    LETTER,
    MARK,
    NEWLINE,
    NUMBER,
    PUNCTUATION,
    SENTENCE_END,
    SPACE,
    SPACELESS,
    SYMBOL,
    UPPER,
)  # fmt: skip
from tests.reference.words import class_of, entry_of, split_words

STOP_WORDS = {words[0]: set(words[1:]) for words in map(str.split, WORDS_BY_LANGUAGE.strip().split("\n"))}
PHRASES = (
    ("terms", "of", "use"), ("privacy", "policy"), ("cookie", "policy"), ("uses", "cookies"),
    ("use", "of", "cookies"), ("use", "cookies"),
)  # fmt: skip


class Token(NamedTuple):
    text: str
    word: bool  # rather than a mark


def measure(text: str, language: str = "und") -> dict[str, Any]:
    words, tokens = split_words(text), split_tokens(text)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()  # a line end at the end opens no line
    filled = [line for line in lines if strip(line)]
    letters = sum(map(count_letters, words))
    size, found = len(text), find_stop_words(words, language)
    return {
        "characters": size,
        "words": len(words),
        "lines": len(lines),
        "sentences": count_sentences(text),
        "mean_word_length": share(sum(map(len, words)), len(words)),
        "mean_line_length": share(sum(map(len, lines)), len(lines)),
        "longest_line": max(map(len, lines), default=0),
        "alphabetic_characters": share(letters, size),
        "uppercase_characters": share(sum(map(count_capitals, words)), size),
        "digit_characters": share(sum(class_of(c) == NUMBER for c in text), size),
        "symbol_characters": share(sum(class_of(c) in (PUNCTUATION, SYMBOL) for c in text), size),
        "alphabetic_words": share(sum(map(has_letters, split_chunks(text))), len(split_chunks(text))),
        "alphabetic_tokens": share(sum(map(has_letter, tokens)), len(tokens)),
        "capital_words": share(sum(len(w) > 1 and count_capitals(w) == len(w) for w in words), len(words)),
        **measure_words([token.text for token in tokens if token.word]),
        "stop_words": None if found is None else len(set(found)),
        "stop_word_share": None if found is None else share(len(found), len(words)),
        "hash_ratio": share(text.count("#"), len(tokens)),
        "ellipsis_ratio": share(len(re.findall(r"\.{3,}|…", text)), len(tokens)),
        "bullet_lines": share(sum(is_bullet(strip(line)) for line in filled), len(lines)),
        "ellipsis_lines": share(sum(strip(line).endswith(("...", "…")) for line in filled), len(lines)),
        "ended_lines": share(sum(map(ends_sentence, filled)), len(filled)),
        "short_lines": share(sum(len(line) <= 30 for line in filled), len(filled)),
        "numeric_lines": share(sum(map(is_numeric, filled)), len(filled)),
        "uppercase_lines": share(sum(map(is_uppercase, filled)), len(filled)),
        "single_word_lines": share(sum(len(split_words(line)) == 1 for line in filled), len(filled)),
        "javascript_lines": share(sum(map(has_javascript, filled)), len(filled)),
        "policy_lines": share(sum(map(has_policy, filled)), len(filled)),
        "lines_per_token": share(text.count("\n"), len(tokens)),
        "kept_sentences": sum(
            max(count_line_sentences(text, number), 1) for number, line in enumerate(lines) if is_kept(line)
        ),
        "curly_brackets": text.count("{"),
        "kept_curly_brackets": sum(line.count("{") for line in lines if is_kept(line, banners=True)),
        "lorem_ipsum": any(has_phrase(line, ("lorem", "ipsum")) for line in lines),
        **measure_copies(filled, lines, text),
        **measure_n_grams(tokens, words, size),
    }  # fmt: skip


def share(part: float, whole: int) -> float:
    return float(np.float32(part / whole)) if whole else 0.0


# Words and tokens


def measure_words(words: list[str]) -> dict[str, Any]:
    counts = Counter(words).values()
    entropy = math.log(len(words)) - sum(c * math.log(c) for c in counts) / len(words) if words else 0.0
    return {"unique_words": share(len(counts), len(words)), "word_entropy": float(np.float32(entropy))}


def find_stop_words(words: list[str], language: str) -> list[str] | None:
    listed = STOP_WORDS.get(language)
    if listed is None:
        return None
    forms = {form: word for word in sorted(listed) for form in (word, word.capitalize(), word.upper())}
    return [forms[word] for word in words if word in forms]


def split_tokens(text: str) -> list[Token]:
    """Words, each with all that is joined to it, and runs of the same mark."""
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        if is_word_character(text[place]):
            end = join_words(text, place)
        elif is_suffix(text, place, tokens):
            end = join_words(text, place + 1)
        elif is_space(text[place]):
            place += 1
            continue
        else:
            end = place + 1
            while end < len(text) and text[end] == text[place] and not is_suffix(text, end, []):
                end += 1
            tokens.append(Token(text[place:end], False))
            place = end
            continue
        tokens.append(Token(text[place:end], True))
        place = end
    return tokens


def join_words(text: str, place: int) -> int:
    """Where the token ends whose word begins at a place."""
    while True:
        word = split_words(text[place:])[0]
        end = place + len(word)
        joins = not entry_of(word[0]) & SPACELESS and text[end : end + 1] and text[end] in ".,:@_"
        if not (joins and is_word_character(text[end + 1 : end + 2])):
            return end
        place = end + 1


def is_suffix(text: str, place: int, tokens: list[Token]) -> bool:
    """An apostrophe directly behind a word and before a letter."""
    if text[place] not in "'’" or class_of(text[place + 1 : place + 2] or " ") != LETTER:
        return False
    return bool(tokens) and tokens[-1].word and not is_space(text[place - 1]) and ends_word(text[:place])


def ends_word(text: str) -> bool:
    """Whether a text ends in a word: marks may follow its letters."""
    words = split_words(text)
    return bool(words) and text.endswith(words[-1])


def is_word_character(character: str) -> bool:
    return bool(character) and class_of(character) in (LETTER, NUMBER)


def has_letter(token: Token) -> bool:
    return token.word and has_letters(token.text)


def has_letters(text: str) -> bool:
    return any(map(count_letters, split_words(text)))


def is_space(character: str) -> bool:
    return class_of(character) in (SPACE, NEWLINE)


def count_letters(word: str) -> int:
    kinds = [class_of(character) for character in word]
    return sum(
        kind == LETTER or (kind == MARK and LETTER in kinds[:place]) for place, kind in enumerate(kinds)
    )


def count_capitals(word: str) -> int:
    return sum(bool(entry_of(character) & UPPER) for character in word)


# Lines and sentences


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
    return bool(entry_of(line[-1]) & SENTENCE_END) and line[-1] != "…"


def is_numeric(line: str) -> bool:
    words = split_words(line)
    return not sum(map(count_letters, words)) and any(class_of(c) == NUMBER for c in line)


def is_uppercase(line: str) -> bool:
    words = split_words(line)
    return 2 * sum(map(count_capitals, words)) > sum(map(count_letters, words))


def is_kept(line: str, banners: bool = False) -> bool:
    chunks = split_chunks(line)
    if len(chunks) < 3 or max(map(len, chunks)) > 1000 or has_javascript(line):
        return False
    if has_policy(line) and not banners:
        return False
    line = strip(line)
    return not line.endswith(("...", "…")) and (line[-1] in "\"'" or ends_sentence(line))


def split_chunks(text: str) -> list[str]:
    return [chunk for chunk in "".join("\n" if is_space(c) else c for c in text).split("\n") if chunk]


def has_javascript(line: str) -> bool:
    forms = {"javascript", "Javascript", "JAVASCRIPT", "JavaScript"}
    return any(word in forms for word in split_words(line))


def has_policy(line: str) -> bool:
    return any(has_phrase(line, phrase) for phrase in PHRASES)


def has_phrase(line: str, phrase: tuple[str, ...]) -> bool:
    """Whether words stand side by side, one space apart, each small, capitalised or in capitals."""
    forms = ["|".join((word, word.capitalize(), word.upper())) for word in phrase]
    for found in re.finditer(f"(?=({' '.join(f'(?:{form})' for form in forms)}))", line):
        words = split_words(line[: found.end(1)])
        after = split_words(line[found.start(1) :])
        parts = found[1].split(" ")
        if words[-len(parts) :] == parts and after[: len(parts)] == parts:
            return True
    return False


def mark_sentences(text: str) -> list[int]:
    """At each place where a sentence may end: was there a word since the last end? The places of the ends."""
    ends, start = [], 0
    for place, character in enumerate(text):
        mark = entry_of(character) & SENTENCE_END
        wide = mark and ord(character) >= 0x3000
        broken = place + 1 == len(text) or is_space(text[place + 1])
        if wide or (broken and closes_sentence(text[start : place + 1])):
            if split_words(text[start:place]):
                ends.append(place)
            start = place + 1
    return ends


def closes_sentence(text: str) -> bool:
    """Whether a text ends as a sentence does, closing quotes and brackets after the mark allowed."""
    while text and not entry_of(text[-1]) & SENTENCE_END:
        if not entry_of(text[-1]) & CLOSING:
            return False
        text = text[:-1]
    return bool(text)


def count_sentences(text: str) -> int:
    return len(mark_sentences(text))


def count_line_sentences(text: str, number: int) -> int:
    begin = sum(len(line) + 1 for line in text.split("\n")[:number])
    end = begin + len(text.split("\n")[number])
    return sum(begin <= place < end for place in mark_sentences(text))


# Repetition


def measure_copies(filled: list[str], lines: list[str], text: str) -> dict[str, Any]:
    paragraphs = split_paragraphs(lines)
    characters = len(text) - text.count("\n")
    return {
        "paragraphs": len(paragraphs),
        "duplicate_lines": share(len(find_copies(filled)), len(filled)),
        "duplicate_line_characters": share(sum(map(len, find_copies(filled))), characters),
        "duplicate_paragraphs": share(len(find_copies(paragraphs)), len(paragraphs)),
        "duplicate_paragraph_characters": share(sum(map(len, find_copies(paragraphs))), len(text)),
    }


def find_copies(things: list[str]) -> list[str]:
    return [thing for place, thing in enumerate(things) if thing in things[:place]]


def split_paragraphs(lines: list[str]) -> list[str]:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if strip(line):
            paragraphs[-1].append(line)
        else:
            paragraphs.append([])
    return ["\n".join(paragraph) for paragraph in paragraphs if paragraph]


def measure_n_grams(tokens: list[Token], words: list[str], size: int) -> dict[str, Any]:
    texts = [token.text for token in tokens]
    spaceless = 2 * sum(bool(entry_of(word[0]) & SPACELESS) for word in words) > len(words)
    scale = 2 if spaceless else 1
    found = {f"top_{n}_gram": find_top(texts, n, scale) for n in (2, 3, 4)}
    found |= {f"duplicate_{n}_grams": find_repeated(texts, n * scale) for n in range(5, 11)}
    return {name: share(characters, size) for name, characters in found.items()}


def list_n_grams(texts: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(texts[place : place + n]) for place in range(len(texts) - n + 1)]


def find_top(texts: list[str], n: int, scale: int) -> int:
    counts = Counter(list_n_grams(texts, n * scale))
    spaces = n - 1 if scale == 1 else 0
    most = max(counts.values(), default=0)
    longest = max((sum(map(len, gram)) for gram, count in counts.items() if count == most), default=0)
    return most * (longest + spaces) if most > 1 else 0


def find_repeated(texts: list[str], n: int) -> int:
    """Characters of the n-grams that were there before, from left to right, none counted twice."""
    seen: set[tuple[str, ...]] = set()
    characters, free = 0, 0
    for place, gram in enumerate(list_n_grams(texts, n)):
        if gram in seen and place >= free:
            characters += sum(map(len, gram))
            free = place + n
        seen.add(gram)
    return characters
