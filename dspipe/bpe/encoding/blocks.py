"""Turns a block of pieces into ids: what the cache knows from there, the rest by merging."""

from __future__ import annotations

import numpy as np

from dspipe.bpe.encoding.cache import (
    HIGH,
    KEY_BITS,
    LINE,
    LONGEST,
    LONGEST_LONG,
    MOST_IDS,
    MOST_IDS_LONG,
    NUMBER,
    find_line,
    find_long_line,
    is_long,
    make_key,
    remember,
    remember_long,
)
from dspipe.bpe.encoding.merging import merge_piece
from dspipe.text.kernel import inlined, kernel, prefetch, store8

AHEAD = 128  # pieces whose lines are fetched while those before them are looked up
WORDS = 3  # of a piece that is looked for: its key and its line
DOCUMENT, POSITION, PIECE, PIECES, WRITTEN = range(5)  # what `state` says


@kernel
def encode_block(  # type: ignore[no-untyped-def]
    text, offsets, ends, state, byte_pairs, pairs, halves, shorter, trie, ids, cache, long_cache, keys, met,
    left, room, out, bounds,
):  # fmt: skip
    """Encode pieces of a block, as many as `out` has room for; returns whether all of them.

    `ends` are the pieces' ends, `state` [the document that is begun, the byte, the piece, how many pieces
    there are, how many ids are written], in and out. `bounds[d + 1]` gets the number of ids up to the end of
    document d. `keys` is room for `AHEAD` pieces, `met`, `left` and `room` are scratch of `merge_piece`.
    """
    document, written, done = state[DOCUMENT], state[WRITTEN], state[PIECE]
    begin, document_end = state[POSITION], offsets[min(document + 1, offsets.size - 1)]
    while begin == document_end and document + 1 < offsets.size:  # before the first piece: empty documents
        bounds[document + 1] = written
        document += 1
        document_end = offsets[min(document + 1, offsets.size - 1)]
    while done < state[PIECES]:
        group = min(np.int64(AHEAD), state[PIECES] - done)
        if written + (ends[done + group - 1] - begin) + MOST_IDS_LONG > out.size:
            break
        find_lines(text, begin, ends, done, group, cache, long_cache, keys)
        for index in range(group):
            end = ends[done + index]
            line = np.int64(keys[WORDS * index + 2])
            place = LINE * line
            if end - begin <= LONGEST:
                low, high = keys[WORDS * index], keys[WORDS * index + 1]
                if cache[place + 4] ^ low | (cache[place + 5] ^ high) & KEY_BITS == 0:
                    place += 4
                if cache[place] ^ low | (cache[place + 1] ^ high) & KEY_BITS == 0:
                    store8(out, written, cache[place + 2])
                    store8(out, written + 2, cache[place + 3])
                    written += np.int64(cache[place + 1] >> NUMBER)
                else:
                    after = merge_piece(
                        text, begin, end, byte_pairs, pairs, halves, shorter, trie, ids, met, left, room, out,
                        written,
                    )  # fmt: skip
                    if after - written <= MOST_IDS:
                        remember(cache, line, low, high, out, written, after - written)
                    written = after
            elif end - begin <= LONGEST_LONG and is_long(long_cache, line, text, begin, end):
                for word in range(3):
                    store8(out, written + 2 * word, long_cache[place + 5 + word])
                written += np.int64(long_cache[place + 4] >> HIGH)
            else:
                after = merge_piece(
                    text, begin, end, byte_pairs, pairs, halves, shorter, trie, ids, met, left, room, out,
                    written,
                )  # fmt: skip
                if end - begin <= LONGEST_LONG and after - written <= MOST_IDS_LONG:
                    remember_long(long_cache, line, text, begin, end, out, written, after - written)
                written = after
            begin = end
            while begin == document_end and document + 1 < offsets.size:
                bounds[document + 1] = written
                document += 1
                document_end = offsets[min(document + 1, offsets.size - 1)]
        done += group
    state[DOCUMENT], state[POSITION], state[PIECE], state[WRITTEN] = document, begin, done, written
    return done == state[PIECES]


@inlined
def find_lines(text, begin, ends, first, group, cache, long_cache, keys):  # type: ignore[no-untyped-def]
    """Write down where each of some pieces is in the caches, if it is, and have it fetched."""
    for index in range(group):
        end = ends[first + index]
        if end - begin <= LONGEST:
            low, high = make_key(text, begin, end - begin)
            line = find_line(low, high, cache.size // LINE)
            prefetch(cache, LINE * line)
            keys[WORDS * index], keys[WORDS * index + 1] = low, high
            keys[WORDS * index + 2] = np.uint64(line)
        elif end - begin <= LONGEST_LONG:
            line = find_long_line(text, begin, end, long_cache.size // LINE)
            prefetch(long_cache, LINE * line)
            keys[WORDS * index + 2] = np.uint64(line)
        begin = end
