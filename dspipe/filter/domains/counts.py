"""Turns the beginning of each document into counts of the marks that tell code, mathematics and prose apart.

One walk over the bytes, line by line. Lines inside of code fences are skipped, since a page about programming
must not count as a program; of comments only the lines count, since what they say is prose. The slow twin is
`tests/reference/domain.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.domains.marks import NAMES
from dspipe.filter.domains.tables import CONTINUES_WORD, FOLD, LOWER, NEWLINE, UNDERSCORE, UPPER, load_tables
from dspipe.filter.domains.tokens import IDEOGRAPH, NUMBER, QUESTION, WORD, count_line
from dspipe.text.arrow import Bytes, Offsets
from dspipe.text.kernel import inlined, kernel, load8

PREFIX = 4096  # bytes of a document that are looked at
LONG_LINE = 400
LONGEST_KEY = 40

BYTE, LINE, BLANK, INDENTED, TABBED, LONG = (
    NAMES.index(name) for name in ("byte", "line", "blank line", "indented line", "tabbed line", "long line")
)
FENCE, FENCED = NAMES.index("fence"), NAMES.index("fenced byte")
KEY, COMMENT, RULE = (NAMES.index(name) for name in ("key line", "comment line", "rule line"))
TAG_FIRST, BRACKET_FIRST, SHEBANG = (
    NAMES.index(f"opens with a {name}") for name in ("tag", "bracket", "shebang")
)
NONE, ASKED, NUMBER_WORD, QUESTION_WORD = (
    NAMES.index(name) for name in ("", "asked in numbers", "number word", "question")
)
BLOCK, HASHES = (
    1,
    2,
)  # what a comment goes on as in the next line: a block of stars, lines that begin with "#"

NEWLINES, ONES, TOPS = (np.uint64(0x0101010101010101 * byte) for byte in (10, 1, 128))
BACKTICK, TILDE, SLASH, STAR, HASH, SEMICOLON, PERCENT, DASH, COLON, EQUALS, CARET, UNDERLINE = (
    ord(character) for character in "`~/*#;%-:=^_"
)
LESS, BRACE, BRACKET, QUOTE, EXCLAMATION, ASKS = (ord(character) for character in '<{["!?')


@inlined
def find_line_end(text, position, end):  # type: ignore[no-untyped-def]
    """Where the next "\\n" is, or `end`: eight bytes at a time as far as there are eight."""
    while position + 8 <= end:
        block = load8(text, position) ^ NEWLINES
        if (block - ONES) & ~block & TOPS:
            break
        position += 8
    while position < end and text[position] != 10:
        position += 1
    return position


@inlined
def is_fence(text, start, first, last, fence, blank):  # type: ignore[no-untyped-def]
    """Whether a line opens a block of code in Markdown, or closes the one that `fence` has opened.

    A line of tildes right under a line of text is a heading of another markup.
    """
    mark = text[first]
    return (
        last - first >= 3
        and first - start <= 3
        and (mark == fence or (fence == 0 and (mark == BACKTICK or (mark == TILDE and blank))))
        and text[first + 1] == mark
        and text[first + 2] == mark
    )


@inlined
def is_rule(text, first, last):  # type: ignore[no-untyped-def]
    """Whether a line is drawn of one mark, as far as its first three and its last bytes tell."""
    mark = text[first]
    drawn = mark in (EQUALS, DASH, TILDE, STAR, UNDERLINE, CARET)
    return (
        drawn
        and last - first >= 3
        and text[first + 1] == mark
        and text[first + 2] == mark
        and text[last - 1] == mark
    )


@inlined
def skip_block(text, position, last):  # type: ignore[no-untyped-def]
    """Where the first "*/" of a line ends, or -1."""
    while position + 1 < last:
        if text[position] == STAR and text[position + 1] == SLASH:
            return position + 2
        position += 1
    return np.int64(-1)


@inlined
def find_comment(text, first, last, state):  # type: ignore[no-untyped-def]
    """(whether a line is a comment and no more, the state for the next line).

    State 1 is inside of a block of stars, 2 below a line that begins with "# ". Only from the second on are
    such lines comments: one is a heading.
    """
    mark = text[first]
    second = text[first + 1] if first + 1 < last else 32
    opens = mark == SLASH and second == STAR
    if state == BLOCK or opens:
        after = skip_block(text, first + 2 if opens else first, last)
        return (opens or mark == STAR) and (after < 0 or after == last), np.int64(after < 0)
    if mark == HASH and (second == 32 or second == HASH):
        return state == HASHES, np.int64(HASHES)
    if mark == second:
        return mark in (SLASH, SEMICOLON, PERCENT, DASH), np.int64(0)
    return mark == PERCENT and second == 32, np.int64(0)


@inlined
def count_opening(text, first, last, tables, found):  # type: ignore[no-untyped-def]
    """Count what the first line of a document begins with."""
    mark = text[first]
    second = text[first + 1] if first + 1 < last else np.uint8(10)
    letter = tables.bits[second] & (LOWER | UPPER) != 0
    found[TAG_FIRST] += mark == LESS and (letter or second in (EXCLAMATION, ASKS))
    opens = second <= 32 or second in (QUOTE, BRACE, BRACKET)
    found[BRACKET_FIRST] += mark in (BRACE, BRACKET) and opens
    found[SHEBANG] += mark == HASH and second == EXCLAMATION


@inlined
def is_key(text, first, last, bits):  # type: ignore[no-untyped-def]
    """Whether a line begins as in YAML: a word that starts small, a colon, and a space or nothing more."""
    position = first
    if last - first > 2 and text[first] == DASH and text[first + 1] == 32:
        position += 2
    begins = position < last and bits[text[position]] & (LOWER | UNDERSCORE) != 0
    limit = min(last, position + LONGEST_KEY)
    while position < limit and (bits[text[position]] & CONTINUES_WORD or text[position] == DASH):
        position += 1
    return (
        begins
        and position < last
        and text[position] == COLON
        and (position + 1 == last or text[position + 1] == 32)
    )


@kernel
def count_marks(text, offsets, prefix, tables, out):  # type: ignore[no-untyped-def]
    """Add to out[document, mark] how often each mark stands in the first `prefix` bytes of each document."""
    for document in range(offsets.size - 1):
        found = out[document]
        begin = offsets[document]
        end = min(offsets[document + 1], begin + prefix)
        start, fence, blank, opened, state = begin, np.uint8(0), True, np.int64(-1), np.int64(0)
        while start < end:
            stop = find_line_end(text, start, end)
            first, last = start, stop
            while first < last and text[first] <= 32:
                first += 1
            while last > first and text[last - 1] <= 32:
                last -= 1
            if first == last:
                found[BLANK] += fence == 0
                blank, opened = True, np.int64(-1)
            elif is_fence(text, start, first, last, fence, blank):
                found[FENCE] += 1
                fence = text[first] if fence == 0 else np.uint8(0)
            elif fence != 0:
                found[FENCED] += stop + 1 - start
            else:
                blank = False
                found[LINE] += 1
                found[INDENTED] += first - start >= 2 or text[start] == 9
                found[TABBED] += text[start] == 9
                found[LONG] += stop - start >= LONG_LINE
                second = tables.folded[text[first + 1]] if first + 1 < last else np.uint8(NEWLINE)
                if found[LINE] == 1:
                    count_opening(text, first, last, tables, found)
                found[tables.beginnings[np.int64(tables.folded[text[first]]) << FOLD | np.int64(second)]] += 1
                found[RULE] += is_rule(text, first, last)
                comment, state = find_comment(text, first, last, state)
                if comment:
                    found[COMMENT] += 1
                else:
                    found[BYTE] += stop + 1 - start
                    found[KEY] += is_key(text, first, last, tables.bits)
                    found[tables.ends[tables.folded[text[last - 1]]]] += 1
                    opened = count_line(text, begin, first, last, end, opened, tables, found)
            start = stop + 1
        numbers = found[NUMBER] + found[NUMBER_WORD]
        questions = found[QUESTION] + found[QUESTION_WORD]
        found[ASKED] = min(numbers, 2 * questions)
        found[WORD] += found[IDEOGRAPH] >> 1
        found[NONE] = 0


def count_all_marks(text: Bytes, offsets: Offsets, prefix: int = PREFIX) -> NDArray[np.int32]:
    """(documents, marks) counts in the first `prefix` bytes of each document, in the order of `NAMES`."""
    out = np.zeros((offsets.size - 1, len(NAMES)), np.int32)
    count_marks(text, offsets, prefix, load_tables(), out)
    return out
