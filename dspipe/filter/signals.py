"""Turns a column of text into the quality signals of `schema.SIGNALS`: one kernel pass, two walks over each
document.

The definitions follow Gopher (Rae et al. 2021, table A1), C4 (Raffel et al. 2020, 2.2), FineWeb (Penedo et
al. 2024, 3.6) and DeepSeek-Coder (Guo et al. 2024, 2.1), measured without a tokenizer model:

- words are those of `text.words`, letters are letters and the marks on them; `mean_word_length` is in
  characters;
- `alphabetic_words` counts what stands between white space, as Gopher does: "--" and "|" are there to be
  found;
- `symbol_ratio` is the larger of "#" per word and ellipses per word; a run of three or more dots is one
  ellipsis;
- `stop_words` is how many different ones of Gopher's eight occur, whatever their case;
- a sentence holds a word and ends at sentence-ending punctuation (of any script) followed by white space or
  the document's end, closing quotes and brackets between allowed; CJK and full-width marks need nothing after
  them;
- `curly_brackets` counts "{"; `lorem_ipsum` is the two words with one space between, whatever their case;
- lines end at "\\n"; their lengths count characters that are not line ends; `lines`, `mean_line_length` and
  `longest_line` take all lines, as code is measured; the shares take the lines that are not blank, without
  the white space around them: `ended_lines` end as a sentence does, `bullet_lines` start with a bullet or
  with "-" or "*" and a space, `short_lines` have under 30 characters, `duplicate_lines` is the share of
  characters in lines that were in the document before (by 64-bit hash; of a document's first million
  different lines).

A share of nothing is 0. Signals are columns and not decisions, so thresholds can change without measuring
again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dspipe.schema import SIGNALS
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.unicode import (
    BULLET,
    CLASS,
    CLOSING,
    LETTER,
    NEWLINE,
    NUMBER,
    SENTENCE_END,
    SPACE,
    load_classes,
    read_character,
)  # fmt: skip
from dspipe.text.words import hash_bytes, pack_bytes, walk_word

# What the kernel counts, one row of its output each; the signals are these and their ratios.
(
    CHARACTERS, WORDS, WORD_CHARACTERS, LETTERS, TOKENS, TOKENS_WITH_LETTER, HASHES, ELLIPSES, STOP_WORDS,
    SENTENCES, CURLY_BRACKETS, LOREM_IPSUM, LINES, LINE_CHARACTERS, LONGEST_LINE, FILLED, FILLED_CHARACTERS,
    BULLETS, ELLIPSIS_ENDS, ENDED, SHORT, REPEATED_CHARACTERS,
) = range(22)  # fmt: skip
COUNTS = 22

SHORT_LINE = 30
LINES_REMEMBERED = 1 << 20  # bounds the table of a document's lines, 24 MiB
SCRIPTS_WITHOUT_SPACE_AFTER_STOPS = 0x3000  # CJK punctuation and full-width forms start here

DOT, HASH, CURLY, ELLIPSIS, HYPHEN, STAR = 46, 35, 123, 0x2026, 45, 42
FOLD = np.uint64(0x2020202020202020)  # turns ASCII capitals into small letters
THE, BE, TO, OF, AND, THAT, HAVE, WITH, LOREM, IPSUM = (
    np.uint64(
        int.from_bytes(word.encode(), "little") | (0x2020202020202020 >> (8 * len(word)) << (8 * len(word)))
    )
    for word in ("the", "be", "to", "of", "and", "that", "have", "with", "lorem", "ipsum")
)


class LineTable(NamedTuple):
    """Scratch: hashes of the lines of the document at hand, and which document last wrote each slot."""

    hashes: NDArray[np.uint64]
    owners: NDArray[np.int32]


@kernel
def find_stop_word(folded):  # type: ignore[no-untyped-def]
    """The bit of a stop word, 0 for any other."""
    if folded in (THE, BE):
        return 1 << (folded == BE)
    if folded in (TO, OF):
        return 4 << (folded == OF)
    if folded in (AND, THAT):
        return 16 << (folded == THAT)
    if folded in (HAVE, WITH):
        return 64 << (folded == WITH)
    return 0


@kernel
def measure_words(text, start, end, index, classes, out, document):  # type: ignore[no-untyped-def]
    """Count what is not about lines. `said`: a word came since the last sentence, which `stopped`."""
    characters, words, word_characters, letters, tokens, lettered = 0, 0, 0, 0, 0, 0
    hashes, ellipses, dots, stop_words, sentences, curly, lorem = 0, 0, 0, 0, 0, 0, 0
    in_token, has_letter, said, stopped = False, False, False, False
    position = start
    while position < end:
        entry = read_character(text, position, end, index, classes)
        kind = entry & CLASS
        if kind in (LETTER, NUMBER):
            after, length, found = walk_word(text, position, end, entry, index, classes)
            words += 1
            characters += length
            word_characters += length
            letters += found
            if after - position <= 5:
                folded = pack_bytes(text, position, after) | FOLD
                stop_words |= find_stop_word(folded)
                if folded == LOREM and after + 6 <= end and text[after] == 32:
                    lorem |= pack_bytes(text, after + 1, after + 6) | FOLD == IPSUM
            tokens += not in_token
            in_token = True
            has_letter |= found > 0
            said, stopped, dots = True, False, 0
            position = after
            continue
        position += (entry >> 16) & 255
        characters += 1
        point = entry >> 24
        dots = dots + 1 if point == DOT else 0
        if kind in (SPACE, NEWLINE):
            lettered += in_token and has_letter
            sentences += stopped
            said &= not stopped
            in_token, has_letter, stopped = False, False, False
            continue
        tokens += not in_token
        in_token = True
        hashes += point == HASH
        curly += point == CURLY
        ellipses += dots == 3 or point == ELLIPSIS
        if entry & SENTENCE_END:
            stopped = said
            if said and point >= SCRIPTS_WITHOUT_SPACE_AFTER_STOPS:
                sentences += 1
                said, stopped = False, False
        elif not entry & CLOSING:
            stopped = False
    out[CHARACTERS, document], out[WORDS, document], out[WORD_CHARACTERS, document] = (
        characters,
        words,
        word_characters,
    )
    out[LETTERS, document], out[TOKENS, document] = letters, tokens
    out[TOKENS_WITH_LETTER, document] = lettered + np.int64(in_token and has_letter)
    out[HASHES, document], out[ELLIPSES, document], out[CURLY_BRACKETS, document] = hashes, ellipses, curly
    out[SENTENCES, document], out[LOREM_IPSUM, document] = sentences + np.int64(stopped), lorem
    while stop_words:
        out[STOP_WORDS, document] += stop_words & 1
        stop_words >>= 1


@kernel
def remember_line(value, owner, table_hashes, table_owners, held):  # type: ignore[no-untyped-def]
    """Whether the owner's lines have this hash already (1), or it was added (0), or there is no room (-1)."""
    mask = table_hashes.size - 1
    slot = np.int64(value >> np.uint64(1)) & mask
    while table_owners[slot] == owner:
        if table_hashes[slot] == value:
            return 1
        slot = (slot + 1) & mask
    if held >= LINES_REMEMBERED:
        return -1
    table_hashes[slot] = value
    table_owners[slot] = owner
    return 0


@kernel
def step_back(text, position):  # type: ignore[no-untyped-def]
    """Where the character that ends before `position` starts."""
    position -= 1
    for _ in range(3):
        if (text[position] & 0xC0) != 0x80:
            break
        position -= 1
    return position


@kernel
def ends_sentence(text, start, end, index, classes):  # type: ignore[no-untyped-def]
    """Whether text[start:end] ends as a sentence does, closing quotes and brackets after the mark allowed."""
    while end > start:
        before = max(step_back(text, end), start)
        entry = read_character(text, before, end, index, classes)
        if entry & SENTENCE_END:
            return True
        if not entry & CLOSING:
            return False
        end = before
    return False


@kernel
def is_bullet(text, position, end, index, classes):  # type: ignore[no-untyped-def]
    """Whether a line starts with a bullet; "-" and "*" are bullets before white space or at its end."""
    entry = read_character(text, position, end, index, classes)
    point = entry >> 24
    if point != HYPHEN and point != STAR:
        return (entry & BULLET) != 0
    return position + 1 == end or (read_character(text, position + 1, end, index, classes) & CLASS) >= SPACE


@kernel
def measure_line(text, start, end, index, classes, out, document, table_hashes, table_owners, held):  # type: ignore[no-untyped-def]
    """Count one line that ends before `end`; return how many different lines the document has had."""
    characters = 0
    for position in range(start, end):
        characters += (text[position] & 0xC0) != 0x80 and text[position] != 13
    out[LINES, document] += 1
    out[LINE_CHARACTERS, document] += characters
    out[LONGEST_LINE, document] = max(out[LONGEST_LINE, document], characters)
    while start < end:
        entry = read_character(text, start, end, index, classes)
        if (entry & CLASS) < SPACE:
            break
        characters -= text[start] != 13
        start += (entry >> 16) & 255
    if start == end:
        return held
    while True:
        before = step_back(text, end)
        if (read_character(text, before, end, index, classes) & CLASS) < SPACE:
            break
        characters -= text[before] != 13
        end = before
    dots = end - start >= 3 and text[end - 1] == DOT and text[end - 2] == DOT and text[end - 3] == DOT
    ellipsis = read_character(text, max(step_back(text, end), start), end, index, classes) >> 24 == ELLIPSIS
    out[FILLED, document] += 1
    out[FILLED_CHARACTERS, document] += characters
    out[BULLETS, document] += is_bullet(text, start, end, index, classes)
    out[ELLIPSIS_ENDS, document] += dots or ellipsis
    out[ENDED, document] += ends_sentence(text, start, end, index, classes)
    out[SHORT, document] += characters < SHORT_LINE
    known = remember_line(hash_bytes(text, start, end), document + 1, table_hashes, table_owners, held)
    if known == 1:
        out[REPEATED_CHARACTERS, document] += characters
    return held + np.int64(known == 0)


@kernel
def measure_documents(text, offsets, index, classes, out, table_hashes, table_owners):  # type: ignore[no-untyped-def]
    """Add to out[count, document]. The table comes in unowned, with twice as many slots as lines or more."""
    for document in range(offsets.size - 1):
        start, end = offsets[document], offsets[document + 1]
        measure_words(text, start, end, index, classes, out, document)
        held = 0
        while start < end:
            stop = start
            while stop < end and text[stop] != 10:
                stop += 1
            held = measure_line(
                text, start, stop, index, classes, out, document, table_hashes, table_owners, held
            )
            start = stop + 1


def count_signals(text: Bytes, offsets: Offsets) -> NDArray[np.int64]:
    """The kernel's counts, int64[COUNTS, documents]."""
    table = make_line_table(text, offsets)
    out = np.zeros((COUNTS, offsets.size - 1), np.int64)
    measure_documents(text, offsets, *load_classes(), out, *table)
    return out


def make_line_table(text: Bytes, offsets: Offsets) -> LineTable:
    """Scratch for the lines of the document that has most, at most half full."""
    ends = np.flatnonzero(text[offsets[0] : offsets[-1]] == 10) + offsets[0]
    most = int(np.diff(np.searchsorted(ends, offsets)).max(initial=0)) + 1
    size = 1 << (2 * min(most, LINES_REMEMBERED)).bit_length()
    return LineTable(np.empty(size, np.uint64), np.zeros(size, np.int32))


def measure_signals(texts: Any) -> dict[str, Any]:
    """The columns of `SIGNALS` that a text alone decides, as Arrow arrays by name, from a string array."""
    counts = count_signals(*text_buffers(texts))
    columns: dict[str, NDArray[Any]] = {
        "characters": counts[CHARACTERS],
        "words": counts[WORDS],
        "lines": counts[LINES],
        "mean_word_length": divide(counts[WORD_CHARACTERS], counts[WORDS]),
        "mean_line_length": divide(counts[LINE_CHARACTERS], counts[LINES]),
        "longest_line": counts[LONGEST_LINE],
        # Symbols in a text without a word count as if there were one, or "####" would pass.
        "symbol_ratio": divide(np.maximum(counts[HASHES], counts[ELLIPSES]), np.maximum(counts[WORDS], 1)),
        "bullet_lines": divide(counts[BULLETS], counts[FILLED]),
        "ellipsis_lines": divide(counts[ELLIPSIS_ENDS], counts[FILLED]),
        "ended_lines": divide(counts[ENDED], counts[FILLED]),
        "short_lines": divide(counts[SHORT], counts[FILLED]),
        "duplicate_lines": divide(counts[REPEATED_CHARACTERS], counts[FILLED_CHARACTERS]),
        "alphabetic_words": divide(counts[TOKENS_WITH_LETTER], counts[TOKENS]),
        "alphabetic_characters": divide(counts[LETTERS], counts[CHARACTERS]),
        "stop_words": counts[STOP_WORDS],
        "sentences": counts[SENTENCES],
        "curly_brackets": counts[CURLY_BRACKETS],
        "lorem_ipsum": counts[LOREM_IPSUM] > 0,
    }
    return {name: pa.array(values, SIGNALS.field(name).type) for name, values in columns.items()}


def divide(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float32]:
    """part / whole, rounded once to float32; 0 where there is nothing to divide by."""
    ratio: NDArray[np.float32] = (part / np.maximum(whole, 1)).astype(np.float32)
    return ratio
