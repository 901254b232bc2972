"""A page and a seed → a copy as the web has them: words changed, framed, reordered, cut, other characters.

The same page, edit and seed give the same copy on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

LEAST_KEPT, MOST_KEPT = 0.5, 0.98  # of a truncated page
FRAME = (5, 40)  # words in a header, and in a footer

# A word, in scripts without spaces a character. What is not in a word stays as it is.
SPACELESS = (
    "\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
WORD = re.compile(rf"([{SPACELESS}]|[^\W_{SPACELESS}]+)")
LETTERS_AND_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
FULL_WIDTH = str.maketrans({letter: chr(ord(letter) + 0xFEE0) for letter in LETTERS_AND_DIGITS})


class Page(NamedTuple):
    """What an edit is given: a page, another one, words of many pages, and where chance comes from."""

    text: str
    other: str
    vocabulary: list[str]
    random: Random


Edit = Callable[[Page], str]


def substitute(page: Page, share: float) -> str:
    """A share of the words, one at least, replaced by words of other pages."""
    pieces = WORD.split(page.text)  # words at odd places
    places = range(1, len(pieces), 2)
    for place in page.random.sample(places, min(len(places), max(1, round(share * len(places))))):
        pieces[place] = page.random.choice(page.vocabulary)
    return "".join(pieces)


def frame(page: Page) -> str:
    """A header and a footer around the page."""
    header, footer = (
        " ".join(page.random.choices(page.vocabulary, k=page.random.randint(*FRAME))) for _ in range(2)
    )
    return f"{header}\n\n{page.text}\n\n{footer}"


def reorder(page: Page) -> str:
    """The paragraphs, or the lines where there are not three, in another order."""
    gap = "\n\n" if page.text.count("\n\n") > 1 else "\n"
    parts = page.text.split(gap)
    page.random.shuffle(parts)
    return gap.join(parts)


def truncate(page: Page) -> str:
    """The beginning of the page."""
    return page.text[: int(len(page.text) * page.random.uniform(LEAST_KEPT, MOST_KEPT))]


def concatenate(page: Page) -> str:
    """Another page behind the page."""
    return f"{page.text}\n\n{page.other}"


def decompose(page: Page) -> str:
    return unicodedata.normalize("NFD", page.text)


def widen(page: Page) -> str:
    """Letters and digits as wide as in East Asian type."""
    return page.text.translate(FULL_WIDTH)


def capitalize(page: Page) -> str:
    return page.text.upper()


def curl_quotes(page: Page) -> str:
    return re.sub(r'(^|\s)"', "\\1“", page.text).replace('"', "”").replace("'", "’")


def bind_spaces(page: Page) -> str:
    """One space in five becomes one at which lines are not broken."""
    return re.sub(" ", lambda _: "\u00a0" if page.random.random() < 0.2 else " ", page.text)


EDITS: dict[str, Edit] = {
    **{f"{percent} % of words": partial(substitute, share=percent / 100) for percent in (1, 2, 5, 10, 20)},
    "header and footer": frame,
    "reordered": reorder,
    "truncated": truncate,
    "two pages in one": concatenate,
    "NFD": decompose,
    "full-width letters": widen,
    "upper case": capitalize,
    "curly quotes": curl_quotes,
    "no-break spaces": bind_spaces,
}
