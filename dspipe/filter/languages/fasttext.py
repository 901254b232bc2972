"""Turns spans of text into the answers of a fastText model from a file, such as lid.176 or GlotLID.

The package is optional, and the model the user's own. A label of three letters becomes the two of ISO 639-1
where there are such; the script after it is left out. The margin is the best label's probability.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dspipe.filter.languages.codes import name_label
from dspipe.filter.languages.files import list_labels, refuse
from dspipe.filter.languages.guess import UNDETERMINED, Guess
from dspipe.filter.languages.spans import Spans
from dspipe.recipe import RecipeError
from dspipe.text.arrow import Bytes


class FastText:
    """A model that has been read, and its labels."""

    least_margin = 0.65  # FineWeb's

    def __init__(self, model: Any, labels: list[str]) -> None:
        self.model = model
        self.names = tuple(dict.fromkeys(map(name_label, labels)))
        numbers = {name: number for number, name in enumerate(self.names)} | {UNDETERMINED: -1}
        self.numbers = {label: numbers[name_label(label)] for label in labels}

    def raise_margin(self, margin: float) -> float:
        """With half of the doubt."""
        return 1 - (1 - margin) / 2

    def guess(self, text: Bytes, spans: Spans) -> Guess:
        guess = Guess(np.full(spans.starts.size, -1), np.zeros(spans.starts.size, np.float32))
        bounds = zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)
        for place, (start, end) in enumerate(bounds):
            # `predict` of the package fastText itself fails with numpy 2 where it makes an array of this.
            for margin, label in self.model.f.predict(read_line(text[start:end]) + "\n", 1, 0.0, "replace"):
                guess.label[place], guess.margin[place] = self.numbers[label], margin
        return guess


def read_line(piece: Bytes) -> str:
    """A piece of text as fastText takes it: in one line."""
    return piece.tobytes().decode("utf-8", "replace").replace("\n", " ")


@cache
def load_fasttext(path: Path) -> FastText:
    """Read the model.

    Raises:
        RecipeError: it cannot be read as one.
    """
    from fasttext import load_model

    labels = list_labels(path)
    try:
        return FastText(load_model(str(path)), labels)
    except (ValueError, MemoryError, RuntimeError):  # of a file that is cut off, too
        raise RecipeError(refuse(path)) from None
