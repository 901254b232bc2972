"""What every model makes of spans of text: for each the number of a language's name, and a margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.languages.spans import Spans
from dspipe.text.arrow import Bytes

Numbers = NDArray[np.int64]

UNDETERMINED = "und"
# What models call a language → what recipes call it; zxx is text in no language.
NAMES = {"nn": "no", "nb": "no", "zxx": UNDETERMINED}


@dataclass(frozen=True)
class Guess:
    """For each span a name's number and its margin; -1 where the model knows of no language in it."""

    label: Numbers
    margin: NDArray[np.float32]

    def fill(self, chosen: NDArray[np.bool_], part: Guess) -> None:
        self.label[chosen], self.margin[chosen] = part.label, part.margin


class Guesser(Protocol):
    """A model of languages."""

    least_margin: float  # below it the language is undetermined, where the recipe does not say otherwise

    @property
    def names(self) -> tuple[str, ...]: ...

    def guess(self, text: Bytes, spans: Spans) -> Guess: ...

    def raise_margin(self, margin: float) -> float:
        """What is asked of a line that is not in its document's language."""
        ...
