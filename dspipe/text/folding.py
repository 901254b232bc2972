"""Turns characters into what they are compared by: lower case, and one form of letters that have several.

A letter, mark or number becomes the case folding of its compatibility form (NFKC): "Ａ" and "𝐀" become "a",
"ς" becomes "σ". That works character by character for nearly all text. Where a text needs more (a combining
accent, a ligature, "™"), the character is flagged NORMALIZES: who meets one brings the whole text to NFKC and
starts again. Like the classes (`unicode.py`), the table is data of one Unicode version, shipped with dspipe;
`python -m dspipe.text.folding` builds it anew from the package `unicodedata2`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.text.arrow import read_only
from dspipe.text.unicode import BLOCK, BLOCKS, CLASS, LETTER, MARK, NUMBER, SPACELESS, VERSION, find_composing

FILE = Path(__file__).with_name(f"folds-{VERSION}.npz")

NORMALIZES = 1 << 21  # above all code points
POINT = NORMALIZES - 1


class Folds(NamedTuple):
    """The table, as every kernel takes it: the number of each block, and its folded code points and flags."""

    blocks: NDArray[np.uint16]
    points: NDArray[np.int32]  # less the code point itself, so that most blocks are the same


@cache
def load_folds() -> Folds:
    """Read the table that is shipped with dspipe."""
    with np.load(FILE, allow_pickle=False) as stored:
        blocks = np.zeros(BLOCKS, np.uint16)
        blocks[: stored["blocks"].size] = stored["blocks"]
        return Folds(read_only(blocks), read_only(stored["points"]))


def build_folds() -> NDArray[np.int32]:
    """For each code point: what it is folded to less itself, plus NORMALIZES where that is not all."""
    import unicodedata2

    from dspipe.text.unicode import build_classes

    entries = build_classes()
    kinds = entries & CLASS
    composing = find_composing()
    folds = np.zeros(0x110000, np.int32)
    for point in range(0x110000):
        character = chr(point)
        if unicodedata2.category(character) in ("Cn", "Co", "Cs"):
            continue
        form = unicodedata2.normalize("NFKC", character)
        word = kinds[point] in (LETTER, MARK, NUMBER)
        if word:
            plain = len(form) == 1 and joins_alike(entries[point], entries[ord(form)])
        else:
            plain = not any(kinds[ord(c)] in (LETTER, NUMBER) for c in form)
        if not plain or composing[point] or (word and composing[ord(form)]):
            folds[point] = NORMALIZES
        elif word:
            folds[point] = ord(fold_case(form)) - point
    return folds


def joins_alike(entry: int, other: int) -> bool:
    """Whether two characters of words begin and end them alike."""
    both = entry & CLASS, other & CLASS
    marks = [kind == MARK for kind in both]
    return marks[0] == marks[1] and set(both) <= {LETTER, MARK, NUMBER} and not (entry ^ other) & SPACELESS


def fold_case(character: str) -> str:
    """Case folding where that is one character, else lower case, else the character."""
    for folded in (character.casefold(), character.lower(), character.lower()[:1]):
        if len(folded) == 1:
            return folded
    return character


def write_folds(path: Path = FILE) -> None:
    """Store the table as its distinct blocks and, for each block of code points, the number of its own."""
    points, blocks = np.unique(build_folds().reshape(-1, BLOCK), axis=0, return_inverse=True)
    np.savez_compressed(path, blocks=blocks.ravel().astype(np.uint16), points=points.ravel())


if __name__ == "__main__":
    write_folds()
    print(f"{FILE}: {FILE.stat().st_size:,} bytes, Unicode {VERSION}")
