"""Turns a column of text into the language of each document, from its first characters.

The model is py3langid's, walked by a kernel over the bytes of the column; the answers are py3langid's own. As
there, text is brought to NFC first, and to lower case where it is all capitals. The table of Unicode classes
tells which few documents that may change, and only those are copied.

The margin is the log-probability to the runner-up divided by the square root of the bytes, py3langid's own
calibration for lengths. Below `LEAST_LETTERS` or `LEAST_MARGIN` the language is "und".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.filter.model import load_model
from dspipe.text.arrow import Bytes, Offsets, text_buffers
from dspipe.text.kernel import kernel
from dspipe.text.unicode import CLASS, COMPOSES, LETTER, LOWER, UPPER, load_classes, read_character

UNDETERMINED = "und"
LEAST_LETTERS = 20
LEAST_MARGIN = 0.5
LOWEST = np.float32(-3.0e38)


@dataclass(frozen=True)
class Prefixes:
    """The first characters of each document, as spans of a byte buffer, and what is to be known of them."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    letters: NDArray[np.int64]
    flags: NDArray[np.int64]  # COMPOSES, LOWER and UPPER of all characters, or-ed


@dataclass(frozen=True)
class Guess:
    """For each document a label's number, -1 where the model has nothing to go by, and its margin."""

    label: NDArray[np.int64]
    margin: NDArray[np.float32]


@kernel
def measure_prefixes(text, offsets, limit, index, classes, ends, letters, flags):  # type: ignore[no-untyped-def]
    """Find where each document's first `limit` characters end, how many are letters, and their flags."""
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        left, found, seen = limit, 0, 0
        while position < end and left > 0:
            entry = read_character(text, position, end, index, classes)
            position += (entry >> 16) & 255
            found += (entry & CLASS) == LETTER
            seen |= entry
            left -= 1
        ends[document], letters[document], flags[document] = (
            position,
            found,
            seen & (COMPOSES | LOWER | UPPER),
        )


@kernel
def visit_features(text, start, end, transitions, states, counts, seen):  # type: ignore[no-untyped-def]
    """Walk the automaton; list the features seen, each with its count, and return how many."""
    found = 0
    state = np.int64(0)
    for position in range(start, end):
        state = np.int64(transitions[np.int64(states[state, 0]) + np.int64(text[position])])
        feature = states[state, 1]
        if feature >= 0:
            if counts[feature] == 0:
                seen[found] = feature
                found += 1
            counts[feature] += 1
    return found


@kernel
def find_best(scores, merged):  # type: ignore[no-untyped-def]
    """(label with the highest score, its lead); labels that are merged share the higher of their scores."""
    for label in range(merged.size):
        if merged[label] != label:
            scores[merged[label]] = max(scores[merged[label]], scores[label])
            scores[label] = LOWEST
    best, runner_up = 0, LOWEST
    for label in range(1, merged.size):
        if scores[label] > scores[best]:
            runner_up = scores[best]
            best = label
        elif scores[label] > runner_up:
            runner_up = scores[label]
    return best, scores[best] - runner_up


@kernel
def guess_labels(  # type: ignore[no-untyped-def]
    text, starts, ends, transitions, states, weights, priors, logs, merged, counts, seen, scores, best,
    margins,
):  # fmt: skip
    """Score each span and fill `best` and `margins`; counts come in as zeros and are left so."""
    for document in range(starts.size):
        start, end = starts[document], ends[document]
        found = visit_features(text, start, end, transitions, states, counts, seen)
        for label in range(scores.size):
            scores[label] = priors[label]
        for place in range(found):
            feature = seen[place]
            count = counts[feature]
            counts[feature] = 0
            weight = logs[count] if count < logs.size else np.float32(math.log1p(np.float64(count)))
            for label in range(scores.size):
                scores[label] += weight * weights[feature, label]
        best[document], margins[document] = -1, 0
        if found:
            best[document], lead = find_best(scores, merged)
            margins[document] = lead / np.sqrt(np.float64(end - start))


def find_language(texts: Any, characters: int) -> tuple[Any, Any]:
    """Return (language string, margin float32), two Arrow arrays, for the first `characters` of each text."""
    text, offsets = text_buffers(texts)
    prefixes = find_prefixes(text, offsets, characters)
    guess = guess_prefixes(texts, text, prefixes, characters)
    model = load_model()
    names = pa.array([*model.labels, UNDETERMINED], pa.string())
    sure = (prefixes.letters >= LEAST_LETTERS) & (guess.margin >= LEAST_MARGIN) & (guess.label >= 0)
    return names.take(pa.array(np.where(sure, guess.label, len(model.labels)))), pa.array(guess.margin)


def find_prefixes(text: Bytes, offsets: Offsets, characters: int) -> Prefixes:
    ends, letters, flags = np.zeros((3, offsets.size - 1), np.int64)
    measure_prefixes(text, offsets, characters, *load_classes(), ends, letters, flags)
    return Prefixes(offsets[:-1], ends, letters, flags)


def guess_prefixes(texts: Any, text: Bytes, prefixes: Prefixes, characters: int) -> Guess:
    """py3langid's answer for each prefix, those that NFC or lower case may change by way of a copy."""
    capitals = (prefixes.flags & (UPPER | LOWER)) == UPPER
    changed = np.flatnonzero(capitals | ((prefixes.flags & COMPOSES) != 0))
    guess = guess_spans(text, prefixes.starts, prefixes.ends)
    if changed.size:
        copies, offsets = text_buffers(
            normalize(texts.take(pa.array(changed)), characters, capitals[changed])
        )
        again = guess_spans(copies, offsets[:-1], offsets[1:])
        guess.label[changed], guess.margin[changed] = again.label, again.margin
    return guess


def normalize(texts: Any, characters: int, capitals: NDArray[np.bool_]) -> Any:
    """The first characters in NFC, lower case where `capitals` says so.

    Arrow lowers one character to one; Python makes two of "İ" and another of a final "Σ". That touches only
    texts all in capitals.
    """
    cut = pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, characters)
    return pc.utf8_normalize(pc.if_else(pa.array(capitals), pc.utf8_lower(cut), cut), "NFC")


def guess_spans(text: Bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Guess:
    model = load_model()
    starts, ends = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    guess = Guess(np.empty(starts.size, np.int64), np.empty(starts.size, np.float32))
    counts, seen = np.zeros((2, model.weights.shape[0]), np.int32)
    scores = np.empty(model.priors.size, np.float32)
    guess_labels(
        text, starts, ends, model.transitions, model.states, model.weights, model.priors, model.logs,
        model.merged, counts, seen, scores, guess.label, guess.margin,
    )  # fmt: skip
    return guess
