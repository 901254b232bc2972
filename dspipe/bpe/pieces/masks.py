"""64 bytes of text → for each class of character a number whose bit i says that byte i is of it.

The comparisons are LLVM's vector instructions, which each processor gets in its own: AVX-512, AVX2, SSE2,
NEON. A *mask* is such a number; all bytes of a character have its class. Where pieces end is then a matter of
shifts and a few additions for 64 bytes together, where a walk would mispredict at every other piece.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from dspipe.bpe.pieces.characters import FOURS, THREES
from dspipe.text.kernel import inlined, trailing_zeros

WIDTH = 64
BYTE = ir.IntType(8)
VECTOR = ir.VectorType(BYTE, WIDTH)
MASKS: Any = types.UniTuple  # of so many

# Bytes that begin letters only, whatever follows: of Latin and Cyrillic, of Hangul; and of Chinese.
LETTERS = ((0xC4, 0xCA), (0xD0, 0xD1), (0xEB, 0xEC))
CHINESE = (0xE5, 0xE8)

ZERO, ONE, TWO, THREE, FOUR, ALL = (np.uint64(number) for number in (0, 1, 2, 3, 4, 2**64 - 1))


def repeat(value: int) -> Any:
    """A vector with one byte in every place."""
    return ir.Constant(VECTOR, [ir.Constant(BYTE, value)] * WIDTH)


def load_vector(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    address = builder.bitcast(builder.gep(array.data, [arguments[1]]), VECTOR.as_pointer())
    vector = builder.load(address)
    vector.align = 1
    return vector


def within(builder: Any, vector: Any, first: int, last: int) -> Any:
    """Which bytes are from `first` to `last`."""
    shifted = builder.sub(vector, repeat(first))
    return builder.icmp_unsigned("<", shifted, repeat(last - first + 1))


def pack_masks(context: Any, builder: Any, signature: Any, tests: list[Any]) -> Any:
    """Vectors of one bit → a tuple of uint64."""
    masks = [builder.bitcast(test, ir.IntType(WIDTH)) for test in tests]
    return context.make_tuple(builder, signature.return_type, masks)


def generate_mark_ascii(typing_context: Any, text: Any, position: Any) -> Any:
    """mark_ascii(text, position): (letters, digits, blanks, 9 to 13, CR and LF, 33 to 126, not ASCII)."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = load_vector(context, builder, signature, arguments)

        def equal(value: int) -> Any:
            return builder.icmp_unsigned("==", vector, repeat(value))

        tests = [
            within(builder, builder.or_(vector, repeat(0x20)), ord("a"), ord("z")),
            within(builder, vector, ord("0"), ord("9")),
            equal(0x20),
            within(builder, vector, 9, 13),
            builder.or_(equal(0x0A), equal(0x0D)),
            within(builder, vector, 33, 126),
            builder.icmp_signed("<", vector, repeat(0)),
        ]
        return pack_masks(context, builder, signature, tests)

    return MASKS(types.uint64, 7)(text, types.int64), generate


def generate_mark_leads(typing_context: Any, text: Any, position: Any) -> Any:
    """mark_leads(text, position): bytes from 0xC0 on, 0xE0, 0xF0, 0xF8; of LETTERS, of CHINESE."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = load_vector(context, builder, signature, arguments)
        tests = [builder.icmp_unsigned(">=", vector, repeat(first)) for first in (0xC0, 0xE0, 0xF0, 0xF8)]
        some, more, most = (within(builder, vector, *span) for span in LETTERS)
        tests += [builder.or_(builder.or_(some, more), most), within(builder, vector, *CHINESE)]
        return pack_masks(context, builder, signature, tests)

    return MASKS(types.uint64, 6)(text, types.int64), generate


def generate_mark_apostrophes(typing_context: Any, text: Any, position: Any) -> Any:
    """mark_apostrophes(text, position): bytes that are "'"."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = load_vector(context, builder, signature, arguments)
        return builder.bitcast(builder.icmp_unsigned("==", vector, repeat(ord("'"))), ir.IntType(WIDTH))

    return types.uint64(text, types.int64), generate


mark_ascii: Any = intrinsic(generate_mark_ascii)
mark_leads: Any = intrinsic(generate_mark_leads)
mark_apostrophes: Any = intrinsic(generate_mark_apostrophes)


@inlined
def below(count):  # type: ignore[no-untyped-def]
    """The lowest `count` bits."""
    return ALL if count >= WIDTH else (ONE << np.uint64(count)) - ONE


@inlined
def spread_down(seeds, through):  # type: ignore[no-untyped-def]
    """Spread bits to lower places, as long as `through` has them without a gap."""
    for distance in (1, 2, 4, 8, 16, 32):
        seeds |= through & (seeds >> np.uint64(distance))
        through &= through >> np.uint64(distance)
    return seeds


@inlined
def mark_high(text, position, known, high, classes_of, blocks, classes):  # type: ignore[no-untyped-def]
    """Sort the characters that are not ASCII.

    `known` is how many of the 64 bytes are the document's; `high` the bytes that are not ASCII; `classes_of`
    the sets of classes that go to each mask, (words, points, hans). Returns (points, hans, threes, fours,
    known): what is in neither of the first two is a word, the next two are bytes that begin characters of so
    many bytes or more, and of what is from `known` on nothing is said: there begins a character that is in
    none of the sets, or not whole, or not valid.
    """
    word_classes, point_classes, han_classes = classes_of
    inside = below(known)
    twos, threes, fours, never, letters, chinese = mark_leads(text, position)
    twos &= inside
    following = (twos << ONE) | ((threes & inside) << TWO) | ((fours & inside) << THREE)
    broken = (following ^ (high & inside & ~twos)) | (never & inside)
    if known == WIDTH:
        known = np.int64(WIDTH - 3)  # the last characters may reach out of the 64 bytes
    if broken:
        known = min(known, max(np.int64(0), trailing_zeros(broken) - 3))
    points, hans = ZERO, ZERO
    if han_classes:
        hans = chinese | (chinese << ONE) | (chinese << TWO)
    twos &= ~(letters | chinese)
    while twos:
        place = trailing_zeros(twos)
        if place >= known:
            break
        twos &= twos - ONE
        at = position + place
        first, last = np.int64(text[at]), np.int64(text[at + 1]) & 0x3F
        block, length = first & 0x1F, 2
        if first >= 0xE0:
            number = (first & 0xF) << 6 | last
            block, last, length = THREES + number, np.int64(text[at + 2]) & 0x3F, 3
            if first >= 0xF0:
                number = (number & 0x1FF) << 6 | last
                block, last, length = FOURS + number, np.int64(text[at + 3]) & 0x3F, 4
        entry = np.int64(classes[np.int64(blocks[block]) << 6 | last])
        if entry & ~word_classes:
            bits = ((ONE << np.uint64(length)) - ONE) << np.uint64(place)
            if (entry & ~point_classes) == 0:
                points |= bits
            elif (entry & ~han_classes) == 0:
                hans |= bits
            else:
                known = place
    return points, hans, threes, fours, known


@inlined
def mark_threes(digits):  # type: ignore[no-untyped-def]
    """The places at which groups of three digits begin, in each run of them."""
    after = digits << ONE
    found = digits & ~after
    fourth = digits & after & (digits << TWO)  # what begins a group is three before
    begun = (found << THREE) & fourth
    while begun:
        found |= begun
        begun = (begun << THREE) & fourth
    return found


@inlined
def mark_white(spaces, lines, points, joining, known, ended):  # type: ignore[no-untyped-def]
    """The places at which pieces of white space begin, but for line breaks.

    White space is a piece through its last line break; what is left of it is one but for its last character,
    which belongs to what follows, if that is in `joining`. `ended`: the document ends with what is known.
    """
    after_space = spaces << ONE
    begun = spaces & ~after_space
    after_line = lines << ONE
    found = (begun & ~after_line) | (spaces & after_space & (joining >> ONE))
    indents = begun & after_line
    if indents:
        closed = spaces & (lines >> ONE)  # another line break follows
        if not ended:
            closed |= spaces & (ONE << np.uint64(known - 1))  # or may follow
        behind_points = (lines + (lines & (points << ONE))) & ~lines
        found |= indents & (behind_points | ~spread_down(closed, spaces))
    return found


@inlined
def write_ends(bits, start, ends, written):  # type: ignore[no-untyped-def]
    """Append the places of the bits to `ends`, as far as there is room: (how many it has, the last one)."""
    position = start
    while bits and written < ends.size:
        position = start + trailing_zeros(bits)
        ends[written] = position
        written += 1
        bits &= bits - ONE
    return written, position
