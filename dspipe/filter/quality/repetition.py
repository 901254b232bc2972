"""Turns the tokens of a document into what repeats: words, and n-grams of two to ten tokens.

An n-gram can occur twice only if the two (n−1)-grams in it do. So for each n only those places are looked at
where both did, which in ordinary text are few; all lengths together cost little more than the first.

In scripts written without spaces, where a word is a character, n counts twice as many tokens.
"""

from __future__ import annotations

import numpy as np

from dspipe.filter.quality.counts import (
    REPEATED_5,
    SPACELESS_WORDS,
    STAMP,
    TOKENS,
    TOP_2,
    UNIQUE_WORDS,
    WORD_TOKENS,
    WORDS,
)
from dspipe.filter.quality.memory import ONE, count_of, make_mask, remember
from dspipe.text.kernel import kernel
from dspipe.text.words import FIRST, HALF, SECOND

BASE = np.uint64(0xD6E8FEB86659FD93)  # odd: of the hash of a run of tokens, Σ hash[i] · BASE^(n − 1 − i)
LONGEST = 10
COUNTED, SIZE = 40, (1 << 40) - 1  # bits for the characters of an n-gram, below its count
FIRST_REPEATED = 5  # from five tokens on all repeated n-grams are counted, below the most frequent one


@kernel
def measure_repetition(work, logs, out, document, entropies):  # type: ignore[no-untyped-def]
    """Fill what out[document] and entropies[document] say of repetition, from the tokens listed."""
    tokens = min(out[document, TOKENS], work.hashes.size)
    scale = 2 if 2 * out[document, SPACELESS_WORDS] > out[document, WORDS] else 1
    for token in range(tokens):
        work.prefixes[token + 1] = work.prefixes[token] * BASE + work.hashes[token]
    found = measure_words(tokens, work, logs, out, document, entropies)
    power = BASE
    for length in range(2, LONGEST * scale + 1):
        power *= BASE
        remember_runs(found, length, power, work)
        if length % scale == 0 and length >= FIRST_REPEATED * scale:
            out[document, REPEATED_5 + length // scale - FIRST_REPEATED] = measure_repeated(
                found, length, work
            )
        found, top = list_starts(found, length, tokens, work)
        if length % scale == 0 and 2 * scale <= length < FIRST_REPEATED * scale and top >> COUNTED > 1:
            # between the tokens of an n-gram there is a space, in scripts that have any
            spaces = (length - 1) * (scale == 1)
            out[document, TOP_2 + length // scale - 2] = (top >> COUNTED) * ((top & SIZE) + spaces)
        if found == 0:
            break


@kernel
def measure_words(tokens, work, logs, out, document, entropies):  # type: ignore[no-untyped-def]
    """Count different words, sum up c·ln c over them; list where two tokens stand that both occur twice."""
    stamp, mask = work.state[STAMP] + 1, make_mask(tokens)
    words, unique, found, total = np.int64(0), np.int64(0), 0, 0.0
    for token in range(tokens):
        slot = remember(mix(work.hashes[token]), stamp, mask, work.memory)
        work.places[1, token] = slot
        is_word = np.int64(work.hashes[token] & ONE)
        words += is_word
        unique += is_word & np.int64(count_of(slot, work.memory) == 1)
    before = False
    for token in range(tokens):
        count = count_of(work.places[1, token], work.memory)
        log = logs[count] if count < logs.size else np.log(np.float64(count))
        total += log * np.float64(work.hashes[token] & ONE)
        repeated = count > 1
        work.places[0, found] = token - 1
        found += before & repeated
        before = repeated
    out[document, WORD_TOKENS], out[document, UNIQUE_WORDS] = words, unique
    entropies[document] = total
    return found


@kernel
def remember_runs(found, length, power, work):  # type: ignore[no-untyped-def]
    """Put the n-grams of a length at the places listed into the memory; places[1]: slot << 1 | met before."""
    stamp, mask = work.state[STAMP] + length, make_mask(found)
    for number in range(found):
        place = work.places[0, number]
        value = mix(work.prefixes[place + length] - work.prefixes[place] * power)
        slot = remember(value, stamp, mask, work.memory)
        work.places[1, number] = (slot << 1) | (count_of(slot, work.memory) > 1)


@kernel
def measure_repeated(found, length, work):  # type: ignore[no-untyped-def]
    """The characters of n-grams that were met before, from left to right, none counted twice."""
    repeated, free = 0, 0
    for number in range(found):
        place = work.places[0, number]
        if work.places[1, number] & 1 and place >= free:
            repeated += work.ends[place + length] - work.ends[place]
            free = place + length
    return repeated


@kernel
def list_starts(found, length, tokens, work):  # type: ignore[no-untyped-def]
    """List where an n-gram stands that occurs twice, and at the next place another; return how many.

    Also the most frequent n-gram, the longest of equals, as count << COUNTED | characters. Nothing branches.
    """
    kept, before, last, top = 0, False, np.int64(-2), np.int64(0)
    for number in range(found):
        place = np.int64(work.places[0, number])
        count = count_of(work.places[1, number] >> 1, work.memory)
        top = max(top, (count << COUNTED) | (work.ends[place + length] - work.ends[place]))
        repeated = count > 1
        work.places[0, kept] = last
        kept += before & repeated & (last + 1 == place) & (last + length < tokens)
        before, last = repeated, place
    return kept, top


@kernel
def mix(value):  # type: ignore[no-untyped-def]
    """Every bit of a hash of a run depends on every bit of it."""
    value = (value ^ (value >> HALF)) * FIRST
    value = (value ^ (value >> HALF)) * SECOND
    return value ^ (value >> HALF)
