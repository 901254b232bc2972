"""Turns a column of text into the quality signals of `schema.SIGNALS` by one kernel pass.

The definitions follow Gopher (Rae et al. 2021, A.1.1), C4 (Raffel et al. 2020, 2.2), RefinedWeb (Penedo et
al. 2023, G.2), FineWeb (Penedo et al. 2024, 3.6), RedPajama-v2 and DeepSeek-Coder (Guo et al. 2024, 2.1),
measured without a tokenizer model. Where the papers leave a choice it is datatrove's (docs/numerics.md):

- words are those of `text.words`, tokens those of `walk`; letters are letters and the marks on them;
- a sentence holds a word and ends at sentence-ending punctuation (of any script) followed by white space or
  the document's end, closing quotes and brackets between allowed; CJK and full-width marks need nothing after
  them; `kept_sentences` are those of lines that C4 keeps, which count as one sentence at least;
- lines end at "\\n"; shares of lines are of those that are not blank, but for bullets and ellipses, where
  Gopher counts all; a paragraph is what stands between blank lines;
- what repeats: a line or paragraph that was in the document before; the most frequent n-gram's characters
  times its count, where it occurs twice or more; the characters of n-grams that were there before, none
  counted twice. Of a document's first million lines and tokens, by 64-bit hash.

A share of nothing is 0. Signals are columns and not decisions, so thresholds can change without measuring
again.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.quality.counts import (
    BULLETS,
    CAPITAL_WORDS,
    CAPITALS,
    CHARACTERS,
    CHUNKS,
    CHUNKS_WITH_LETTER,
    COUNTS,
    CURLY_BRACKETS,
    DIGITS,
    ELLIPSES,
    ELLIPSIS_ENDS,
    ENDED,
    FILLED,
    HASHES,
    JAVASCRIPT,
    KEPT_CURLY_BRACKETS,
    KEPT_SENTENCES,
    LETTERS,
    LINE_ENDS,
    LINES,
    LONGEST_LINE,
    LOREM_IPSUM,
    MASK,
    NUMERIC,
    PARAGRAPHS,
    POLICY,
    REMEMBERED,
    REPEATED_5,
    REPEATED_LINE_CHARACTERS,
    REPEATED_LINES,
    REPEATED_PARAGRAPH_CHARACTERS,
    REPEATED_PARAGRAPHS,
    SENTENCES,
    SHORT,
    SINGLE_WORD,
    STAMP,
    STOP_WORD_COUNT,
    STOP_WORDS,
    SYMBOLS,
    TOKENS,
    TOKENS_WITH_LETTER,
    TOP_2,
    TOP_3,
    TOP_4,
    UNIQUE_WORDS,
    UPPERCASE,
    WORD_CHARACTERS,
    WORD_TOKENS,
    WORDS,
    make_work,
)  # fmt: skip
from dspipe.filter.quality.memory import STAMPS, make_mask
from dspipe.filter.quality.repetition import measure_repetition
from dspipe.filter.quality.stop_words import load_stop_words
from dspipe.filter.quality.walk import walk_document
from dspipe.schema import SIGNALS
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import count_bits, kernel
from dspipe.text.unicode import load_classes

Counts = NDArray[np.int64]
# Signals that are a count divided by another.
RATIOS = {
    "mean_word_length": (WORD_CHARACTERS, WORDS),
    "alphabetic_characters": (LETTERS, CHARACTERS),
    "uppercase_characters": (CAPITALS, CHARACTERS),
    "digit_characters": (DIGITS, CHARACTERS),
    "symbol_characters": (SYMBOLS, CHARACTERS),
    "alphabetic_words": (CHUNKS_WITH_LETTER, CHUNKS),
    "alphabetic_tokens": (TOKENS_WITH_LETTER, TOKENS),
    "capital_words": (CAPITAL_WORDS, WORDS),
    "unique_words": (UNIQUE_WORDS, WORD_TOKENS),
    "hash_ratio": (HASHES, TOKENS),
    "ellipsis_ratio": (ELLIPSES, TOKENS),
    "bullet_lines": (BULLETS, LINES),
    "ellipsis_lines": (ELLIPSIS_ENDS, LINES),
    "ended_lines": (ENDED, FILLED),
    "short_lines": (SHORT, FILLED),
    "numeric_lines": (NUMERIC, FILLED),
    "uppercase_lines": (UPPERCASE, FILLED),
    "single_word_lines": (SINGLE_WORD, FILLED),
    "javascript_lines": (JAVASCRIPT, FILLED),
    "policy_lines": (POLICY, FILLED),
    "lines_per_token": (LINE_ENDS, TOKENS),
    "duplicate_lines": (REPEATED_LINES, FILLED),
    "duplicate_paragraphs": (REPEATED_PARAGRAPHS, PARAGRAPHS),
    "duplicate_paragraph_characters": (REPEATED_PARAGRAPH_CHARACTERS, CHARACTERS),
    "top_2_gram": (TOP_2, CHARACTERS),
    "top_3_gram": (TOP_3, CHARACTERS),
    "top_4_gram": (TOP_4, CHARACTERS),
    **{f"duplicate_{n}_grams": (REPEATED_5 + n - 5, CHARACTERS) for n in range(5, 11)},
}
PLAIN = {
    "characters": CHARACTERS,
    "words": WORDS,
    "lines": LINES,
    "paragraphs": PARAGRAPHS,
    "sentences": SENTENCES,
    "longest_line": LONGEST_LINE,
    "kept_sentences": KEPT_SENTENCES,
    "curly_brackets": CURLY_BRACKETS,
    "kept_curly_brackets": KEPT_CURLY_BRACKETS,
}


class Tables(NamedTuple):
    """What the kernels look up: Unicode classes by character, and what is to be known of words."""

    blocks: NDArray[np.uint16]
    classes: NDArray[np.uint16]
    keys: NDArray[np.uint64]
    codes: NDArray[np.int64]
    logs: NDArray[np.float64]  # ln of each number


def measure_signals(texts: Any, languages: Any) -> dict[str, Any]:
    """The columns of `SIGNALS` that text and language decide, as Arrow arrays by name, from string arrays."""
    listed = pa.array(list(load_stop_words().rows), pa.string())
    rows = pc.fill_null(pc.index_in(languages, listed), 0).to_numpy(zero_copy_only=False)
    counts, entropies = count_signals(*text_buffers(texts), rows)
    columns: dict[str, Any] = {name: counts[:, count] for name, count in PLAIN.items()}
    columns |= {name: divide(counts[:, part], counts[:, whole]) for name, (part, whole) in RATIOS.items()}
    text_lines = counts[:, CHARACTERS] - counts[:, LINE_ENDS]
    unlisted = rows == 0
    columns |= {
        "mean_line_length": divide(text_lines, counts[:, LINES]),
        "duplicate_line_characters": divide(counts[:, REPEATED_LINE_CHARACTERS], text_lines),
        "word_entropy": find_entropy(counts[:, WORD_TOKENS], entropies),
        "lorem_ipsum": counts[:, LOREM_IPSUM] > 0,
        "stop_words": np.ma.MaskedArray(counts[:, STOP_WORDS], unlisted),
        "stop_word_share": np.ma.MaskedArray(divide(counts[:, STOP_WORD_COUNT], counts[:, WORDS]), unlisted),
    }
    return {name: pa.array(values, SIGNALS.field(name).type) for name, values in columns.items()}


def count_signals(text: Bytes, offsets: Offsets, rows: NDArray[Any]) -> tuple[Counts, NDArray[np.float64]]:
    """The kernel's counts, int64[documents, COUNTS], and Σ c·ln c over the counts of each document's words.

    `rows` are those of `StopWords` for the documents' languages.
    """
    ends = np.flatnonzero(text[offsets[0] : offsets[-1]] == 10) + offsets[0]
    lines = np.diff(np.searchsorted(ends, offsets)) + 1
    work = make_work(int(np.diff(offsets).max(initial=0)), int(lines.max(initial=0)))
    out, entropies = np.zeros((lines.size, COUNTS), np.int64), np.zeros(lines.size)
    words = load_stop_words()
    tables = Tables(*load_classes(), words.keys, words.codes, list_logs())
    measure_documents(text, offsets, lines, rows.astype(np.int64), tables, work, out, entropies)
    return out, entropies


@kernel
def measure_documents(text, offsets, lines, rows, tables, work, out, entropies):  # type: ignore[no-untyped-def]
    """Fill the counts of every document."""
    for document in range(offsets.size - 1):
        work.state[:] = 0
        work.state[STAMP] = (document + 1) * STAMPS
        work.state[MASK] = make_mask(min(lines[document], REMEMBERED))
        walk_document(
            text, offsets[document], offsets[document + 1], rows[document], tables, work, out, document
        )
        measure_repetition(work, tables.logs, out, document, entropies)
        out[document, STOP_WORDS] = count_bits(np.uint64(out[document, STOP_WORDS]))


@cache
def list_logs() -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(np.arange(1024.0), 1))
    return logs


def find_entropy(words: Counts, sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """−Σ p·ln p with p = c / n is ln n − Σ c·ln c / n."""
    least = np.maximum(words, 1)
    entropy: NDArray[np.float64] = np.log(least) - sums / least
    return entropy


def divide(part: Counts, whole: Counts) -> NDArray[np.float32]:
    """part / whole, rounded once to float32; 0 where there is nothing to divide by."""
    ratio: NDArray[np.float32] = (part * (whole > 0) / np.maximum(whole, 1)).astype(np.float32)
    return ratio
