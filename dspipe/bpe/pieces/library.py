"""Texts → where pieces end, for any pattern, by the `tokenizers` library: some hundred times slower."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.pieces.patterns import build_pretokenizer
from dspipe.text.arrow import Bytes, Offsets

ESCAPED, REPLACEMENT = 0xDC80, "\ue000"  # a byte that Python could not decode; a character of class other


class LibrarySplitter:
    """What `Splitter.split` does, one document after the other.

    The library cuts whole texts only, so the ends in the current document are kept, and found by `place`.
    A document costs about 120 times its size in memory while it is cut.
    """

    def __init__(self, description: dict[str, Any]) -> None:
        steps = description.get("pretokenizers", [description])
        if steps[-1].get("use_regex") is False and len(steps) > 1:
            steps = steps[:-1]  # bytes as characters are not asked for
        self._pretokenizer = build_pretokenizer({"type": "Sequence", "pretokenizers": steps})
        self._document: tuple[Bytes, Offsets, int] | None = None
        self._ends: Offsets = np.zeros(0, np.int64)

    def split(self, text: Bytes, offsets: Offsets, place: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
        written = 0
        while place[0] < offsets.size - 1 and written < ends.size:
            found = self._find_ends(text, offsets, int(place[0]))
            first = int(np.searchsorted(found, place[1], side="right"))
            taken = found[first : first + ends.size - written]
            ends[written : written + taken.size] = taken
            written += taken.size
            if taken.size:
                place[1] = taken[-1]
            if first + taken.size == found.size:
                place[:] = place[0] + 1, offsets[place[0] + 1]
        return written

    def _find_ends(self, text: Bytes, offsets: Offsets, document: int) -> Offsets:
        """The ends of all pieces of one document."""
        known = self._document
        if known is None or known[0] is not text or known[1] is not offsets or known[2] != document:
            start, end = int(offsets[document]), int(offsets[document + 1])
            self._ends = start + cut_text(self._pretokenizer, text[start:end].tobytes())
            self._document = (text, offsets, document)
        return self._ends


def cut_text(pretokenizer: Any, text: bytes) -> Offsets:
    """The ends of the pieces of one text, in bytes."""
    if not text:
        return np.zeros(0, np.int64)
    try:
        characters = text.decode()
        first_bytes = np.flatnonzero((np.frombuffer(text, np.uint8) & 0xC0) != 0x80)
        starts = np.append(first_bytes, len(text))
    except UnicodeDecodeError:
        characters, starts = read_broken(text)
    pieces = pretokenizer.pre_tokenize_str(characters)
    return starts[np.fromiter((end for _, (_, end) in pieces), np.int64, len(pieces))]


def read_broken(text: bytes) -> tuple[str, Offsets]:
    """Text that is not UTF-8, with a character for each byte that starts none: (it, where each begins)."""
    characters = text.decode("utf-8", "surrogateescape")
    points = np.frombuffer(characters.encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    lengths[(points >= ESCAPED) & (points < ESCAPED + 128)] = 1
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return "".join(REPLACEMENT if 0xD800 <= ord(c) < 0xE000 else c for c in characters), starts
