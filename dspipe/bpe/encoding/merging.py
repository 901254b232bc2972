"""Turns one piece of text into its tokens, in time linear in its length.

A short piece is merged as the rule says: the first of all pairs' merges, again and again. Memory decides how
fast that is, and it needs one table, in two places at a time.

A long one is read once, from the left: the longest token that the text goes on with is taken, if it can stand
beside the one before (`can_meet`), else the next shorter one; if none can, the one before was too long. A row
of tokens of which each two neighbours can stand side by side is the encoding of its text, and there is only
one: so where a row that ends at some place cannot be continued, no other row needs to be tried that ends
there, and no place is left more than once.
"""

from __future__ import annotations

import numpy as np

from dspipe.bpe.encoding.tables import GOLDEN, NEVER, NODE, RANK, can_meet, find_child, find_rank
from dspipe.text.kernel import inlined, kernel

SIXTY_THREE = np.uint64(63)
MEETINGS = 1 << 12
SHORT = 32  # bytes of a piece that is merged pair by pair
PLACE = 5  # bits of a place in one
DONE = np.int32(NEVER << PLACE)


@inlined
def merge_short(text, start, end, byte_pairs, pairs, ids, room, out, written):  # type: ignore[no-untyped-def]
    """As `merge_piece`, for at most `SHORT` bytes; `room` (3 · SHORT,) is scratch.

    A token is known by the place of its first byte. What a token becomes with the next one is in
    room[place] << PLACE | place, so that the least is the next merge, and of equal ones the leftmost.
    """
    size = end - start
    blocks = (size + 7) >> 3
    for place in range(size, 8 * blocks):
        room[place] = DONE
    for place in range(size):
        out[written + place] = text[start + place]
        room[SHORT + place] = place + 1  # the next token
        room[2 * SHORT + place] = place - 1  # the one before
    for place in range(size - 1):
        first, second = np.int64(text[start + place]), np.int64(text[start + place + 1])
        room[place] = byte_pairs[first << 8 | second] << PLACE | place
    room[size - 1] = DONE
    while True:
        least = np.int32(DONE)
        for block in range(blocks):
            for index in range(8):
                least = min(least, room[8 * block + index])
        if least >= DONE:
            break
        here, merged = np.int64(least & 31), np.int64(least >> PLACE)
        gone = np.int64(room[SHORT + here])
        after, before = np.int64(room[SHORT + gone]), np.int64(room[2 * SHORT + here])
        out[written + here] = merged
        room[gone] = DONE
        room[SHORT + here] = after
        if after < size:
            room[2 * SHORT + after] = here
            room[here] = find_rank(pairs, merged, np.int64(out[written + after])) << PLACE | here
        else:
            room[here] = DONE
        if before >= 0:
            room[before] = find_rank(pairs, np.int64(out[written + before]), merged) << PLACE | before
    count, here = written, np.int64(0)
    while here < size:
        out[count] = ids[out[written + here]]
        count += 1
        here = np.int64(room[SHORT + here])
    return count


@inlined
def find_longest(text, position, end, tokens, trie):  # type: ignore[no-untyped-def]
    """The longest token that the text goes on with at `position`."""
    node = np.int64(text[position])
    longest = node
    for place in range(position + 1, end):
        node = find_child(trie, node, text[place])
        if node < 0:
            break
        if node < tokens:
            longest = node
    return longest


@inlined
def find_entry(text, start, end, trie):  # type: ignore[no-untyped-def]
    """The node of a whole piece, -1 if no entry begins with it."""
    node = np.int64(text[start])
    for place in range(start + 1, end):
        node = find_child(trie, node, text[place])
        if node < 0:
            break
    return node


@inlined
def ask_meeting(left, right, pairs, halves, met):  # type: ignore[no-untyped-def]
    """`can_meet`, remembered: in a long run of spaces the same hundred tokens are tried at every place."""
    key = np.uint64(left) << RANK | np.uint64(right)
    slot = np.int64((key * GOLDEN) >> NODE) & (MEETINGS - 1)
    if met[slot] >> np.uint64(1) != key:
        met[slot] = key << np.uint64(1) | np.uint64(can_meet(left, right, pairs, halves))
    return met[slot] & np.uint64(1) != 0


@kernel
def merge_piece(  # type: ignore[no-untyped-def]
    text, start, end, byte_pairs, pairs, halves, shorter, trie, ids, met, left, room, out, written
):  # fmt: skip
    """Write the ids of text[start:end] to `out` from `written` on; returns where the next one goes.

    `met` (`MEETINGS`,) remembers, from piece to piece, what can stand side by side; all ones at first. `left`
    has a bit for each byte of a piece, all zero before and after: places that no row goes on from.
    """
    tokens = shorter.size >> 1
    if ids.size > tokens:
        entry = find_entry(text, start, end, trie)
        if entry >= 0 and entry < ids.size:
            out[written] = ids[entry]
            return written + 1
    if end - start <= SHORT:
        return merge_short(text, start, end, byte_pairs, pairs, ids, room, out, written)
    position, count, last, gone_back = start, written, np.int64(-1), False
    token = find_longest(text, start, end, tokens, trie)
    while True:
        after = position + np.int64(shorter[2 * token + 1])
        place = after - start
        if (not gone_back or left[place >> 6] >> (np.uint64(place) & SIXTY_THREE) & np.uint64(1) == 0) and (
            last < 0 or ask_meeting(last, token, pairs, halves, met)
        ):
            out[count] = token
            count += 1
            position = after
            if position == end:
                break
            last = token
            token = find_longest(text, position, end, tokens, trie)
            continue
        token = np.int64(shorter[2 * token])
        while token < 0:
            place = position - start
            left[place >> 6] |= np.uint64(1) << (np.uint64(place) & SIXTY_THREE)
            gone_back = True
            count -= 1
            position -= np.int64(shorter[2 * last + 1])
            token = np.int64(shorter[2 * last])
            last = np.int64(out[count - 1]) if count > written else np.int64(-1)
    if gone_back:
        for word in range((end - start >> 6) + 1):
            left[word] = 0
    for place in range(written, count):
        out[place] = ids[out[place]]
    return count
