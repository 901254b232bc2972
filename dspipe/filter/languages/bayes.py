"""Turns spans of text into py3langid's answers, by kernels over bytes.

The margin is the log-probability to the runner-up divided by the square root of the bytes, py3langid's own
calibration for lengths.
"""

from __future__ import annotations

import math

import numpy as np

from dspipe.filter.languages.composition import find_changing, normalize_spans
from dspipe.filter.languages.guess import UNDETERMINED, Guess, Numbers
from dspipe.filter.languages.model import TOGETHER, load_model
from dspipe.filter.languages.spans import Spans
from dspipe.filter.languages.trie import BASE, BASES, CHECK, DEEP, READ, ROW
from dspipe.text.arrow import Bytes
from dspipe.text.kernel import kernel

LOWEST = np.float32(-3.0e38)


@kernel
def read_back(text, start, position, slot, slots):  # type: ignore[no-untyped-def]
    """The slot of the longest n-gram that goes on from `slot` with the bytes at `position` and before."""
    while position >= start:
        byte = np.int64(text[position])
        following = slots[((slot >> BASE) & BASES) + byte]
        if (following & CHECK) != byte:
            break
        slot = following
        position -= 1
    return slot


@kernel
def find_longest(text, start, position, pairs, slots):  # type: ignore[no-untyped-def]
    """The slot of the longest n-gram that ends with the byte at `position`, the second of a span or later.

    How far one can read is a matter of chance, so every byte up to READ is read, without a branch to guess.
    """
    slot = pairs[(np.int64(text[position - 1]) << 8) | np.int64(text[position])]
    if position < start + READ - 1:
        return read_back(text, start, position - 2, slot, slots)
    nowhere = np.int64(slots.size - 256) & BASES
    base, following, hit = (slot >> BASE) & BASES, np.int64(0), False
    for back in range(2, READ):
        byte = np.int64(text[position - back])
        following = slots[base + byte]
        hit = (following & CHECK) == byte
        slot = following if hit else slot
        base = (following >> BASE) & BASES if hit else nowhere
    if (following & DEEP) and hit:  # in this order: the first is hardly ever so
        return read_back(text, start, position - READ, slot, slots)
    return slot


@kernel
def count_ngrams(text, start, end, pairs, slots, counts, seen):  # type: ignore[no-untyped-def]
    """Count the longest n-gram at each place; list the rows of those seen, and return how many."""
    counts[0], found = 1, 0  # row 0, of no n-gram, is never new
    for position in range(start + 1, end):
        row = find_longest(text, start, position, pairs, slots) >> ROW
        count = counts[row]
        counts[row] = count + 1
        seen[found] = row
        found += count == 0
    return found


@kernel
def split_rows(seen, found, counts, often):  # type: ignore[no-untyped-def]
    """Leave in `seen` the rows counted once, put the others in `often`; fill both up with row 0."""
    once, more = 0, 0
    for place in range(found):
        row = seen[place]
        single = counts[row] == 1
        counts[row] = 0 if single else counts[row]
        seen[once] = often[more] = row
        once += single
        more += not single
    for place in range(TOGETHER):
        seen[once + place] = often[more + place] = 0
    return once, more


@kernel
def add_once(seen, once, weights, factor, scores):  # type: ignore[no-untyped-def]
    """Add the rows counted once: TOGETHER of them as whole numbers, then as one."""
    for place in range(0, once, TOGETHER):
        a, b, c, d = seen[place], seen[place + 1], seen[place + 2], seen[place + 3]
        e, f, g, h = seen[place + 4], seen[place + 5], seen[place + 6], seen[place + 7]
        for label in range(scores.size):
            total = weights[a, label] + weights[b, label] + weights[c, label] + weights[d, label]
            total += weights[e, label] + weights[f, label] + weights[g, label] + weights[h, label]
            scores[label] += factor * np.float32(np.uint16(total))


@kernel
def find_factor(count, factors):  # type: ignore[no-untyped-def]
    """-unit * log1p(count)"""
    if count < factors.size:
        return factors[count]
    return np.float32(factors[1] * (math.log1p(np.float64(count)) / math.log(2.0)))


@kernel
def add_often(often, more, counts, weights, factors, scores):  # type: ignore[no-untyped-def]
    """Add the other rows, four at a time, and set their counts back to zero."""
    for place in range(0, more, 4):
        a, b, c, d = often[place], often[place + 1], often[place + 2], often[place + 3]
        of_a, of_b = find_factor(counts[a], factors), find_factor(counts[b], factors)
        of_c, of_d = find_factor(counts[c], factors), find_factor(counts[d], factors)
        counts[a] = counts[b] = counts[c] = counts[d] = 0
        for label in range(scores.size):
            left = of_a * np.float32(weights[a, label]) + of_b * np.float32(weights[b, label])
            right = of_c * np.float32(weights[c, label]) + of_d * np.float32(weights[d, label])
            scores[label] += left + right


@kernel
def find_best(scores, aliases, labels):  # type: ignore[no-untyped-def]
    """(label with the highest score, its lead); labels of one name share the higher of their scores."""
    for place in range(aliases.shape[0]):
        first, second = aliases[place, 0], aliases[place, 1]
        scores[first] = max(scores[first], scores[second])
        scores[second] = LOWEST
    best, runner_up = 0, LOWEST
    for label in range(1, labels):
        if scores[label] > scores[best]:
            runner_up = scores[best]
            best = label
        elif scores[label] > runner_up:
            runner_up = scores[label]
    return best, scores[best] - runner_up


@kernel
def guess_labels(  # type: ignore[no-untyped-def]
    text, starts, ends, pairs, slots, weights, priors, factors, aliases, labels, counts, seen, often, scores,
    best, margins,
):  # fmt: skip
    """Score each span and fill `best` and `margins`; counts come in as zeros and are left so."""
    for span in range(starts.size):
        start, end = starts[span], ends[span]
        found = count_ngrams(text, start, end, pairs, slots, counts, seen)
        best[span], margins[span] = -1, 0
        if found:
            for label in range(scores.size):
                scores[label] = priors[label]
            once, more = split_rows(seen, found, counts, often)
            add_once(seen, once, weights, factors[1], scores)
            add_often(often, more, counts, weights, factors, scores)
            best[span], lead = find_best(scores, aliases, labels)
            margins[span] = lead / np.sqrt(np.float64(end - start))


class NaiveBayes:
    """py3langid's model."""

    least_margin = 0.5

    @property
    def names(self) -> tuple[str, ...]:
        return load_model().names

    def raise_margin(self, margin: float) -> float:
        return 2 * margin

    def guess(self, text: Bytes, spans: Spans) -> Guess:
        """py3langid's answer for each span, those that NFC or lower case may change by way of a copy."""
        changing = find_changing(text, spans)
        copies, offsets = normalize_spans(text, spans.take(np.flatnonzero(changing)))
        guess = Guess(np.empty(changing.size, np.int64), np.empty(changing.size, np.float32))
        guess.fill(changing, guess_spans(copies, offsets[:-1], offsets[1:]))
        guess.fill(~changing, guess_spans(text, spans.starts[~changing], spans.ends[~changing]))
        none = [label for label, name in enumerate(self.names) if name == UNDETERMINED]
        guess.label[np.isin(guess.label, none)] = -1
        return guess


def guess_spans(text: Bytes, starts: Numbers, ends: Numbers) -> Guess:
    """The model's label for each span as it is, -1 where no n-gram is known, and its margin."""
    model = load_model()
    starts, ends = np.ascontiguousarray(starts), np.ascontiguousarray(ends)
    guess = Guess(np.empty(starts.size, np.int64), np.empty(starts.size, np.float32))
    counts, seen, often = np.zeros((3, model.weights.shape[0] + TOGETHER), np.int32)
    scores = np.empty(model.priors.size, np.float32)
    guess_labels(
        text, starts, ends, model.pairs, model.slots, model.weights, model.priors, model.factors,
        model.aliases, len(model.names), counts, seen, often, scores, guess.label, guess.margin,
    )  # fmt: skip
    return guess
