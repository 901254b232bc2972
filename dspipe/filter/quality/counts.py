"""What the kernels of this folder count, and what they work in.

A count is a column of `out`, int64[documents, COUNTS]; `signals.py` makes ratios of them. What a kernel knows
of the document at hand while it walks it is in `Work.state`, by the names below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.quality.memory import count_slots

(
    CHARACTERS, LETTERS, CAPITALS, DIGITS, CHUNKS, WORDS, SENTENCES, CURLY_BRACKETS,
    SYMBOLS, WORD_CHARACTERS, CAPITAL_WORDS, SPACELESS_WORDS, TOKENS, TOKENS_WITH_LETTER, CHUNKS_WITH_LETTER,
    STOP_WORDS, STOP_WORD_COUNT, HASHES, ELLIPSES, LOREM_IPSUM, KEPT_SENTENCES, KEPT_CURLY_BRACKETS,
    LINES, LINE_ENDS, LONGEST_LINE, FILLED, BULLETS, ELLIPSIS_ENDS, ENDED, SHORT, NUMERIC, UPPERCASE,
    SINGLE_WORD, JAVASCRIPT, POLICY, REPEATED_LINES, REPEATED_LINE_CHARACTERS,
    PARAGRAPHS, REPEATED_PARAGRAPHS, REPEATED_PARAGRAPH_CHARACTERS,
    WORD_TOKENS, UNIQUE_WORDS, TOP_2, TOP_3, TOP_4, REPEATED_5,
) = range(46)  # fmt: skip
COUNTS = REPEATED_5 + 6  # of n-grams of five to ten tokens
SINCE = CURLY_BRACKETS + 1  # the first counts are also known as they were where the line began

(
    STAMP, MASK,  # of the document, in the memory
    LINE, FLAGS,  # where the line began; what it has shown
    CHUNK, CHUNK_LETTERS,  # of what stands between white space: the characters before it, or −1; its letters
    SAID, STOPPED,  # a word came since the last sentence; a mark has ended it
    PREVIOUS, BEFORE, FOLLOWS,  # keywords of the last two words, and where a next one would stand
    TOKEN, TOKEN_CHARACTERS, TOKEN_LETTERS, JOINED,  # the token at hand; whether the next word goes on it
    MARK, MARK_END, DOTS,  # the last mark, where it ended, and how many dots it has been
    WORD_END,
    P_LINES, P_CHARACTERS, P_HASH, HELD,  # the paragraph at hand; lines and paragraphs remembered
) = range(23)  # fmt: skip
STATE = 23

REMEMBERED = 1 << 20  # lines, and tokens, of a document that repetition is looked for in: bounds the scratch


class Work(NamedTuple):
    """Scratch of the kernels; nothing in it outlives a document, but for free slots of the memory."""

    hashes: NDArray[np.uint64]  # of the document's tokens, the lowest bit set if it is of a word
    ends: NDArray[np.int64]  # [n + 1]: characters in the first n tokens
    prefixes: NDArray[np.uint64]  # [n + 1]: hash of the first n tokens
    places: NDArray[np.int32]  # [2, n]: where n-grams begin, and their slots in the memory
    memory: NDArray[np.uint64]  # [slots, 2]: a hash; whose it is << 32 | how often it was met
    since: NDArray[np.int64]  # [SINCE]: counts where the line began
    state: NDArray[np.int64]


def make_work(tokens: int, lines: int) -> Work:
    """Room for documents of that many tokens and lines at most, of which `REMEMBERED` are remembered."""
    tokens, lines = min(tokens, REMEMBERED), min(lines, REMEMBERED)
    return Work(
        np.empty(tokens, np.uint64),
        np.zeros(tokens + 1, np.int64),
        np.zeros(tokens + 1, np.uint64),
        np.empty((2, tokens), np.int32),
        np.zeros((max(count_slots(tokens), count_slots(lines)), 2), np.uint64),
        np.zeros(SINCE, np.int64),
        np.zeros(STATE, np.int64),
    )
