"""Tokens of documents → the same with a share of those that join punctuation and line ends split in two.

A vocabulary has tokens such as `.\\n` and `);\\n\\n`, with which all text is written that goes on behind a
line end. A prompt that ends in `.` is then something that the model has hardly seen. So a share of these
tokens, and of no others, is split between punctuation and line ends (DeepSeek-V3 report 4.1, which tells
neither the share nor where it is done). Decoded, the text is the same.
"""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.encoding.engine import Ids
from dspipe.text.arrow import Offsets
from dspipe.text.hashing import GOLDEN, Numbers
from dspipe.text.kernel import inlined, kernel

LINE_ENDS = b"\r\n"


@dataclass(frozen=True)
class Splits:
    """What tokens are split into: ids[offsets[token] : offsets[token + 1]], nothing for most."""

    offsets: npt.NDArray[np.int32]
    ids: Ids


def find_splits(encoder: Encoder) -> Splits:
    """The tokens of a vocabulary that join punctuation and line ends, and how their halves are encoded."""
    added = set(encoder.added.values())
    halves = {
        token: half
        for token, text in enumerate(encoder.tokens)
        if text.endswith((b"\n", b"\r")) and token not in added and (half := halve(text))
    }
    ids, bounds = encoder.encode([text for half in halves.values() for text in half])
    made = [ids[begin:end] for begin, end in itertools.pairwise(bounds[::2].tolist())]
    counts, kept = np.zeros(len(encoder.tokens) + 1, np.int32), [np.empty(0, np.uint32)]
    for token, split in zip(halves, made, strict=True):
        if (
            b"".join(encoder.tokens[one] for one in split) == encoder.tokens[token]
        ):  # no space was put before it
            counts[token + 1] = len(split)
            kept.append(split)
    return Splits(np.cumsum(counts, dtype=np.int32), np.concatenate(kept))


def halve(text: bytes) -> tuple[str, str] | None:
    """(` ?[\\p{P}\\p{S}]+`, `[\\r\\n]+`), or None for a text that is not made so."""
    head = text.rstrip(LINE_ENDS)
    try:
        marks = head.decode().removeprefix(" ")
    except UnicodeDecodeError:
        return None
    if (
        not marks
        or len(head) == len(text)
        or any(unicodedata.category(character)[0] not in "PS" for character in marks)
    ):
        return None
    return head.decode(), text[len(head) :].decode()


def split_tokens(
    tokens: Ids,
    offsets: Offsets,
    chosen: npt.NDArray[np.bool_],
    keys: Numbers,
    rate: float,
    splits: Splits,
) -> tuple[Ids, Offsets, int]:
    """Split a share of the tokens that `splits` names, by hash(key of the document, place in it).

    Args:
        offsets: where documents begin in `tokens`, (n + 1,). chosen: (n,) which may be split.
        keys: (n,) a number for each document.
        rate: of 0 to 1; where nothing is split, nothing is copied.

    Returns:
        tokens and offsets anew, and how many were split.
    """
    if rate == 0 or splits.ids.size == 0:
        return tokens, offsets, 0
    limit = np.uint64(min(int(rate * 2**64), 2**64 - 1))
    more = np.zeros(2, np.int64)
    count_splits(tokens, offsets, chosen, keys, limit, splits.offsets, more)
    made, moved = np.empty(tokens.size + more[0], np.uint32), np.zeros_like(offsets)
    write_splits(tokens, offsets, chosen, keys, limit, splits.offsets, splits.ids, made, moved)
    return made, moved, int(more[1])


@inlined
def is_split(key, place, limit):  # type: ignore[no-untyped-def]
    """Whether chance splits the token at a place: SplitMix64's number of that place up to a limit."""
    number = key + np.uint64(place + 1) * np.uint64(GOLDEN)
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (number ^ (number >> np.uint64(31))) <= limit


@kernel
def count_splits(tokens, offsets, chosen, keys, limit, bounds, more):  # type: ignore[no-untyped-def]
    """Add to `more` how many tokens there will be more, and how many are split."""
    for document in range(keys.size):
        for place in range(offsets[document], offsets[document + 1]):
            count = (bounds[tokens[place] + 1] - bounds[tokens[place]]) * chosen[document]
            if count and is_split(keys[document], place - offsets[document], limit):
                more[0] += count - 1
                more[1] += 1


@kernel
def write_splits(tokens, offsets, chosen, keys, limit, bounds, ids, made, moved):  # type: ignore[no-untyped-def]
    """Copy `tokens` to `made`, split where `count_splits` counted, and where documents end to `moved`."""
    written = 0
    for document in range(keys.size):
        for place in range(offsets[document], offsets[document + 1]):
            first, last = bounds[tokens[place]], bounds[tokens[place] + 1]
            number = place - offsets[document]
            if first < last and chosen[document] and is_split(keys[document], number, limit):
                for half in range(first, last):
                    made[written] = ids[half]
                    written += 1
            else:
                made[written] = tokens[place]
                written += 1
        moved[document + 1] = written
