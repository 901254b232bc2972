"""The bytes at a "+" or a digit → a phone number, in one of three forms.

- International: "+", a country code that E.164 has given out and more digits: 8 to 15 in all, 9 to 13 where
  they stand without a break, 11 for North America. "(0)" may follow the country code.
- North American: `212-555-0123`, `212.555.0123`, `(212) 555-0123`, with or without a "1" before; the area
  code begins with 2 to 9 (so does the exchange, but in examples it often does not).
- After a cue such as "tel", "phone", "fax", "тел", "电话", with "no." or "number" and punctuation between: 7
  to 15 digits.

Groups of digits are parted by at most three of space, "-", ".", "/", brackets in pairs and the dashes and
spaces of Unicode. Not taken: one dot as the only break (`+1234567.89`), a single digit as third or later
group but after a dash, years and dates, and what goes on as a longer number, a word or a file name. A
number that has 12 digits ends at a space.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.private.characters import (
    ALPHABETIC,
    AT,
    BEFORE_CUED,
    BEFORE_NUMBER,
    CLOSES,
    COMMA,
    DASH,
    DIGIT,
    DOT,
    LOW_LINE,
    LOWER,
    ONE,
    OPENS,
    PERCENT,
    PLUS_SIGN,
    SLASH_SIGN,
    SPACE,
    ZERO,
    byte_at,
    byte_before,
    ends_with,
    follows_word,
    has,
    lower,
    pack_words,
    precedes_word,
    walk_run,
)
from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel

MOST_DIGITS, AMERICAN_DIGITS, LEAST_DIGITS, LEAST_CUED, ENOUGH_DIGITS = 15, 11, 8, 7, 12
LEAST_UNBROKEN, MOST_UNBROKEN = 9, 13
MOST_SEPARATORS, MOST_SKIPPED = 3, 12
TWO, NINE, NINETEEN, TWENTY = 50, 57, 19, 20

# ITU-T E.164, assigned country codes (Operational Bulletin 1114 and what came since).
COUNTRY_CODES = (
    "1 7 20 211 212 213 216 218 220-269 27 290 291 297-299 30-34 350-359 36 370-379 380-383 385-387 389 "
    "39-41 420 421 423 43-49 500-509 51-58 590-599 60-66 670 672-683 685-692 800 808 81 82 84 86 850 "
    "852 853 855 856 870 878 880-883 886 90-95 960-968 970-977 979 98 992-996 998"
)
CUES, CUE_STARTS = pack_words(
    "telephone telefone telefono telefon telefax phone phones mobile mobil handy hotline whatsapp "
    "celular cell cel fax tel telp tlf tlp tfn gsm mob ph téléphone tél teléfono móvil faks тел телефон "
    "факс Тел Телефон Факс τηλ τηλέφωνο Τηλ Τηλέφωνο 电话 電話 电话号码 電話番号 手机 手機 "
    "手机号 传真 傳真 热线 전화 팩스 هاتف טלפון"
)
FILLERS, FILLER_STARTS = pack_words("number numbers no nr num nos is are at or us")


def list_codes(listed: str) -> NDArray[np.uint8]:
    """[1000]: of three digits, how many at their start are a country code; 0 where none is."""
    sizes = np.zeros(1000, np.uint8)
    for span in listed.split():
        first, _, last = span.partition("-")
        for code in range(int(first), int(last or first) + 1):
            scale = 10 ** (3 - len(first))
            sizes[code * scale : (code + 1) * scale] = len(first)
    return read_only(sizes)


CODE_SIZES = list_codes(COUNTRY_CODES)


@inlined
def may_be_international(text, plus, end):  # type: ignore[no-untyped-def]
    """Whether the "+" at `plus` is worth a look."""
    return ONE <= byte_at(text, plus + 1, end) <= NINE


@inlined
def may_be_national(text, first, run, end):  # type: ignore[no-untyped-def]
    """Whether the digits from `first` to `run` are worth a look: many, or more behind a separator."""
    following = byte_at(text, run, end)
    in_sentence = following == SPACE and has(byte_at(text, run + 1, end), ALPHABETIC)  # as most numbers are
    return run - first >= LEAST_CUED or (separates(following) and not in_sentence)


@kernel
def find_international(text, floor, plus, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The number that begins with the "+" at `plus`."""
    none = (plus, np.int64(-1))
    start = plus + 1
    behind_cue = follows_cue(text, floor, plus, blocks, classes)
    if not behind_cue and not begins_number(text, floor, plus, blocks, classes):
        return none
    american = text[start] == ONE
    opened = byte_before(text, floor, plus) == OPENS
    most = AMERICAN_DIGITS if american else MOST_DIGITS
    last, digits, groups, points, closed = read_number(text, start, end, opened, most, blocks, classes)
    if digits < LEAST_DIGITS or (groups == 1 and not LEAST_UNBROKEN <= digits <= MOST_UNBROKEN):
        return none
    if groups == 2 and points == 1:
        return none
    if american and (digits < AMERICAN_DIGITS or not is_american(text, start, last)):
        return none
    return (plus - closed, last) if has_country(text, start, last) else none


@kernel
def find_national(text, floor, first, run, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The number that begins with the digits from `first` to `run`, which no digit precedes."""
    none = (first, np.int64(-1))
    opened = np.int64(byte_before(text, floor, first) == OPENS)
    last, closed = walk_american(text, first, run, end, opened)
    whole = last >= 0 and ends_number(text, last, end, blocks, classes)
    if whole and begins_number(text, floor, first - closed, blocks, classes):
        return first - closed, last
    if not follows_cue(text, floor, first - opened, blocks, classes):
        return none
    last, digits, groups, points, closed = read_number(text, first, end, opened, MOST_DIGITS, blocks, classes)
    if digits < LEAST_CUED or closed != opened or (groups == 2 and points == 1):
        return none
    if digits == 8 and are_years(text, first, last, groups):
        return none
    return first - closed - (byte_before(text, floor, first - closed) == PLUS_SIGN), last


@kernel
def read_number(text, start, end, opened, most, blocks, classes):  # type: ignore[no-untyped-def]
    """(end, digits, groups, breaks that are one dot, brackets that a "(" before `start` closes: 0 or 1).

    The number goes on as long as groups follow and `most` digits are not exceeded. It ends behind the last
    of them where brackets are closed and a number may end.
    """
    position, digits, groups, points, depth, closed, dashed = start, 0, 0, 0, 0, 0, False
    found = (start, 0, 0, 0, 0)
    while True:
        run = walk_run(text, position, min(end, position + most + 1), DIGIT)
        size = run - position
        if digits + size > most or (size == 1 and groups >= 2 and depth == 0 and not dashed):
            return found
        digits, groups = digits + size, groups + 1
        if depth == 0 and ends_number(text, run, end, blocks, classes):
            found = (run, digits, groups, points, closed)
        position, marks, dashed = run, 0, False
        while marks < MOST_SEPARATORS:
            size = separator_size(text, position, end)
            if size == 0:
                break
            dashed |= text[position] == DASH or (size == 3 and 0x90 <= text[position + 2] <= 0x93)
            depth += int(text[position] == OPENS) - int(text[position] == CLOSES)
            if depth < 0 and opened and closed == 0:
                closed, depth = 1, 0
            if not 0 <= depth <= 1:
                return found
            position += size
            marks += 1
        if marks == 0 or not has(byte_at(text, position, end), DIGIT):
            return found
        if digits >= ENOUGH_DIGITS and text[run] == SPACE:
            return found
        points += marks == 1 and text[run] == DOT


@inlined
def separates(byte):  # type: ignore[no-untyped-def]
    """Whether a character that begins with this byte may part groups of digits."""
    return DASH <= byte <= SLASH_SIGN or byte in (SPACE, OPENS, CLOSES, 0xC2, 0xE2)


@kernel
def separator_size(text, position, end):  # type: ignore[no-untyped-def]
    """Bytes of the character at `position` if it may part groups of digits, else 0."""
    if position >= end:
        return 0
    byte = np.int64(text[position])
    if not separates(byte):
        return 0
    if byte < 128:
        return 1
    if byte == 0xC2:
        return 2 if byte_at(text, position + 1, end) == 0xA0 else 0
    if byte_at(text, position + 1, end) != 0x80:
        return 0
    third = byte_at(text, position + 2, end)  # U+2009, thin space; U+2010 to U+2013, dashes; U+202F
    return 3 if third == 0x89 or 0x90 <= third <= 0x93 or third == 0xAF else 0


@kernel
def walk_american(text, first, run, end, opened):  # type: ignore[no-untyped-def]
    """(where the North American number at `first` ends or -1, 1 if the bracket before `first` is of it)."""
    none = (np.int64(-1), 0)
    area = first
    if run - first == 1 and text[first] == ONE:
        area = run if byte_at(text, run, end) == OPENS else run + separator_size(text, run, end)
        opened = byte_at(text, area, end) == OPENS
        area += opened
    exchange = walk_run(text, area, min(end, area + 4), DIGIT)
    if exchange - area != 3 or text[area] < TWO or exchange >= end:
        return none
    bracket = text[exchange] == CLOSES
    if bracket != opened:
        return none
    first_size = separator_size(text, exchange + bracket, end)
    if not bracket and (first_size == 0 or text[exchange] not in (DASH, DOT, 0xE2)):
        return none
    exchange += bracket + first_size
    line = walk_run(text, exchange, min(end, exchange + 4), DIGIT)
    second_size = separator_size(text, line, end)
    if line - exchange != 3 or second_size == 0:
        return none
    if not bracket and (text[line + second_size - 1] != text[exchange - 1] or first_size != second_size):
        return none
    line += second_size
    last = walk_run(text, line, min(end, line + 5), DIGIT)
    return (last, np.int64(bracket and area == first)) if last - line == 4 else none


@kernel
def begins_number(text, floor, first, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether what is before a number lets it begin here; "/", "-" and "," do next to the finding before."""
    before = byte_before(text, floor, first)
    if first == floor + 1 and before in (SLASH_SIGN, DASH, COMMA):  # to the finding before
        return True
    if first == floor or before >= 128:
        return not follows_word(text, floor, first, blocks, classes)
    if before == COMMA and has(byte_before(text, floor, first - 1), DIGIT):
        return False
    return has(before, BEFORE_NUMBER)


@kernel
def ends_number(text, last, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether what follows a number lets it end here; an extension ("x12") may follow."""
    following, next_one = byte_at(text, last, end), byte_at(text, last + 1, end)
    if following in (AT, PERCENT):
        return False
    if following == DOT and has(next_one, DIGIT | LOWER):
        return False
    if following == DASH and has(next_one, DIGIT):
        return False
    extension = lower(following) == 120 and has(next_one, DIGIT)
    return extension or not precedes_word(text, last, end, blocks, classes)


@kernel
def has_country(text, start, last):  # type: ignore[no-untyped-def]
    """Whether the first group of digits begins with a country code."""
    run = walk_run(text, start, min(last, start + 3), DIGIT)
    code, scale = 0, 100
    for position in range(start, run):
        code += scale * (int(text[position]) - ZERO)
        scale //= 10
    return 0 < CODE_SIZES[code] <= run - start


@kernel
def is_american(text, start, last):  # type: ignore[no-untyped-def]
    """Whether the second digit, which begins the area code, is 2 to 9."""
    for position in range(start + 1, last):
        if has(text[position], DIGIT):
            return text[position] >= TWO
    return False


@kernel
def are_years(text, first, last, groups):  # type: ignore[no-untyped-def]
    """Whether eight digits are two years from 1900 to 2099, or a date with one at its start or end."""
    if groups == 2:
        return is_year(text, first, first, last) and is_year(text, first, last - 4, last)
    single = groups == 3 and last - first == 10
    return single and (is_year(text, first, first, last) or is_year(text, first, last - 4, last))


@inlined
def is_year(text, first, position, last):  # type: ignore[no-untyped-def]
    """Whether the group at `position`, in a number from `first` to `last`, is a year from 1900 to 2099."""
    inside = position > first and has(text[position - 1], DIGIT)
    if inside or walk_run(text, position, min(last, position + 5), DIGIT) != position + 4:
        return False
    century = (np.int64(text[position]) - ZERO) * 10 + np.int64(text[position + 1]) - ZERO
    return century in (NINETEEN, TWENTY)


@kernel
def follows_cue(text, floor, first, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether a word before `first` says that a phone number comes."""
    position = skip_back(text, floor, first)
    if byte_before(text, floor, position) < 128 and not has(byte_before(text, floor, position), ALPHABETIC):
        return False
    joined = position == first - 1 and text[position] == DOT
    filler = ends_with(text, floor, position, FILLERS, FILLER_STARTS)
    if filler >= 0 and not follows_word(text, floor, filler, blocks, classes):
        position = skip_back(text, floor, filler)
    cue = ends_with(text, floor, position, CUES, CUE_STARTS)
    before = byte_before(text, floor, cue)
    if cue < 0 or (joined and before in (DOT, DASH, AT)):  # me@x.tel.5551234: of a domain
        return False
    return before == LOW_LINE or not follows_word(text, floor, cue, blocks, classes)


@kernel
def skip_back(text, floor, position):  # type: ignore[no-untyped-def]
    """Where the punctuation and space before `position` begin."""
    lowest = max(floor, position - MOST_SKIPPED)
    while position > lowest:
        if has(text[position - 1], BEFORE_CUED):
            position -= 1
        elif position - 2 >= lowest and text[position - 1] == 0xA0 and text[position - 2] == 0xC2:
            position -= 2
        elif position - 3 >= lowest and is_wide_colon(text, position):
            position -= 3
        else:
            break
    return position


@inlined
def is_wide_colon(text, position):  # type: ignore[no-untyped-def]
    """Whether U+FF1A, a colon in Chinese and Japanese, ends at `position`."""
    return text[position - 3] == 0xEF and text[position - 2] == 0xBC and text[position - 1] == 0x9A
