"""A column of text → signatures, sets of shingles and exact keys, all by one walk over the bytes each.

A text with characters that need it is brought to one form first (NFC for its exact key, NFKC for its
shingles): the kernels tell which, and walk these few again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.dedup.curve import find_bands
from dspipe.dedup.signatures.keys import hash_folded
from dspipe.dedup.signatures.minhash import find_minima, hash_bands, make_permutations
from dspipe.dedup.signatures.shingles import fill_shingles, sort_set
from dspipe.dedup.signatures.tokens import COMPOSING
from dspipe.dedup.signatures.written import WORDS, fill_written_shingles
from dspipe.recipe import Dedup
from dspipe.text.arrow import Bytes, Offsets, list_strings, text_buffers
from dspipe.text.folding import Folds, load_folds
from dspipe.text.kernel import kernel
from dspipe.text.unicode import Classes, load_classes

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


class Scheme(NamedTuple):
    """What shingles are made of, as kernels take it."""

    size: int  # tokens in a shingle
    characters: bool  # tokens are characters instead of words
    classes: Classes
    folds: Folds


class Signatures(NamedTuple):
    """Of n texts: what they are found by."""

    minima: npt.NDArray[np.uint32]  # (n, bands · rows)
    counts: Numbers  # (n,) shingles, with repeats; 0: too short to be compared but by its key
    needs: npt.NDArray[np.uint8]  # (n,)


class Sets(NamedTuple):
    """Of n texts the sorted sets of shingles, one after the other."""

    shingles: Hashes
    sizes: Numbers


def make_scheme(settings: Dedup) -> Scheme:
    return Scheme(settings.shingle, settings.unit == "characters", load_classes(), load_folds())


def sign_texts(texts: Any, settings: Dedup) -> Signatures:
    """Sign an Arrow array of strings; a text without shingles has minima without a meaning."""
    bands, rows = find_bands(settings)
    signed = sign_as_they_are(texts, bands * rows, settings)
    places = np.flatnonzero(signed.needs)
    if places.size:
        again = sign_as_they_are(normalize(texts.take(pa.array(places)), "NFKC"), bands * rows, settings)
        signed.minima[places], signed.counts[places] = again.minima, again.counts
    return signed


def sign_as_they_are(texts: Any, permutations: int, settings: Dedup) -> Signatures:
    text, offsets = text_buffers(texts)
    rows = len(texts)
    signed = Signatures(
        np.empty((rows, permutations), np.uint32), np.empty(rows, np.int64), np.empty(rows, np.uint8)
    )
    a, b = make_permutations(permutations)
    scheme, room = make_scheme(settings), make_room(offsets, settings)
    sign = sign_all if settings.hashing == "dspipe" else sign_all_written
    sign(text, offsets, scheme, a, b, *room, *signed)
    return signed


def make_room(offsets: Offsets, settings: Dedup) -> list[npt.NDArray[Any]]:
    """Room for the tokens and the shingles of any text, of which there are no more than bytes.

    With a space between them, written tokens take at most twice the bytes, and folding half as much again.
    """
    longest = int(np.diff(offsets).max(initial=0)) + 8
    if settings.hashing == "dspipe":
        return [np.empty(longest, np.uint64), np.empty(longest, np.uint64)]
    written, places = np.empty(4 * longest, np.uint8), np.empty((2, longest), np.int64)
    return [written, *places, np.empty(WORDS, np.uint64), np.empty(longest, np.uint64)]


def make_sets(texts: Any, settings: Dedup, needs: npt.NDArray[np.uint8]) -> Sets:
    """The sets of shingles of an Arrow array of strings; needs: as `sign_texts` has found them."""
    places = np.flatnonzero(needs)
    if places.size:
        array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        normal = normalize(array.take(pa.array(places)), "NFKC")
        texts = pc.replace_with_mask(array, pa.array(needs != 0), normal)
    text, offsets = text_buffers(texts)
    room = make_room(offsets, settings)
    longest = len(room[-1])
    shingles = np.empty(int(offsets[-1] - offsets[0]) + longest, np.uint64)
    sizes, counts = np.empty(len(texts), np.int64), np.empty(longest, np.int64)
    make = set_all if settings.hashing == "dspipe" else set_all_written
    used = make(text, offsets, make_scheme(settings), *room, counts, shingles, sizes)
    return Sets(shingles[:used], sizes)


def make_bands(minima: npt.NDArray[np.uint32], settings: Dedup) -> Hashes:
    """(n, bands): a hash of each band of signatures, (n, bands · rows)."""
    bands, _ = find_bands(settings)
    hashes = np.empty((len(minima), bands), np.uint64)
    hash_bands(minima, hashes.reshape(-1))
    return hashes


def make_keys(texts: Any, needs: npt.NDArray[np.uint8]) -> Hashes:
    """(n, 2): a 128-bit hash of each text in NFC with its white space folded."""
    places = np.flatnonzero(needs & COMPOSING)
    keys = hash_keys(*text_buffers(texts))
    if places.size:
        keys[places] = hash_keys(*text_buffers(normalize(texts.take(pa.array(places)), "NFC")))
    return keys


def hash_keys(text: Bytes, offsets: Offsets) -> Hashes:
    keys = np.empty((offsets.size - 1, 2), np.uint64)
    hash_folded(text, offsets, keys.reshape(-1))
    return keys


def normalize(texts: Any, form: str) -> Any:
    """The texts in a Unicode normal form; broken UTF-8, which has none, is read with replacements."""
    try:
        return pc.utf8_normalize(texts, form=form)
    except pa.ArrowInvalid:
        return pc.utf8_normalize(pa.array(list_strings(texts), pa.large_string()), form=form)


@kernel
def sign_all(text, offsets, scheme, a, b, tokens, shingles, minima, counts, needs):  # type: ignore[no-untyped-def]
    for document in range(offsets.size - 1):
        start, end = offsets[document], offsets[document + 1]
        counts[document], needs[document] = fill_shingles(text, start, end, scheme, tokens, shingles)
        find_minima(shingles, counts[document], a, b, minima[document])


@kernel
def sign_all_written(  # type: ignore[no-untyped-def]
    text, offsets, scheme, a, b, written, begins, ends, words, shingles, minima, counts, needs
):
    for document in range(offsets.size - 1):
        counts[document], needs[document] = fill_written_shingles(
            text, offsets[document], offsets[document + 1], scheme, written, begins, ends, words, shingles
        )
        find_minima(shingles, counts[document], a, b, minima[document])


@kernel
def set_all(text, offsets, scheme, tokens, spare, counts, shingles, sizes):  # type: ignore[no-untyped-def]
    """Fill in the sets one after the other, and return where they end."""
    used = 0
    for document in range(offsets.size - 1):
        room = shingles[used:]
        count, _ = fill_shingles(text, offsets[document], offsets[document + 1], scheme, tokens, room)
        sizes[document] = sort_set(room, count, spare, counts)
        used += sizes[document]
    return used


@kernel
def set_all_written(  # type: ignore[no-untyped-def]
    text, offsets, scheme, written, begins, ends, words, spare, counts, shingles, sizes
):
    used = 0
    for document in range(offsets.size - 1):
        start, end, room = offsets[document], offsets[document + 1], shingles[used:]
        count, _ = fill_written_shingles(text, start, end, scheme, written, begins, ends, words, room)
        sizes[document] = sort_set(room, count, spare, counts)
        used += sizes[document]
    return used
