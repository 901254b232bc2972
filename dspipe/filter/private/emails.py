"""The bytes around an "@" → an e-mail address.

A practical subset of RFC 5321's `local-part@Domain`:

- the local part has 1 to 64 ASCII letters, digits and `._+-`; it begins with a letter or digit and has no dot
  at its end or beside another dot;
- the domain has two or more labels of 1 to 63 letters, digits and inner hyphens, 255 bytes at most; the
  last is a top-level domain: 2 to 24 letters, all small, all capital or with one capital first, or `xn--…`;
  it ends where a capital follows small letters, as where pages lose a space ("me@host.orgTel");
- a dot or hyphen after the domain is punctuation;
- neither end is inside a longer word. A letter next to it in a script written without spaces, or in Korean,
  is no part of the word; any other is: "éa@b.de" has no address, "邮箱a@b.de" has one.

Not addresses: what ends like a file (`icon@2x.png`) or a systemd unit (`getty@tty1.service`), `git@…`, a
user name in a URL (`ssh://me@host.org`, `https://me:pass@host.org`) and `a@b.c@d.e`. Out of scope: quoted
local parts, addresses with letters past ASCII, and all disguises ("me at host dot org", `me%40host.org`).
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.private.characters import (
    ALPHANUMERIC,
    AT,
    BACKSLASH,
    COLON,
    DASH,
    DOT,
    HEXADECIMAL,
    HYPHEN,
    LOW_LINE,
    LOWER,
    PERCENT,
    PLUS,
    POINT,
    SLASH_SIGN,
    UNDERSCORE,
    UPPER,
    byte_at,
    byte_before,
    follows_word,
    has,
    pack_lower,
    pack_names,
    precedes_word,
    walk_run,
)
from dspipe.text.kernel import inlined, kernel

LONGEST_LOCAL, LONGEST_LABEL, LONGEST_DOMAIN, LONGEST_TOP = 64, 63, 255, 24
LOCAL = ALPHANUMERIC | POINT | UNDERSCORE | PLUS | HYPHEN
LONGEST_USER = 64  # of a URL, with its password, as far as it is looked at

# Endings of files and units that are no top-level domains.
NOT_TOP_LEVEL = pack_names(
    "png jpg jpeg gif svg webp bmp ico avif tif tiff pdf psd css scss less js mjs cjs jsx ts tsx html htm "
    "xhtml json xml yaml yml toml ini txt csv php asp aspx jsp go java cpp hpp dll exe jar war tar gz tgz "
    "bz2 xz woff woff2 ttf eot mp3 mp4 webm ogg wav avi log bak tmp lock conf cfg service socket target "
    "timer mount slice scope device path local"
)
GIT = np.uint64(int.from_bytes(b"git", "big"))
PUNYCODE = np.uint64(int.from_bytes(b"xn--", "big"))


@inlined
def may_be_email(text, floor, at, end):  # type: ignore[no-untyped-def]
    """Whether the bytes next to the "@" at `at` are worth a look."""
    return has(byte_before(text, floor, at), LOCAL) and has(byte_at(text, at + 1, end), ALPHANUMERIC)


@kernel
def find_email(text, floor, at, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The address around the "@" at `at`."""
    none = (at, np.int64(-1))
    last = walk_domain(text, at + 1, end)
    if last < 0 or continues_word(text, last, end, blocks, classes):
        return none
    first = walk_local(text, floor, at, blocks, classes)
    if first == at or pack_lower(text, first, at) == GIT or is_user_of_url(text, floor, first):
        return none
    return first, last


@kernel
def walk_domain(text, start, end):  # type: ignore[no-untyped-def]
    """Where the domain that starts at `start` ends; -1 where there is none."""
    position, labels = start, 0
    while True:
        label = position
        position = walk_run(text, label, min(end, label + LONGEST_LABEL + 1), ALPHANUMERIC | HYPHEN)
        last = position
        while last > label and text[last - 1] == DASH:
            last -= 1
        if last == label or text[label] == DASH or position - label > LONGEST_LABEL:
            return np.int64(-1)
        labels += 1
        goes_on = last == position and byte_at(text, position, end) == DOT
        if not goes_on or not has(byte_at(text, position + 1, end), ALPHANUMERIC):
            break
        position += 1
    if labels < 2 or last - start > LONGEST_DOMAIN:
        return np.int64(-1)
    return walk_top_level(text, label, last)


@kernel
def walk_top_level(text, first, last):  # type: ignore[no-untyped-def]
    """Where the top-level domain ends that a label is or begins with; -1 where it does not."""
    if last - first > 4 and pack_lower(text, first, first + 4) == PUNYCODE:
        return last
    capitals = walk_run(text, first, last, UPPER)
    small = walk_run(text, capitals, last, LOWER)
    if small < last and (capitals > first or not has(text[small], UPPER)):
        return np.int64(-1)
    if (capitals - first > 1 and capitals < last) or not 2 <= small - first <= LONGEST_TOP:
        return np.int64(-1)
    packed = pack_lower(text, first, small)
    for name in NOT_TOP_LEVEL:
        if packed == name:
            return np.int64(-1)
    return small


@kernel
def continues_word(text, last, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether what follows a domain shows that it was none, or part of something longer."""
    following = byte_at(text, last, end)
    if following == LOW_LINE:  # _emphasis_ in Markdown
        return has(byte_at(text, last + 1, end), ALPHANUMERIC | UNDERSCORE)
    if has(following, UPPER):  # the next sentence, which lost the space before it
        return False
    return following == AT or precedes_word(text, last, end, blocks, classes)


@kernel
def walk_local(text, floor, at, blocks, classes):  # type: ignore[no-untyped-def]
    """Where the local part that ends at `at` begins; `at` where there is none."""
    lowest = max(floor, at - LONGEST_LOCAL - 1)
    first = at
    while first > lowest and has(text[first - 1], LOCAL):
        if text[first - 1] == DOT and (first == at or text[first] == DOT):
            break
        first -= 1
    if at - first > LONGEST_LOCAL or (first > floor and is_inside(text, floor, first, blocks, classes)):
        return at
    first = skip_escape(text, floor, first, at)
    while first < at and not has(text[first], ALPHANUMERIC):
        first += 1
    return first


@kernel
def is_inside(text, floor, first, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether what is before a local part belongs to it, so that it is none."""
    return text[first - 1] == AT or follows_word(text, floor, first, blocks, classes)


@kernel
def skip_escape(text, floor, first, at):  # type: ignore[no-untyped-def]
    r"""Past the end of an escape that a local part seems to begin with: `\n`, `\u003c`, `\x3c`, `%20`."""
    before = byte_before(text, floor, first)
    opens, digits = first, 0  # where the digits of the escape begin, and how many there are
    if before == PERCENT:
        digits = 2
    elif before == BACKSLASH and byte_before(text, floor, first - 1) != BACKSLASH:
        letter = byte_at(text, first, at)
        if letter == 110 or letter == 114 or letter == 116:  # n r t
            return first + 1
        digits = 4 if letter == 117 else 2 if letter == 120 else 0  # u x
        opens += 1
    if digits and walk_run(text, opens, min(at, opens + digits), HEXADECIMAL) == opens + digits:
        return opens + digits
    return first


@kernel
def is_user_of_url(text, floor, first):  # type: ignore[no-untyped-def]
    """Whether "://" stands before `first`, with nothing or a user's name and ":" between."""
    position = first
    if byte_before(text, floor, position) == COLON:
        position -= 1
        lowest = max(floor, position - LONGEST_USER)
        while position > lowest and (has(text[position - 1], LOCAL) or text[position - 1] == PERCENT):
            position -= 1
    if position - 3 < floor:
        return False
    return (
        text[position - 1] == SLASH_SIGN and text[position - 2] == SLASH_SIGN and text[position - 3] == COLON
    )
