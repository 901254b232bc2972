"""Texts and a pattern → where the pieces end, block by block, by a kernel where there is one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.bpe.pieces.characters import load_characters
from dspipe.bpe.pieces.deepseek import split_deepseek
from dspipe.bpe.pieces.gpt import split_gpt
from dspipe.bpe.pieces.library import LibrarySplitter
from dspipe.bpe.pieces.patterns import describe_pattern, recognise_pattern
from dspipe.text.arrow import Bytes, Offsets

# A kernel and its settings for each pattern that has one; for `split_gpt`: digits, modern.
KERNELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "deepseek-v3": (split_deepseek, ()),
    "gpt-2": (split_gpt, (0, False)),
    "llama-3": (split_gpt, (3, True)),
    "qwen-2": (split_gpt, (1, True)),
}


class WholeSplitter:
    """Cuts nothing: each text is one piece."""

    def split(self, text: Bytes, offsets: Offsets, place: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
        """As `Splitter.split` does it."""
        while place[0] < offsets.size - 1:
            first = int(place[0])
            last = min(offsets.size - 1, first + ends.size)
            found = offsets[first + 1 : last + 1][np.diff(offsets[first : last + 1]) > 0]
            place[:] = last, offsets[last]
            if found.size:
                ends[: found.size] = found
                return int(found.size)
        return 0


class Splitter:
    """Cuts texts into the pieces that merges never cross.

    Takes a pattern's name, its regexes, or the `pre_tokenizer` of a tokenizer.json. Raises RecipeError for an
    unknown name and for a regex that `tokenizers` refuses.

    Attributes:
        in_kernel: whether a kernel does it, or the `tokenizers` library.
    """

    def __init__(self, pattern: str | list[str] | dict[str, Any]) -> None:
        description = pattern if isinstance(pattern, dict) else describe_pattern(pattern)
        name = recognise_pattern(description)
        self.in_kernel = name in KERNELS
        if name in KERNELS:
            self._kernel, settings = KERNELS[name]
            self._settings = (*settings, *load_characters())
        else:
            self._library = LibrarySplitter(description)

    def split(self, text: Bytes, offsets: Offsets, place: NDArray[np.int64], ends: NDArray[np.int64]) -> int:
        """Find the ends of the next pieces; returns how many, 0 when all texts are done.

        `text` and `offsets` are those of `arrow.text_buffers`. `place` is [document, position], (2,), before
        the call and after it, [0, offsets[0]] at first. `ends` (m,) gets positions in `text`, in order,
        through one document after the other. A document's end is a piece's end; an empty one has no piece.
        """
        if self.in_kernel:
            return int(self._kernel(text, offsets, place, ends, *self._settings))
        return self._library.split(text, offsets, place, ends)
