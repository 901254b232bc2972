"""Turns URLs into what they are looked up by: hashes of their hosts, beginnings and words, in sorted lists.

A URL is walked forwards and its host backwards; what is hashed so far is looked up wherever an entry could
end, so the time is linear in the URL. Letters of a host and of words count in either case, those of a path as
they are; the scheme, a user's name, the port and a host's last dots do not count.
"""

from __future__ import annotations

import numpy as np

from dspipe.text.kernel import inlined, kernel
from dspipe.text.words import FIRST, HALF, SECOND, SHIFT, STEP

OF_HOST, OF_URL, OF_WORD = range(3)  # the lists, and the rows of what is found

SPACE, HASH, AND, PLUS, DASH, DOT, SLASH = 32, 35, 38, 43, 45, 46, 47
COLON, EQUALS, QUESTION, AT, OPENING, BACKSLASH, CLOSING = 58, 61, 63, 64, 91, 92, 93


@inlined
def is_letter(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122


@inlined
def is_alphanumeric(byte):  # type: ignore[no-untyped-def]
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57


@inlined
def lower(byte):  # type: ignore[no-untyped-def]
    return byte | 32 if 65 <= byte <= 90 else byte


@inlined
def mix(value, byte):  # type: ignore[no-untyped-def]
    """A hash so far, with one byte more."""
    value = (value ^ np.uint64(byte)) * FIRST
    return value ^ (value >> SHIFT)


@inlined
def finish(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> HALF)) * FIRST
    value = (value ^ (value >> HALF)) * SECOND
    return value ^ (value >> HALF)


@kernel
def is_listed(hashes, value):  # type: ignore[no-untyped-def]
    """Whether a hash so far, finished, is among sorted hashes."""
    value = finish(value)
    low, high = 0, hashes.size
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < hashes.size and hashes[low] == value


@kernel
def trim(text, start, end):  # type: ignore[no-untyped-def]
    """text[start:end] without white space and control characters at both ends."""
    while start < end and text[start] <= SPACE:
        start += 1
    while start < end and text[end - 1] <= SPACE:
        end -= 1
    return start, end


@kernel
def skip_scheme(text, start, end):  # type: ignore[no-untyped-def]
    """Where a URL goes on after `scheme://`, or `//` alone; `start` where there is neither."""
    position = start
    while position < end and (
        is_letter(text[position])
        or (position > start and (is_alphanumeric(text[position]) or text[position] in (PLUS, DASH, DOT)))
    ):
        position += 1
    if position > start:
        if position >= end or text[position] != COLON:
            return start
        position += 1
    found = position + 2 <= end and text[position] == SLASH and text[position + 1] == SLASH
    return position + 2 if found else start


@kernel
def split_url(text, start, end):  # type: ignore[no-untyped-def]
    """(first of the host, behind it, first of what follows host and port): places in text[start:end]."""
    first = skip_scheme(text, start, end)
    rest = first
    while rest < end and text[rest] not in (SLASH, QUESTION, HASH, BACKSLASH):
        if text[rest] == AT:
            first = rest + 1
        rest += 1
    behind = first
    closing = COLON
    if first < rest and text[first] == OPENING:  # [2001:db8::1]
        closing = CLOSING
    while behind < rest and text[behind] != closing:
        behind += 1
    if closing == CLOSING and behind < rest:
        behind += 1
    while behind > first and text[behind - 1] == DOT:
        behind -= 1
    return first, behind, rest


@kernel
def find_host(text, first, behind, hosts):  # type: ignore[no-untyped-def]
    """Whether a host, or one that it lies below, is listed: hashed from its end, looked up at each dot."""
    value = STEP
    for back in range(behind - first):
        byte = text[behind - 1 - back]
        if byte == DOT and is_listed(hosts, value):
            return True
        value = mix(value, lower(byte))
    return first < behind and is_listed(hosts, value)


@inlined
def start_url(text, first, behind, rest, end):  # type: ignore[no-untyped-def]
    """The hash of a host, and of the slash that begins a path, where the URL has none."""
    value = STEP
    for position in range(first, behind):
        value = mix(value, lower(text[position]))
    if rest >= end or text[rest] != SLASH:
        value = mix(value, SLASH)
    return value


@kernel
def find_beginning(text, first, behind, rest, end, beginnings):  # type: ignore[no-untyped-def]
    """Whether a beginning of a URL is listed: looked up at both sides of what splits a path or a query."""
    value = start_url(text, first, behind, rest, end)
    if is_listed(beginnings, value):  # the slash that a URL leaves out splits, too
        return True
    asked = False  # whether the query has begun
    for position in range(rest, end):
        byte = text[position]
        splits = byte in (SLASH, QUESTION, HASH) or (asked and byte in (AND, EQUALS))
        if splits and is_listed(beginnings, value):
            return True
        value = mix(value, byte)
        if splits and is_listed(beginnings, value):
            return True
        asked = asked or byte in (QUESTION, HASH)
    return is_listed(beginnings, value)


@kernel
def find_word(text, start, end, words):  # type: ignore[no-untyped-def]
    """Whether a maximal run of ASCII letters and digits is listed."""
    value, length = STEP, 0
    for position in range(start, end):
        if is_alphanumeric(text[position]):
            value = mix(value, lower(text[position]))
            length += 1
        else:
            if length and is_listed(words, value):
                return True
            value, length = STEP, 0
    return length > 0 and is_listed(words, value)


@kernel
def walk_urls(text, offsets, hosts, beginnings, words, blocked):  # type: ignore[no-untyped-def]
    """Fill blocked[reason, URL]."""
    for row in range(offsets.size - 1):
        start, end = trim(text, offsets[row], offsets[row + 1])
        if hosts.size or beginnings.size:
            first, behind, rest = split_url(text, start, end)
            blocked[OF_HOST, row] = find_host(text, first, behind, hosts)
            if beginnings.size:
                blocked[OF_URL, row] = find_beginning(text, first, behind, rest, end, beginnings)
        if words.size:
            blocked[OF_WORD, row] = find_word(text, start, end, words)
