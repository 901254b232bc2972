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
        found = list_starts(found, length, tokens, work)
        if found == 0:
            break
        remember_runs(found, length, power, work)
        if length >= 2 * scale and length % scale == 0:
            measure_runs(found, length, length // scale, scale, work, out, document)
        found = list_repeated(found, work)


@kernel
def measure_words(tokens, work, logs, out, document, entropies):  # type: ignore[no-untyped-def]
    """Count different words and sum up c·ln c over them; list the places of tokens that occur twice."""
    stamp, mask = work.state[STAMP] + 1, make_mask(tokens)
    words, unique, found, total = np.int64(0), np.int64(0), 0, 0.0
    for token in range(tokens):
        slot = remember(mix(work.hashes[token]), stamp, mask, work.memory)
        work.places[1, token] = slot
        is_word = np.int64(work.hashes[token] & ONE)
        words += is_word
        unique += is_word & np.int64(count_of(slot, work.memory) == 1)
    for token in range(tokens):
        count = count_of(work.places[1, token], work.memory)
        work.places[0, found] = token
        found += count > 1
        log = logs[count] if count < logs.size else np.log(np.float64(count))
        total += log * np.float64(work.hashes[token] & ONE)
    out[document, WORD_TOKENS], out[document, UNIQUE_WORDS] = words, unique
    entropies[document] = total
    return found


@kernel
def list_starts(found, length, tokens, work):  # type: ignore[no-untyped-def]
    """Of the places where shorter n-grams are repeated, those where the next place is one, too."""
    kept = 0
    for number in range(found - 1):
        place = work.places[0, number]
        work.places[0, kept] = place
        kept += (work.places[0, number + 1] == place + 1) & (place + length <= tokens)
    return kept


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
def measure_runs(found, length, n, scale, work, out, document):  # type: ignore[no-untyped-def]
    """The characters of the most frequent n-gram, the longest of equals; or of all that were met before."""
    most, longest, repeated, free = 2, 0, 0, 0
    for number in range(found):
        place = work.places[0, number]
        size = work.ends[place + length] - work.ends[place]
        if n < FIRST_REPEATED:
            count = count_of(work.places[1, number] >> 1, work.memory)
            if count > most or (count == most and size > longest):
                most, longest = count, size
        elif work.places[1, number] & 1 and place >= free:
            repeated += size
            free = place + length
    if n >= FIRST_REPEATED:
        out[document, REPEATED_5 + n - FIRST_REPEATED] = repeated
    elif longest > 0:
        # between the tokens of an n-gram there is a space, in scripts that have any
        out[document, TOP_2 + n - 2] = most * (longest + (n - 1) * (scale == 1))


@kernel
def list_repeated(found, work):  # type: ignore[no-untyped-def]
    """Of the places listed, those of n-grams that occur twice."""
    kept = 0
    for number in range(found):
        work.places[0, kept] = work.places[0, number]
        kept += count_of(work.places[1, number] >> 1, work.memory) > 1
    return kept


@kernel
def mix(value):  # type: ignore[no-untyped-def]
    """Every bit of a hash of a run depends on every bit of it."""
    value = (value ^ (value >> HALF)) * FIRST
    value = (value ^ (value >> HALF)) * SECOND
    return value ^ (value >> HALF)
