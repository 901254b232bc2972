"""The bytes at a digit → a public IP address.

IPv4 is four numbers of 0 to 255 without leading zeros, joined by dots, that are not part of a longer word
or chain (`1.2.3.4.5`, `1.2.3.4.tar.gz`, `lib-1.2.3.4`, `1.2.3.4-5`, `v1.2.3.4`). A range
(`8.8.8.8-8.8.8.9`), a port, a prefix length and a full stop may follow. It is taken for the number of a
version or section where three of the four are below 20 (one in 500 addresses drawn at random would be),
where a word such as "version" stands before it, and after a name and "/" (`Firefox/2.0.0.124`).

IPv6 is any form of RFC 4291, 2.2 that has three groups at least, the first of four digits.

Only what is globally reachable unicast may belong to somebody, so only that is found: no private, shared,
loopback, link-local, documentation, benchmarking, reserved or multicast addresses (IANA's registries of
special-purpose addresses, RFC 6890; for IPv6 what of 2000::/3 is left without 2001::/23, 2001:db8::/32,
2002::/16 and 3fff::/20). That leaves no IPv6 address that looks like C++ (`std::abc`) or a time.
"""

from __future__ import annotations

from ipaddress import IPv4Network

import numpy as np
from numpy.typing import NDArray

from dspipe.filter.private.characters import (
    ALPHABETIC,
    ALPHANUMERIC,
    AT,
    COLON,
    COLONS,
    DASH,
    DIGIT,
    DOT,
    HEXADECIMAL,
    OPENS_SQUARE,
    PLUS_SIGN,
    POINT,
    SLASH_SIGN,
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

VERSION_PART = 20  # versions and sections have three numbers below it, or four
SKIPPED = 8  # bytes between "version" and its number, at most
VERSION_WORDS, VERSION_STARTS = pack_words(
    "version versions ver v rev revision release releases build firmware driver drivers patch update "
    "section sections chapter clause oid"
)

NOT_PUBLIC = (
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
    "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
)
LONGEST_SIX = 45  # bytes of an IPv6 address


def list_networks(networks: str) -> NDArray[np.int64]:
    """[n, 2]: the first and the last address of each network."""
    listed = [IPv4Network(network) for network in networks.split()]
    return read_only(np.array([(int(each[0]), int(each[-1])) for each in listed], np.int64))


NETWORKS = list_networks(NOT_PUBLIC)


@inlined
def may_be_address(text, first, run, end):  # type: ignore[no-untyped-def]
    """Whether the digits from `first` to `run` are worth a look: "12." or "2001:"."""
    if byte_at(text, run, end) == DOT:
        return run <= first + 3 and has(byte_at(text, run + 1, end), DIGIT)
    return byte_at(text, first + 4, end) == COLON and (text[first] == 50 or text[first] == 51)  # 2 3


@kernel
def find_address(text, floor, first, end, blocks, classes):  # type: ignore[no-untyped-def]
    """The IP address that begins with the digit at `first`, which no digit precedes."""
    none = (first, np.int64(-1))
    run = walk_run(text, first, min(end, first + 5), HEXADECIMAL)
    following = byte_at(text, run, end)
    if following == COLON and run == first + 4 and (text[first] == 50 or text[first] == 51):  # 2 3
        last = walk_six(text, first, end)
        if last < 0 or byte_before(text, floor, first) == COLON or goes_on(text, last, end):
            return none
        whole = ends_address(text, last, end, blocks, classes)
        return (first, last) if whole and begins_address(text, floor, first, blocks, classes) else none
    if following != DOT or run > first + 3:
        return none
    last, public = walk_four(text, first, end)
    if last < 0 or not public or not ends_four(text, last, end, blocks, classes):
        return none
    if not begins_address(text, floor, first, blocks, classes) or is_version(text, floor, first):
        return none
    return first, last


@kernel
def walk_four(text, first, end):  # type: ignore[no-untyped-def]
    """(where the four numbers at `first` end or -1, whether they are a public address and no version)."""
    position, address, small = first, np.int64(0), 0
    for part in range(4):
        start, number = position, np.int64(0)
        while position < end and position - start < 4 and has(text[position], DIGIT):
            number = number * 10 + np.int64(text[position]) - ZERO
            position += 1
        leading = position - start > 1 and text[start] == ZERO
        if position == start or leading or number > 255:
            return np.int64(-1), False
        address, small = (address << 8) | number, small + int(number < VERSION_PART)
        if part < 3:
            if byte_at(text, position, end) != DOT:
                return np.int64(-1), False
            position += 1
    public = small < 3
    for network in range(NETWORKS.shape[0]):
        public &= address < NETWORKS[network, 0] or address > NETWORKS[network, 1]
    return position, public


@kernel
def begins_address(text, floor, first, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether an address may begin here; after "-" only as the end of a range."""
    before = byte_before(text, floor, first)
    if before == DASH:
        return first - 1 == floor
    return before != DOT and before != PLUS_SIGN and not follows_word(text, floor, first, blocks, classes)


@kernel
def ends_four(text, last, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether an IPv4 address may end here."""
    if byte_at(text, last, end) == DASH and walk_four(text, last + 1, end)[0] >= 0:
        return True
    return ends_address(text, last, end, blocks, classes)


@kernel
def ends_address(text, last, end, blocks, classes):  # type: ignore[no-untyped-def]
    """Whether an address may end here."""
    following = byte_at(text, last, end)
    if following == AT or precedes_word(text, last, end, blocks, classes):
        return False
    return following not in (DOT, DASH, PLUS_SIGN) or not has(
        byte_at(text, last + 1, end), ALPHANUMERIC | POINT
    )


@kernel
def is_version(text, floor, first):  # type: ignore[no-untyped-def]
    """Whether the word before `first` says that this is the number of a version or section."""
    if byte_before(text, floor, first) == SLASH_SIGN:
        return has(byte_before(text, floor, first - 1), ALPHABETIC)
    position = first
    while position > max(floor, first - SKIPPED) and not has(text[position - 1], ALPHANUMERIC):
        position -= 1
    if position == first:
        return False
    word = ends_with(text, floor, position, VERSION_WORDS, VERSION_STARTS)
    return word >= 0 and not has(byte_before(text, floor, word), ALPHANUMERIC)


@inlined
def goes_on(text, last, end):  # type: ignore[no-untyped-def]
    """Whether a placeholder follows the colon at which an IPv6 address ends: it was not whole before."""
    following = last + (byte_at(text, last, end) == COLON)
    return text[following - 1] == COLON and byte_at(text, following, end) == OPENS_SQUARE


@kernel
def walk_six(text, first, end):  # type: ignore[no-untyped-def]
    """Where the public IPv6 address that begins with a group of four digits at `first` ends, or -1."""
    last = walk_run(text, first, min(end, first + LONGEST_SIX + 2), HEXADECIMAL | POINT | COLONS)
    while text[last - 1] == DOT:
        last -= 1
    if text[last - 1] == COLON and text[last - 2] != COLON:
        last -= 1
    groups = count_groups(text, first, last)
    if groups < 3 or last - first > LONGEST_SIX:
        return np.int64(-1)
    head, second = read_group(text, first, last), read_group(text, first + 5, last)
    reserved = (head == 0x2001 and (second < 0x200 or second == 0xDB8)) or head == 0x2002
    return np.int64(-1) if reserved or (head == 0x3FFF and second < 0x1000) else last


@kernel
def count_groups(text, first, last):  # type: ignore[no-untyped-def]
    """How many groups the IPv6 address from `first` to `last` shows, -1 where it is none."""
    position, groups, gaps = first, 0, 0
    while position < last:
        run = walk_run(text, position, min(last, position + 5), HEXADECIMAL)
        if byte_at(text, run, last) == DOT:  # the last two groups may be written as IPv4
            if walk_four(text, position, last)[0] != last:
                return -1
            groups, position = groups + 2, last
        elif run == position or run - position > 4:
            return -1
        else:
            groups, position = groups + 1, run
            if position < last:
                position += 1
                if position == last:
                    return -1
                if text[position] == COLON:
                    gaps, position = gaps + 1, position + 1
    whole = (gaps == 0 and groups == 8) or (gaps == 1 and groups <= 7)
    return groups if whole else -1


@kernel
def read_group(text, position, end):  # type: ignore[no-untyped-def]
    """The hexadecimal number at `position`, 0 where there is none."""
    value = np.int64(0)
    while position < end and has(text[position], HEXADECIMAL):
        byte = lower(np.int64(text[position]))
        value = value * 16 + (byte - ZERO if byte < 97 else byte - 87)
        position += 1
    return value
