"""A text to hide in + a tokenizer → rows of a length with a pass key in them, which their end asks for.

"The pass key of amber is 48213." stands somewhere in running text; a row ends with "The pass key of amber is
48213", of which the number's tokens are the answer. The haystack is whatever rows it is taken from, one piece
after the other, so that every row has another.

Legend: L tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dspipe.bench.needles import Hidden, Rows
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import DspipeError

WORDS = (
    "amber", "anchor", "basket", "candle", "copper", "garden", "harbour", "island", "kettle", "ladder",
    "lantern", "mirror", "needle", "orchard", "pepper", "river", "saddle", "silver", "tunnel", "window",
)  # fmt: skip
KEY = "\nThe pass key of {word} is"
DIGITS = 5


@dataclass(frozen=True)
class PassKeys:
    """Hides pass keys in `haystack`, a run of tokens that begins anew when it is used up."""

    encoder: Encoder
    haystack: Rows
    count: int
    seed: int = 0

    def hide(self, length: int, depth: float) -> Hidden:
        """`count` rows with the needle at `depth`, 0 to 1, of the text before the question."""
        random = np.random.default_rng([self.seed, length])  # the same needles and haystacks at every depth
        rows, others, counts = list[Rows](), list[Rows](), list[int]()
        for number in range(self.count):
            word = WORDS[random.integers(len(WORDS))]
            key, other = random.choice(10 ** (DIGITS - 1) * 9, 2, replace=False) + 10 ** (DIGITS - 1)
            question, answer = self.encode_question(word, int(key))
            for made, shown in ((rows, key), (others, other)):
                needle = self.encode(f"{KEY.format(word=word)} {shown}.\n")
                hay = self.take_hay(number, length, len(needle) + len(question) + len(answer))
                at = round(depth * len(hay))
                made.append(np.concatenate([hay[:at], needle, hay[at:], question, answer]))
            counts.append(len(answer))
        return Hidden(np.stack(rows), np.stack(others), np.array(counts, np.int64))

    def take_hay(self, number: int, length: int, taken: int) -> Rows:
        """What fills a row of which `taken` tokens are needle, question and answer."""
        if taken > length:
            raise DspipeError(f"{length} tokens are too few for a needle and its question; take longer rows")
        if not len(self.haystack):
            raise DspipeError("there is no held-out text to hide needles in; raise pack.validation")
        places = (number * length + np.arange(length - taken)) % len(self.haystack)
        return self.haystack[places]

    def encode_question(self, word: str, key: int) -> tuple[Rows, Rows]:
        """The question, and the answer's tokens as they follow it in running text."""
        asked, whole = self.encode(KEY.format(word=word)), self.encode(f"{KEY.format(word=word)} {key}")
        same = count_common(asked, whole)
        return whole[:same], whole[same:]

    def encode(self, text: str) -> Rows:
        return self.encoder.encode([text])[0].astype(np.uint32)


def count_common(one: Sequence[int] | Rows, other: Sequence[int] | Rows) -> int:
    """How many tokens two begin with in common."""
    shorter = min(len(one), len(other))
    differ = np.flatnonzero(np.asarray(one[:shorter]) != np.asarray(other[:shorter]))
    return int(differ[0]) if len(differ) else shorter
