"""Languages by py3langid itself, a text or a line at a time: the slow twin of `dspipe.filter.languages`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
from py3langid.langid import _get_identifier

from dspipe.recipe import Filter
from dspipe.text.unicode import LETTER, SPACE
from tests.reference.words import class_of

NAMES = {"nn": "no", "nb": "no", "zxx": "und"}


def guess(text: str) -> tuple[str | None, float]:
    """(label, lead over the next of another name), or (None, 0) where no feature of the model occurs."""
    identifier = _get_identifier()
    ranked: dict[str, float] = {}
    for label, score in identifier.rank(text):
        ranked.setdefault(NAMES.get(label, label), score)
    scores = list(ranked.items())
    if scores[0][1] <= float(np.finfo(np.float32).min):
        return None, 0.0
    assert identifier.classify(text)[0] in (
        scores[0][0],
        *(old for old, new in NAMES.items() if new == scores[0][0]),
    )
    return scores[0][0], scores[0][1] - scores[1][1]


def find_language(text: str, least: float, settings: Filter) -> str:
    """The language of a text, if its margin is at least this."""
    label, lead = guess(text)
    prepared = text.lower() if text.isupper() else text
    margin = lead / max(len(prepared.encode()), 1) ** 0.5
    enough = count_letters(text) >= settings.language_letters and margin >= least
    return label if enough and label is not None else "und"


def count_letters(text: str) -> int:
    return sum(class_of(character) == LETTER for character in text)


def split_lines(text: str) -> list[str]:
    """The lines, without the white space at their ends."""
    lines = re.split("[\r\n]", text)
    return [line[slice(*find_bounds([class_of(character) != SPACE for character in line]))] for line in lines]


def find_bounds(wanted: list[bool]) -> tuple[int, int]:
    places = [place for place, is_wanted in enumerate(wanted) if is_wanted]
    return (places[0], places[-1] + 1) if places else (0, 0)


def describe_lines(text: str, language: str, settings: Filter) -> tuple[float | None, str | None]:
    """(share of the letters in lines of known language that are in `language`, the next language)"""
    least = 0.5 if settings.language_margin is None else settings.language_margin
    letters: Counter[str] = Counter()
    for line in split_lines(text):
        found = find_language(line, least, settings)
        if found != language:
            found = find_language(line, 2 * least, settings)
        if found != "und":
            letters[found] += count_letters(line)
    others = sorted((-count, name) for name, count in letters.items() if name != language and count)
    share = letters[language] / letters.total() if letters.total() else None
    return share, others[0][1] if others else None


def build_automaton(ngrams: Iterable[bytes]) -> tuple[list[list[int]], list[int]]:
    """Of Aho and Corasick: (next state by state and byte, number of what each state counts or -1)."""
    ngrams = list(ngrams)
    texts = sorted({ngram[:length] for ngram in ngrams for length in range(len(ngram) + 1)}, key=len)
    states = {text: state for state, text in enumerate(texts)}

    def longest_end(text: bytes) -> int:
        return next(states[text[cut:]] for cut in range(len(text) + 1) if text[cut:] in states)

    following = [[longest_end(text + bytes([byte])) for byte in range(256)] for text in texts]
    return following, [find_longest(text, ngrams) for text in texts]


def find_longest(text: bytes, ngrams: list[bytes]) -> int:
    """The number of the longest n-gram that a text ends with, -1 for none."""
    fitting = [(len(ngram), number) for number, ngram in enumerate(ngrams) if text.endswith(ngram)]
    return max(fitting)[1] if fitting else -1
