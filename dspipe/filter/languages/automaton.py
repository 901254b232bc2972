"""Turns py3langid's automaton into the byte n-grams that it counts.

It is one of Aho and Corasick: after each byte its state stands for the longest end of the text that begins
some n-gram, and the longest n-gram that this ends with is counted. What is counted at a place so depends on
the few bytes before it alone, and can be found without walking from the first byte on. That this is so is
checked for each state and byte of the model at hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dspipe.recipe import DspipeError

CHECKED = 4096  # states at once


@dataclass(frozen=True)
class Automaton:
    """S states; R different rows of transitions, of which each state has one."""

    transitions: NDArray[np.uint32]  # [R, 256]: next state
    rows: NDArray[np.int64]  # [S]
    features: NDArray[np.int64]  # [S]: the n-gram counted in a state, -1 for none

    def follow(self, states: NDArray[np.int64]) -> NDArray[np.uint32]:
        """[states, 256]: the next states."""
        return self.transitions[self.rows[states]]


@dataclass(frozen=True)
class Texts:
    """The text that each of the S states stands for, as that of its parent and one byte more."""

    parents: NDArray[np.int64]
    bytes: NDArray[np.int64]
    lengths: NDArray[np.int64]
    ends: NDArray[np.int64]  # the state of the longest end of the text that has one


def list_ngrams(automaton: Automaton) -> list[bytes]:
    """The n-grams in the order of their numbers.

    Raises:
        DspipeError: it is not such an automaton.
    """
    texts = find_texts(automaton)
    features = automaton.features
    own = np.flatnonzero(features != features[texts.ends])  # other states count what their ends do
    if (
        features[0] >= 0
        or not np.array_equal(np.sort(features[own]), np.arange(features.max() + 1))
        or texts.lengths.min() < 0
        or texts.lengths[own].min() < 2
        or not all(check_states(automaton, texts, states) for states in split_states(features.size))
    ):
        raise DspipeError(
            "the installed py3langid has a model of a kind not known here; pip install 'py3langid==0.4.0'"
        )
    spelled = spell_texts(texts)
    return [spelled[state] for state in own[np.argsort(features[own])]]


def find_texts(automaton: Automaton) -> Texts:
    """Reach every state on its shortest way from the first."""
    parents, last, ends = np.zeros((3, automaton.rows.size), np.int64)
    lengths = np.full(automaton.rows.size, -1)
    lengths[0], level, length = 0, np.zeros(1, np.int64), 0
    while level.size:
        targets = automaton.follow(level).ravel()
        fresh = np.flatnonzero(lengths[targets] < 0)
        reached, first = np.unique(targets[fresh], return_index=True)
        parents[reached], last[reached] = level[fresh[first] >> 8], fresh[first] & 255
        if length:
            ends[reached] = automaton.transitions[automaton.rows[ends[parents[reached]]], last[reached]]
        length += 1
        lengths[reached], level = length, reached.astype(np.int64)
    return Texts(parents, last, lengths, ends)


def split_states(count: int) -> list[NDArray[np.int64]]:
    return [np.arange(first, min(first + CHECKED, count)) for first in range(0, count, CHECKED)]


def check_states(automaton: Automaton, texts: Texts, states: NDArray[np.int64]) -> bool:
    """From each state a byte leads to that much longer a text, or where it leads from the text's end."""
    targets = automaton.follow(states).astype(np.int64)
    longer = texts.parents[targets] == states[:, np.newaxis]
    longer &= texts.bytes[targets] == np.arange(256)
    longer &= targets > 0
    usual = automaton.follow(texts.ends[states])
    usual[states == 0] = 0
    return bool((longer | (targets == usual)).all())


def spell_texts(texts: Texts) -> list[bytes]:
    spelled = [b""] * texts.parents.size
    for state in np.argsort(texts.lengths, kind="stable")[1:].tolist():
        spelled[state] = spelled[texts.parents[state]] + bytes([texts.bytes[state]])
    return spelled
