r"""Turns a line of a document into counts of its marks: words, numbers, commands of TeX, symbols, pairs.

A line is walked from token to token. After each one that is not beyond ASCII, its last character and the next
make a pair.
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.domains.marks import NAMES
from dspipe.filter.domains.tables import (
    CONTINUATION,
    CONTINUES_WORD,
    DIGIT,
    FOLD,
    GOLDEN,
    HIGH,
    LONGEST_WORD,
    LOWER,
    NEWLINE,
    SLOT_SHIFT,
    SLOTS,
    STARTS_WORD,
    TAG_SHIFT,
    UNDERSCORE,
    UPPER,
)
from dspipe.text.kernel import inlined, load8
from dspipe.text.words import pack_bytes

FORMULA = 300  # bytes between two dollars at most

WORD, LETTERS, CAMEL, SNAKE = (NAMES.index(name) for name in ("word", "letter", "camel case", "snake case"))
MIXED, CAPITALS, CAPITALIZED = (
    NAMES.index(name) for name in ("letters with digits", "capitals", "capitalized")
)
LONE, INDEXED, LONGER, FOREIGN = (
    NAMES.index(name) for name in ("lone letter", "indexed letter", "long word", "foreign word")
)
OPENER, GREEK = NAMES.index("beginning word"), NAMES.index("letter of Greek")
NUMBER, TIGHT, NUMBERED = (NAMES.index(name) for name in ("number", "tight number", "number with letters"))
FORMULAS, FORMULA_BYTES = NAMES.index("formula"), NAMES.index("formula byte")
UNKNOWN, ARGUMENT = NAMES.index("unknown command"), NAMES.index("command argument")
SYMBOL, TYPOGRAPHIC, ARROW = (
    NAMES.index(name) for name in ("mathematical symbol", "typographic mark", "drawn arrow")
)
IDEOGRAPH, IDEOGRAPHIC = NAMES.index("ideograph"), NAMES.index("mark of ideographs")
QUESTION = NAMES.index("question mark")

TOPS, ONES, SMALL_AS, AFTER_Z = (np.uint64(0x0101010101010101 * byte) for byte in (0x80, 1, 0x61, 0x05))
MULTIPLIER, SLOT, TAG = np.uint64(GOLDEN), np.uint64(SLOT_SHIFT), np.uint64(TAG_SHIFT)
LETTER, PLAIN = LOWER | UPPER, LOWER | UPPER | DIGIT
DOLLAR, BACKSLASH, STOP, COMMA, PERCENT, ASKS, BRACKET, CLOSED, BRACE = (
    ord(character) for character in "$\\.,%?(){"
)
LESS, HASH, AT, SMALL_A, CAPITAL_A, CAPITAL_I = (ord(character) for character in "<#@aAI")


@inlined
def find_slot(text, start, end, tables):  # type: ignore[no-untyped-def]
    """The slot of a word of at most `LONGEST_WORD` bytes, an empty one where it is not listed."""
    key = pack_bytes(text, start, min(end, start + 8))
    if end - start > 8:
        key ^= (pack_bytes(text, end - 8, end) + np.uint64(end - start)) * MULTIPLIER
    hashed = key * MULTIPLIER
    slot = np.int64(hashed >> SLOT)
    tag = np.uint8(hashed >> TAG) | np.uint8(1)
    while tables.tags[slot] != 0 and (tables.tags[slot] != tag or tables.keys[slot] != key):
        slot = (slot + 1) & (SLOTS - 1)
    return slot


@inlined
def count_shape(text, start, end, kinds, camel, found):  # type: ignore[no-untyped-def]
    """Count what a word looks like that is not all small letters."""
    size = end - start
    if kinds & HIGH:
        found[FOREIGN] += 1
        found[GREEK] += size == 2 and (text[start] == 0xCE or text[start] == 0xCF)
    found[CAMEL] += camel != 0
    if kinds & UNDERSCORE:
        indexed = size >= 2 and size <= 4 and text[start + 1] == 95
        found[INDEXED] += indexed
        found[SNAKE] += size >= 3 and not indexed
    elif kinds & DIGIT:
        found[MIXED] += 1
    elif kinds == UPPER:
        found[CAPITALS] += size >= 2
        found[LONE] += size == 1 and text[start] != CAPITAL_A and text[start] != CAPITAL_I
    elif kinds == LOWER | UPPER:
        found[CAPITALIZED] += camel == 0


@inlined
def skip_small(text, position, end):  # type: ignore[no-untyped-def]
    """Where the small letters of ASCII end that begin at `position`, as far as eight bytes can be read.

    In each byte of `others` the top bit is set where there is no small letter; how many bytes are below the
    first of these is what a product with ones adds up.
    """
    while position + 8 <= end:
        block = load8(text, position)
        least = (block | TOPS) - SMALL_AS
        past = (block & ~TOPS) + AFTER_Z
        others = (least & ~past & ~block & TOPS) ^ TOPS
        if others:
            below = (others - np.uint64(1)) & ~others & ONES
            return position + np.int64((below * ONES) >> np.uint64(56)) - 1
        position += 8
    return position


@inlined
def count_word(text, start, end, begin, opening, tables, found):  # type: ignore[no-untyped-def]
    """Count the word at `start`, which a mark may stand before, and return where it ends.

    `begin` is where the document begins, `opening` whether nothing stands before the word in its line.
    """
    kinds, camel = tables.bits[text[start]], np.uint8(0)
    position = skip_small(text, start + 1, end)
    last = np.uint8(LOWER) if position > start + 1 else kinds & np.uint8(LOWER)
    kinds |= last
    while position < end:
        bits = tables.bits[text[position]]
        if not bits & CONTINUES_WORD:
            break
        kinds |= bits
        camel |= np.uint8(last << 1) & bits
        last = bits & np.uint8(LOWER)
        position += 1
    size = position - start
    if kinds != LOWER:
        count_shape(text, start, position, kinds, camel, found)
    elif size == 1:
        found[LONE] += text[start] != SMALL_A
    if size <= LONGEST_WORD:
        slot = find_slot(text, start, position, tables)
        found[tables.words[slot]] += 1
        found[OPENER] += opening and tables.openers[slot]
        before = text[start - 1] if start > begin else np.uint8(32)
        if before in (LESS, HASH, AT) and size < LONGEST_WORD:
            found[tables.words[find_slot(text, start - 1, position, tables)]] += 1
    elif not kinds & HIGH:
        found[LONGER] += 1
    return position


@inlined
def count_number(text, start, end, begin, tables, found):  # type: ignore[no-untyped-def]
    """Count the number at `start`, with the letters that follow at once, and return where it ends."""
    position = start
    bits = tables.bits
    while position < end and (
        bits[text[position]] == DIGIT
        or (
            (text[position] == STOP or text[position] == COMMA)
            and position + 1 < end
            and bits[text[position + 1]] == DIGIT
        )
    ):
        position += 1
    before = text[start - 1] if start > begin else np.uint8(32)
    after = text[position] if position < end else np.uint8(32)
    free = before <= 32 or before >= 128 or before in (DOLLAR, BRACKET)
    free = free and (after <= 32 or after >= 128 or after in (STOP, COMMA, ASKS, CLOSED, PERCENT))
    found[NUMBER] += free
    found[TIGHT] += not free
    if after < 128 and bits[after] & STARTS_WORD:
        found[NUMBERED] += 1
        while position < end and bits[text[position]] & CONTINUES_WORD:
            position += 1
    return position


@inlined
def count_command(text, start, end, tables, found):  # type: ignore[no-untyped-def]
    r"""Count the command of TeX whose "\" is at `start` and return where its letters end."""
    position = start + 1
    while position < end and tables.bits[text[position]] & LETTER:
        position += 1
    mark = np.uint8(0)
    if position - start <= LONGEST_WORD:
        mark = tables.words[find_slot(text, start, position, tables)]
    found[mark] += 1
    found[UNKNOWN] += mark == 0 and position - start > 2
    found[ARGUMENT] += position < end and text[position] == BRACE
    return position


@inlined
def count_symbol(text, start, end, tables, found):  # type: ignore[no-untyped-def]
    """Count the character beyond ASCII at `start`, which is no word, and return where it ends."""
    lead = text[start]
    second = text[start + 1] if start + 1 < end else 0
    third = text[start + 2] if start + 2 < end else 0
    if lead == 0xE2:
        found[SYMBOL] += (second >= 0x88 and second <= 0x8B) or (
            second >= 0x81 and second <= 0x84 and second != 0x83 and (second > 0x81 or third >= 0xB0)
        )
        found[TYPOGRAPHIC] += second == 0x80
        found[ARROW] += second == 0x86 or second == 0x87
    elif lead == 0xC2:
        found[SYMBOL] += (
            second == 0xB1 or second == 0xB2 or second == 0xB3 or (second >= 0xBC and second <= 0xBE)
        )
        found[TYPOGRAPHIC] += second == 0xA0 or second == 0xAB or second == 0xBB or second == 0xB7
    elif lead == 0xF0:
        found[SYMBOL] += second == 0x9D and third >= 0x90 and third <= 0x9F
    elif lead == 0xEF:
        found[SYMBOL] += second == 0xBC and (third == 0x8B or third == 0x8D or third == 0x9D)
        found[QUESTION] += second == 0xBC and third == 0x9F
        found[IDEOGRAPHIC] += second == 0xBC and third == 0x8C
    elif lead == 0xE3 and second == 0x80:
        found[IDEOGRAPHIC] += third == 0x81 or third == 0x82
    elif lead >= 0xE3 and lead <= 0xE9:
        found[IDEOGRAPH] += 1
        if start + 6 <= end and text[start + 3] >= 0xE3:
            found[tables.words[find_slot(text, start, start + 6, tables)]] += 1
    position = start + 1
    while position < end and tables.bits[text[position]] == CONTINUATION:
        position += 1
    return position


@inlined
def follow_dollar(text, position, begin, end, opened, tables, found):  # type: ignore[no-untyped-def]
    """Count the formula that ends with the dollar at `position`; return where one has opened, or -1.

    A formula begins after what is no letter or digit and before what is no space; it ends the other way
    round.
    """
    before = text[position - 1] if position > begin else 32
    after = text[position + 1] if position + 1 < end else 10
    closes = opened >= 0 and before > 32 and not tables.bits[after] & PLAIN
    if closes and position - opened <= FORMULA and position - opened > 1:
        found[FORMULAS] += 1
        found[FORMULA_BYTES] += position - opened - 1
        return np.int64(-1)
    opens = after > 32 and not tables.bits[before] & PLAIN
    return np.int64(position) if opens else np.int64(-1)


@inlined
def count_line(text, begin, first, last, end, opened, tables, found):  # type: ignore[no-untyped-def]
    """Count the marks in text[first:last], a line that is not blank; return where a formula is open."""
    folded = tables.folded
    position = first
    while position < last:
        byte = text[position]
        bits = tables.bits[byte]
        if bits & STARTS_WORD:
            if byte == 0xC3 and position + 1 < last and text[position + 1] in (0x97, 0xB7):
                found[SYMBOL] += 1
                position += 2
                continue
            start = position
            position = count_word(text, position, last, begin, position == first, tables, found)
            found[WORD] += 1
            found[LETTERS] += position - start
            # Most words are followed by a space and another word, which no pair is made of.
            if position + 1 < last and text[position] == 32 and tables.bits[text[position + 1]] & LETTER:
                position += 1
                continue
        elif bits == DIGIT:
            position = count_number(text, position, last, begin, tables, found)
        elif byte >= 128:
            position = count_symbol(text, position, last, tables, found)
            continue
        elif byte == BACKSLASH and position + 1 < last and tables.bits[text[position + 1]] & LETTER:
            position = count_command(text, position, last, tables, found)
        else:
            found[QUESTION] += byte == ASKS and (position + 1 >= last or text[position + 1] == 32)
            if byte == DOLLAR:
                opened = follow_dollar(text, position, begin, last, opened, tables, found)
            position += 1
        second = folded[text[position]] if position < end else np.uint8(NEWLINE)
        found[tables.pairs[np.int64(folded[text[position - 1]]) << FOLD | np.int64(second)]] += 1
    return opened
