"""Turns the column `license` into a mask of the documents that go, as robots.txt judges paths (RFC 9309).

Patterns are matched by RE2, which Arrow has: its time is linear in the text whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.recipe import Licenses, RecipeError

UNKNOWN = "unknown"  # what a document without a licence is matched as
NONE = -1
LONGEST = 1000  # bytes of a pattern; RE2 gives up at some ten thousands of `?`


def find_unlicensed(column: Any, licenses: Licenses) -> NDArray[np.bool_]:
    """bool[documents]: True where the longest pattern that fits a licence is one of `deny`, not of `allow`.

    A licence that no pattern fits stays, unless only `allow` is given. `column` is an Arrow array of strings;
    each distinct licence is looked at once.
    """
    if not (licenses.allow or licenses.deny):
        return np.zeros(len(column), bool)
    encoded = column.fill_null(UNKNOWN).dictionary_encode()
    allowed = find_longest(encoded.dictionary, licenses.allow)
    denied = find_longest(encoded.dictionary, licenses.deny)
    goes = denied > allowed if licenses.deny else allowed == NONE
    return np.asarray(goes[encoded.indices.to_numpy()], bool)


def check_licenses(licenses: Licenses) -> None:
    """Refuse patterns that RE2 has no room for.

    Raises:
        RecipeError: one sentence with the key.
    """
    for key, patterns in (("allow", licenses.allow), ("deny", licenses.deny)):
        for pattern in patterns:
            if len(pattern.encode()) > LONGEST:
                raise RecipeError(
                    f"filter.licenses.{key}: {pattern[:40]}… has more than {LONGEST} bytes; shorten it with *"
                )


def find_longest(values: Any, patterns: Sequence[str]) -> NDArray[np.int64]:
    """The length in bytes of the longest pattern that fits each value, NONE where none does."""
    longest = np.full(len(values), NONE, np.int64)
    for pattern in patterns:
        fits = pc.match_substring_regex(values, write_expression(pattern), ignore_case=True)
        np.maximum(longest, len(pattern.encode()), out=longest, where=fits.to_numpy(zero_copy_only=False))
    return longest


def write_expression(pattern: str) -> str:
    """RE2 of a pattern for the whole of a text: `*` is anything, `?` one character, the rest itself.

    `*` is any bytes, so that it also passes over what is no UTF-8; `?` is none of that.

    >>> write_expression("CC-BY*")
    '(?s)\\\\ACC\\\\-BY\\\\C*\\\\z'
    """
    pieces = {"*": r"\C*", "?": "."}
    return r"(?s)\A" + "".join(pieces.get(letter) or re.escape(letter) for letter in pattern) + r"\z"
