"""Turns documents whose source names no domain into `code`, `math` or `web`, by a simple rule so far.

The rule is to be replaced by a classifier. Until then, over the first `SAMPLE` bytes of a document:

- `code`, where the file name in `source_id`, `url` or `origin.file` ends as source files do;
- else `math`, where LaTeX commands ("\\frac", not "\\n") are at least `LATEX_DENSITY` of the bytes;
- else `code`, where at least `CODE_LINES` of the lines that are not blank end in "{", "}" or ";" or start
  with a keyword of some programming language, and `INDENTED_LINES` are indented or `CERTAIN_LINES` look like
  code;
- else `web`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import kernel

SAMPLE = 20_000
LATEX_DENSITY = 0.004
LATEX_LEAST = 3
CODE_LINES = 0.25
INDENTED_LINES = 0.2
CERTAIN_LINES = 0.5
LEAST_LINES = 3

# No php, html or pl: most addresses that end so show pages. ADDRESS needs a path: .rs and .py are countries.
EXTENSIONS = (
    "c|h|cc|hh|cpp|hpp|cxx|cu|cs|py|pyx|ipynb|rs|go|java|kt|scala|swift|m|mm|jl|lua|r|rb|pm|sh|bash|ps1|js|jsx|ts|tsx|"
    "vue|hs|ml|mli|clj|ex|exs|erl|f90|f|asm|s|sql|vhd|vhdl|v|sv|lean|coq|proto|cmake|zig|nim|dart"
)
FILE_NAME = rf"(?i)^[^:?#]*[^/:?#]\.({EXTENSIONS})$"
ADDRESS = rf"(?i)^[a-z0-9+]+://[^/?#]+/[^?#]*[^/?#]\.({EXTENSIONS})$"

KEYWORDS = (
    "def class import from return public private static function const var let fn pub impl struct use "
    "package using typedef enum void int elif else while for if try except catch switch case break async "
    "export func #include #define #ifdef #endif #if #else //"
)

BACKSLASH, NEWLINE, TAB, SPACE = 92, 10, 9, 32
CLOSES_BLOCK, OPENS_BLOCK, SEMICOLON = 125, 123, 59
COMMANDS, LINES, CODE, INDENTED = range(4)


@kernel
def is_letter(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@kernel
def pack_start(text, start, end):  # type: ignore[no-untyped-def]
    """The run of letters, "#" and "/" at `start` as one big-endian number; 0 if longer than eight."""
    packed = np.int64(0)
    position = start
    while position < end and (is_letter(text[position]) or text[position] == 35 or text[position] == 47):
        if position - start == 8:
            return np.int64(0)
        packed = (packed << 8) | np.int64(text[position])
        position += 1
    return packed


@kernel
def looks_like_code(text, start, end, keywords):  # type: ignore[no-untyped-def]
    """Whether a line without the white space around it ends a statement or block or starts with a keyword."""
    last = text[end - 1]
    if last in (SEMICOLON, OPENS_BLOCK, CLOSES_BLOCK):
        return True
    packed = pack_start(text, start, end)
    # Prose has lines that start with "for" and "from" too, but it ends them in a stop or a comma.
    if last == 46 or last == 44:
        return False
    found = False
    for keyword in keywords:
        found |= packed == keyword
    return found and packed != 0


@kernel
def count_marks(text, offsets, keywords, sample, out):  # type: ignore[no-untyped-def]
    """Add to out[mark, document] LaTeX commands, lines, lines that look like code and indented lines."""
    for document in range(offsets.size - 1):
        start = offsets[document]
        end = min(offsets[document + 1], start + sample)
        for position in range(start, end - 2):
            if (
                text[position] == BACKSLASH
                and is_letter(text[position + 1])
                and is_letter(text[position + 2])
            ):
                out[COMMANDS, document] += 1
        while start < end:
            stop = start
            while stop < end and text[stop] != NEWLINE:
                stop += 1
            first, last = start, stop
            while first < last and text[first] <= SPACE:
                first += 1
            while last > first and text[last - 1] <= SPACE:
                last -= 1
            if first < last:
                out[LINES, document] += 1
                out[INDENTED, document] += text[start] == TAB or first - start >= 2
                out[CODE, document] += looks_like_code(text, first, last, keywords)
            start = stop + 1


def find_domain(batch: Any) -> Any:
    """The domain of each row of `documents`: its own where it has one, else by the rule above."""
    given = batch.column("domain")
    missing = given.is_null()
    if not missing.true_count:
        return given
    rows = pa.array(np.flatnonzero(np.asarray(missing)))
    asked = batch.take(rows)
    named = named_like_code(asked)
    found = guess_domain(*text_buffers(asked.column("text")))
    found = pc.if_else(named, "code", found)
    return pc.replace_with_mask(given, missing, found)


def guess_domain(text: Bytes, offsets: Offsets) -> Any:
    """The rule's answer from the text alone."""
    marks = np.zeros((4, offsets.size - 1), np.int64)
    count_marks(text, offsets, pack_keywords(), SAMPLE, marks)
    size = np.minimum(np.diff(offsets), SAMPLE)
    lines = marks[LINES]
    math = (marks[COMMANDS] >= LATEX_LEAST) & (marks[COMMANDS] >= LATEX_DENSITY * size)
    certain = (marks[CODE] >= CERTAIN_LINES * lines) | (marks[INDENTED] >= INDENTED_LINES * lines)
    code = (marks[CODE] >= CODE_LINES * lines) & certain & (lines >= LEAST_LINES)
    return pa.array(np.select([math, code], ["math", "code"], "web"), pa.string())


def named_like_code(batch: Any) -> Any:
    """Whether a name that comes with the document ends as source files do."""
    places = (
        (batch.column("source_id"), FILE_NAME),
        (batch.column("url"), ADDRESS),
        (pc.struct_field(batch.column("origin"), "file"), f"{FILE_NAME}|{ADDRESS}"),
    )
    named = pa.array(np.zeros(batch.num_rows, bool))
    for column, pattern in places:
        named = pc.or_(named, pc.fill_null(pc.match_substring_regex(column, pattern), False))
    return named


def pack_keywords() -> NDArray[np.int64]:
    return np.array([int.from_bytes(word.encode(), "big") for word in KEYWORDS.split()], np.int64)
