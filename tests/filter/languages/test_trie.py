"""N-grams from an automaton, and a trie of them, against looking at every n-gram."""

from __future__ import annotations

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.languages import codes
from dspipe.filter.languages.automaton import Automaton, list_ngrams
from dspipe.filter.languages.bayes import find_longest
from dspipe.filter.languages.trie import BASE, BASES, CHECK, EMPTY, READ, ROW, build_trie
from dspipe.recipe import DspipeError
from tests.reference import language as reference

# Few bytes, so that n-grams begin and end alike; 0 and 255 are where tables end.
few = st.sampled_from([0, 1, 97, 98, 254, 255])
ngram_lists = st.lists(st.lists(few, min_size=2, max_size=8).map(bytes), min_size=1, max_size=25, unique=True)


def make_automaton(ngrams: list[bytes]) -> Automaton:
    following, features = reference.build_automaton(ngrams)
    transitions, rows = np.unique(np.array(following, np.uint32), axis=0, return_inverse=True)
    return Automaton(transitions, rows.ravel(), np.array(features, np.int64))


@settings(max_examples=100, deadline=None)
@given(ngram_lists)
def test_the_ngrams_of_an_automaton_are_those_it_was_made_of(ngrams: list[bytes]) -> None:
    assert list_ngrams(make_automaton(ngrams)) == ngrams


def test_an_automaton_of_another_kind_is_refused() -> None:
    automaton = make_automaton([b"abc", b"bc", b"ca"])
    for place in range(automaton.transitions.size):
        wrong = automaton.transitions.copy()
        wrong.flat[place] = (wrong.flat[place] + 1) % automaton.rows.size
        with pytest.raises(DspipeError, match="not known here"):
            list_ngrams(Automaton(wrong, automaton.rows, automaton.features))
    for state, number in itertools.product(range(automaton.rows.size), range(3)):
        if automaton.features[state] == number:
            continue
        wrong = automaton.features.copy()
        wrong[state] = number
        with pytest.raises(DspipeError, match="not known here"):
            list_ngrams(Automaton(automaton.transitions, automaton.rows, wrong))
    with pytest.raises(DspipeError, match="not known here"):
        list_ngrams(make_automaton([b"abc", b"a"]))


@settings(max_examples=300, deadline=None)
@given(ngram_lists, st.lists(few, min_size=2, max_size=40), st.integers(0, 8))
def test_the_longest_ngram_at_each_place_is_found(ngrams: list[bytes], data: list[int], start: int) -> None:
    trie = build_trie(ngrams)
    text = np.array(data, np.uint8)
    for position in range(start + 1, text.size):
        slot = find_longest(text, start, position, trie.pairs, trie.slots)
        seen = bytes(data[start : position + 1])
        assert (slot >> ROW) - 1 == reference.find_longest(seen, ngrams), (seen, position)


@given(ngram_lists)
def test_no_slot_is_found_from_two_ngrams(ngrams: list[bytes]) -> None:
    pairs, slots = build_trie(ngrams)
    bases = [(int(slot) >> BASE) & BASES for slot in [*pairs, *slots[(slots & CHECK) != EMPTY]]]
    inner = [base for base in bases if base != slots.size - 256]
    assert len(set(inner)) == len(inner) and max(bases) == slots.size - 256
    assert set(slots[-256:]) == {EMPTY}
    longer = {ngram[cut:] for ngram in ngrams for cut in range(len(ngram) - 2)}
    assert np.count_nonzero((slots & CHECK) != EMPTY) == len(longer)


def test_ngrams_longer_than_what_is_always_read_are_found() -> None:
    ngram = bytes(range(1, READ + 4))
    trie = build_trie([ngram, ngram[-2:]])
    text = np.frombuffer(b"\x09" + ngram, np.uint8)
    assert find_longest(text, 0, text.size - 1, trie.pairs, trie.slots) >> ROW == 1
    assert find_longest(text, 2, text.size - 1, trie.pairs, trie.slots) >> ROW == 2


def test_labels_of_models_become_names_of_recipes() -> None:
    assert doctest.testmod(codes).failed == 0
    labels = ["zh", "cmn_Hani", "nn", "nno_Latn", "arb_Arab", "arz", "srp_Cyrl", "sr", "zxx_Zxxx", "glk_Arab"]
    names = ["zh", "zh", "no", "no", "ar", "arz", "sr", "sr", "und", "glk"]
    assert [codes.name_label(f"__label__{label}") for label in labels] == names
