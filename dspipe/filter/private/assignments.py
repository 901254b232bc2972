"""The bytes around "=" or ":" → a password or key that a program or a settings file gives to a name.

The name ends in one of `NAMES` (`db_password`, `"apiKey"`, `config['client-secret']`), whatever its case,
and `=`, `:`, `:=` or `=>` follows. The value is the finding; its quotes stay. It is

- in quotes: 8 to 256 printable ASCII characters without space, quotes, backslash, brackets and "$", with a
  letter and a digit, and 3 bits of entropy a character or more;
- without quotes, after "=" alone, as in files of environment variables: 16 to 256 letters, digits and
  `+/=_-`, with a digit and letters of both cases, and 3.5 bits; then space, `;`, `&`, `,`, `#` or a quote.
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.private.characters import (
    ALPHABETIC,
    APOSTROPHE,
    BACKTICK,
    CLOSES_SQUARE,
    COLON,
    DIGIT,
    EQUALS,
    GREATER,
    LOWER,
    OPERATOR,
    QUOTE,
    SPACE,
    TAB,
    UNQUOTED,
    UPPER,
    VALUE,
    VALUE_END,
    byte_at,
    byte_before,
    ends_with,
    has,
    lower,
    pack_words,
    walk_run,
)
from dspipe.filter.private.entropy import UNIT, is_random
from dspipe.text.arrow import read_only
from dspipe.text.kernel import inlined, kernel

LISTED_NAMES = (
    "password passwd passphrase pwd secret token apikey api_key api-key accesskey access_key access-key "
    "secretkey secret_key secret-key privatekey private_key private-key authkey auth_key auth-key "
    "accountkey account_key credential credentials"
)
NAMES, NAME_STARTS = pack_words(LISTED_NAMES)
NAME_ENDS = read_only(
    np.array(
        sorted({int.from_bytes(name[-2:].encode(), "big") for name in LISTED_NAMES.split(" ")}), np.int64
    )
)

MOST_SPACE = 8  # around the sign
LEAST_QUOTED, LEAST_UNQUOTED, MOST = 8, 16, 256
BITS_QUOTED, BITS_UNQUOTED = 3 * UNIT, 7 * UNIT // 2


@inlined
def may_be_assignment(text, floor, sign):  # type: ignore[no-untyped-def]
    """Whether the "=" or ":" at `sign` is worth a look: two letters before it are the end of a name."""
    name = walk_name(text, floor, sign)
    if name - 2 < floor or not has(text[name - 1], ALPHABETIC):
        return False
    ending = (lower(np.int64(text[name - 2])) << 8) | lower(np.int64(text[name - 1]))
    found = False
    for name_end in NAME_ENDS:
        found |= ending == name_end
    return found


@kernel
def find_assignment(text, floor, sign, end, counts):  # type: ignore[no-untyped-def]
    """The value that is given by the "=" or ":" at `sign`."""
    none = (sign, np.int64(-1))
    if ends_with(text, floor, walk_name(text, floor, sign), NAMES, NAME_STARTS) < 0:
        return none
    if text[sign] == EQUALS and has(byte_before(text, floor, sign), OPERATOR):
        return none
    first = sign + 1
    if byte_at(text, first, end) == EQUALS or (text[sign] == COLON and byte_at(text, first, end) == COLON):
        return none
    first += text[sign] == EQUALS and byte_at(text, first, end) == GREATER
    limit = min(end, first + MOST_SPACE)
    while first < limit and is_blank(text[first]):
        first += 1
    quote = byte_at(text, first, end)
    if is_quote(quote):
        first += 1
        last = walk_run(text, first, min(end, first + MOST), VALUE)
        whole = last - first >= LEAST_QUOTED and byte_at(text, last, end) == quote
        found = (
            whole
            and is_mixed(text, first, last, ALPHABETIC)
            and is_random(text, first, last, BITS_QUOTED, counts)
        )
    else:
        last = walk_run(text, first, min(end, first + MOST), UNQUOTED)
        whole = last - first >= LEAST_UNQUOTED and (last == end or has(text[last], VALUE_END))
        cased = whole and text[sign] == EQUALS and is_mixed(text, first, last, LOWER)
        cased = cased and is_mixed(text, first, last, UPPER)
        found = cased and is_random(text, first, last, BITS_UNQUOTED, counts)
    return (first, last) if found else none


@inlined
def walk_name(text, floor, sign):  # type: ignore[no-untyped-def]
    """Where the name before the sign ends: before space, a quote, and a square bracket behind the quote."""
    position = sign
    if position > floor and text[position] == EQUALS and text[position - 1] == COLON:
        position -= 1
    lowest = max(floor, position - MOST_SPACE)
    while position > lowest and is_blank(text[position - 1]):
        position -= 1
    if position - 1 > floor and text[position - 1] == CLOSES_SQUARE and is_quote(text[position - 2]):
        return position - 2
    if position > floor and is_quote(text[position - 1]):
        return position - 1
    return position


@kernel
def is_mixed(text, first, last, letters):  # type: ignore[no-untyped-def]
    """Whether there are a digit and a letter of this kind."""
    seen = np.int64(0)
    for position in range(first, last):
        seen |= (np.int64(has(text[position], DIGIT)) << 1) | np.int64(has(text[position], letters))
    return seen == 3


@inlined
def is_blank(byte):  # type: ignore[no-untyped-def]
    return byte in (SPACE, TAB)


@inlined
def is_quote(byte):  # type: ignore[no-untyped-def]
    return byte in (QUOTE, APOSTROPHE, BACKTICK)
