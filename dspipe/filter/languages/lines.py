"""Turns the languages of a document's lines into what is to be known of a document in several languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.languages.guess import Numbers

LANGUAGES = 16  # bits of a key for the language, below the document


class Mixture(NamedTuple):
    """For each document the share of its own language, and the number of the next, -1 for none.

    The share is NaN where no line's language is known.
    """

    share: NDArray[np.float32]
    second: Numbers


@dataclass
class Letters:
    """How many letters each document has in lines of each language."""

    keys: list[Numbers] = field(default_factory=list)  # document << LANGUAGES | language
    sums: list[Numbers] = field(default_factory=list)

    def add(self, documents: Numbers, languages: Numbers, letters: Numbers) -> None:
        """Count some lines, but for those of undetermined language, -1."""
        known = languages >= 0
        keys, sums = add_up((documents << LANGUAGES | languages)[known], letters[known])
        self.keys.append(keys)
        self.sums.append(sums)

    def weigh(self, languages: Numbers, names: Sequence[str]) -> Mixture:
        """What they say of documents in `languages`.

        Of languages with as many letters the first by name is the second of the document.
        """
        none = np.zeros(0, np.int64)
        keys, sums = add_up(np.concatenate([none, *self.keys]), np.concatenate([none, *self.sums]))
        documents, found = keys >> LANGUAGES, keys & ((1 << LANGUAGES) - 1)
        own = languages[documents] == found
        known = np.bincount(documents, sums, languages.size)
        with np.errstate(invalid="ignore"):
            share = np.bincount(documents[own], sums[own], languages.size) / known
        others = np.flatnonzero(~own)
        by_name = np.argsort(np.argsort(names, kind="stable"))
        others = others[np.lexsort((by_name[found[others]], -sums[others], documents[others]))]
        second = np.full(languages.size, -1)
        mixed, first = np.unique(documents[others], return_index=True)
        second[mixed] = found[others[first]]
        return Mixture(share.astype(np.float32), second)


def add_up(keys: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """(each key once, the sum of its values)"""
    found, places = np.unique(keys, return_inverse=True)
    sums = np.zeros(found.size, np.int64)
    np.add.at(sums, places, values)
    return found, sums
