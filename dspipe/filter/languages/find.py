"""Turns a column of text into the language of each document, and what its lines say of others in it.

The language is that of a document's first characters. With fewer letters than `language_letters`, or a margin
below `language_margin`, it is "und", never a guess.

Where the recipe asks for lines, each of them is asked for its own language, by the same model and with the
same bounds; that changes nothing about the document's. Of several thousand lines of commands and addresses
some always look like some language, so a line in another language than its document's needs a higher margin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from dspipe.filter.languages.bayes import NaiveBayes
from dspipe.filter.languages.fasttext import load_fasttext
from dspipe.filter.languages.files import find_model
from dspipe.filter.languages.guess import UNDETERMINED, Guess, Guesser, Numbers
from dspipe.filter.languages.lines import Letters
from dspipe.filter.languages.spans import find_prefixes, iterate_lines
from dspipe.recipe import Filter
from dspipe.text.arrow import Bytes, Offsets, text_buffers


def find_languages(texts: Any, settings: Filter) -> dict[str, Any]:
    """The columns `language`, `language_margin`, `language_share` and `second_language` of an Arrow array.

    The last two are null unless `language_lines` is set; `language_share` also where the language of no line
    is known, `second_language` where there is none.
    """
    guesser = load_guesser(settings)
    text, offsets = text_buffers(texts)
    prefixes = find_prefixes(text, offsets, settings.language_characters)
    guess = guesser.guess(text, prefixes)
    languages = decide_languages(guess, prefixes.letters, find_margin(guesser, settings), settings)
    letters = Letters()
    if settings.language_lines:
        letters = count_letters(text, offsets, languages, guesser, settings)
    mixture = letters.weigh(languages, guesser.names)
    return {
        "language": name_languages(languages, guesser, UNDETERMINED),
        "language_margin": pa.array(guess.margin),
        "language_share": pa.array(mixture.share, pa.float32(), from_pandas=True),  # NaN is null
        "second_language": name_languages(mixture.second, guesser, None),
    }


def load_guesser(settings: Filter) -> Guesser:
    model = find_model(settings)
    return NaiveBayes() if model is None else load_fasttext(model)


def decide_languages(guess: Guess, letters: Numbers, least: Numbers | float, settings: Filter) -> Numbers:
    """The number of each span's language, -1 where it is undetermined."""
    sure = (letters >= settings.language_letters) & (guess.margin >= least)
    return np.where(sure, guess.label, -1)


def count_letters(
    text: Bytes, offsets: Offsets, languages: Numbers, guesser: Guesser, settings: Filter
) -> Letters:
    """Find the language of every line and count its letters."""
    least, letters = find_margin(guesser, settings), Letters()
    for documents, lines in iterate_lines(text, offsets, settings.language_letters):
        guess = guesser.guess(text, lines)
        own = guess.label == languages[documents]
        bounds = np.where(own, least, guesser.raise_margin(least))
        letters.add(documents, decide_languages(guess, lines.letters, bounds, settings), lines.letters)
    return letters


def find_margin(guesser: Guesser, settings: Filter) -> float:
    return guesser.least_margin if settings.language_margin is None else settings.language_margin


def name_languages(languages: Numbers, guesser: Guesser, nameless: str | None) -> Any:
    """An Arrow array of names, with `nameless` for -1."""
    names = pa.array([*guesser.names, nameless], pa.string())
    return names.take(pa.array(np.where(languages >= 0, languages, len(names) - 1)))
