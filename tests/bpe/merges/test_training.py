"""The merges are those of `tokenizers`, and of the rule written down; for any memory and after any kill."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from dspipe.bpe.merges import stock, training
from dspipe.bpe.merges.cells import FINE, ROUGH, Bounds, add_pairs, allocate_cells, find_bound
from dspipe.bpe.merges.load import allocate_learned, allocate_pairs, find_pairs, load_symbols
from dspipe.bpe.merges.pairs import PairTable
from dspipe.bpe.merges.replay import prepare_replay, replay_merges
from dspipe.bpe.merges.segments import Segments, choose_count, last_of_bucket, weigh
from dspipe.bpe.merges.training import Rules
from dspipe.bpe.merges.words import Words
from tests.bpe.merges.cases import (
    BYTE_IDS,
    Case,
    ask_tokenizers,
    draw_case,
    list_merges,
    train,
    write_blocks,
)
from tests.reference.merge_training import merge
from tests.reference.merge_training import train_merges as train_slowly

FIRST = 259
ANY = 1 << 40  # bytes of a token
ONES = np.ones(400, np.int64)  # lengths of tokens


def make_words(pieces: Sequence[Sequence[int]], counts: Sequence[int]) -> Words:
    tokens = np.array([token for piece in pieces for token in piece], np.int32)
    return Words(tokens, np.cumsum([0, *map(len, pieces)]), np.array(counts, np.int64))


def split(words: Words) -> list[list[int]]:
    return [words.tokens[begin:end].tolist() for begin, end in pairwise(words.offsets)]


def make_bounds(words: Words) -> Bounds:
    rough = allocate_cells(2**62, 1 << 24, ROUGH)
    add_pairs(words, ONES, ANY, rough, rough, -1)
    return Bounds(rough, rough, 0)


def cut(piece: Sequence[int], keeps: Callable[[int, int], bool]) -> list[tuple[int, ...]]:
    """The parts of several tokens between pairs that are not kept together."""
    parts = [[piece[0]]]
    for left, right in pairwise(piece):
        if keeps(left, right):
            parts[-1].append(right)
        else:
            parts.append([right])
    return [tuple(part) for part in parts if len(part) > 1]


def pieces_of_tokens() -> SearchStrategy[list[tuple[list[int], int]]]:
    piece = st.lists(st.integers(0, 5), min_size=2, max_size=12)
    return st.lists(st.tuples(piece, st.integers(1, 9) | st.integers(1, 2**40)), min_size=1, max_size=30)


def ask_twin(case: Case) -> list[tuple[int, int, int]]:
    rules = case.rules
    return train_slowly(
        case.pieces, BYTE_IDS.tolist(), rules.vocab_size, FIRST, rules.min_frequency, rules.max_token_length
    )


def test_merges_are_those_of_tokenizers_and_of_the_rule(tmp_path: Path) -> None:
    draw = random.Random(1)
    for number in range(100):
        case = draw_case(draw)
        merges = list_merges(train(tmp_path / str(number), case))
        assert merges == ask_twin(case), case
        assert [merge[:2] for merge in merges] == ask_tokenizers(case), case


@given(st.dictionaries(st.binary(min_size=1, max_size=9), st.integers(1, 2**60), max_size=12))
@settings(max_examples=60, deadline=None)
def test_counts_beyond_what_floats_hold_are_exact(pieces: dict[bytes, int]) -> None:
    import tempfile

    case = Case(pieces, Rules(300, 3))
    with tempfile.TemporaryDirectory() as name:
        assert list_merges(train(Path(name), case)) == ask_twin(case)


def test_the_first_count_over_32_bits_wins(tmp_path: Path) -> None:
    merges = train(tmp_path, Case({b"ab": 2**31 + 1, b"cd": 2**31}, Rules(261, 3)))
    assert merges.counts.tolist() == [2**31 + 1, 2**31]  # the library would see negative numbers


@pytest.mark.parametrize("threads", [1, 2])
def test_merges_are_the_same_in_any_memory(
    tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_MEMORY", 1)
    monkeypatch.setattr(training, "BYTES_PER_SYMBOL", 1000)
    monkeypatch.setattr(training, "BYTES_PER_TOKEN", 1000)
    monkeypatch.setattr(stock, "BYTES_PER_PAIR", 100)  # so that they are counted in several shares
    draw = random.Random(threads)
    rounds = []
    for number in range(2):
        case = draw_case(draw)
        expected = ask_twin(case)
        symbols = sum(len(piece) for piece in case.pieces if len(piece) > 1)
        for memory in (999, symbols * 100, symbols * 400):  # for no symbol, and for some of them
            folder = tmp_path / f"{number}-{memory}"
            folder.mkdir()
            blocks = write_blocks(folder, case.pieces, 3)
            trainer = training.Trainer(
                blocks, BYTE_IDS, case.rules, memory, folder, threads, lambda done, total: None
            )
            while trainer.learn_round():
                pass
            assert list_merges(trainer.merges) == expected, (case, memory)
            rounds.append(trainer.rounds)
    assert max(rounds) > 10


def test_an_interrupted_training_goes_on_with_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_MEMORY", 1)
    monkeypatch.setattr(training, "BYTES_PER_SYMBOL", 1000)
    monkeypatch.setattr(training, "BYTES_PER_TOKEN", 1000)
    case = Case({b"banana": 5, b"bandana": 3, b"ananas": 7, b"cabana": 2, b"nab": 4}, Rules(275, 3))
    reported: list[int] = []

    def die(done: int, total: int) -> None:
        reported.append(done)
        if len(reported) == 3:
            raise KeyboardInterrupt

    blocks = write_blocks(tmp_path, case.pieces, 2)
    with pytest.raises(KeyboardInterrupt):
        training.train_merges(blocks, BYTE_IDS, case.rules, 8000, tmp_path, report=die)
    trainer = training.Trainer(
        blocks, BYTE_IDS, case.rules, 8000, tmp_path, 1, lambda done, total: reported.append(done)
    )
    known = trainer.merges.size
    assert known > 0
    while trainer.learn_round():
        pass
    assert list_merges(trainer.merges) == ask_twin(case)
    assert trainer.merges.size > known and reported == sorted(reported) and reported[-1] <= 1000


def test_a_piece_of_megabytes_is_learned_in_time(tmp_path: Path) -> None:
    draw = random.Random(7)
    long = bytes(draw.choices(b"abcdefgh", k=3_000_000)) + b"a" * 1_000_000
    merges = train(tmp_path, Case({long: 1}, Rules(700, 3)))
    assert merges.size == 441 and merges.counts[0] == count_pairs(long, merges.left[0], merges.right[0])
    few = train(tmp_path / "few", Case({long: 1}, Rules(270, 3)), memory=20_000_000)  # does not fit at once
    assert list_merges(few) == list_merges(merges)[: few.size]


def count_pairs(text: bytes, left: int, right: int) -> int:
    """How often two different bytes stand side by side."""
    ids = BYTE_IDS[np.frombuffer(text, np.uint8)]
    return int(np.sum((ids[:-1] == left) & (ids[1:] == right)))


def test_nothing_to_merge_is_no_merges(tmp_path: Path) -> None:
    for number, pieces in enumerate(({}, {b"a": 3}, {b"": 1, b"b": 2})):
        assert train(tmp_path / str(number), Case(pieces, Rules(300, 3))).size == 0
    assert train(tmp_path / "small", Case({b"ab": 1}, Rules(259, 3))).size == 0


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=6), st.data())
@settings(max_examples=150, deadline=None)
def test_replayed_merges_are_those_done_one_after_the_other(
    words: list[list[int]], data: st.DataObject
) -> None:
    pairs: list[tuple[int, int]] = []
    for _ in range(data.draw(st.integers(0, 6))):
        most = 3 + len(pairs)
        pair = (data.draw(st.integers(0, most)), data.draw(st.integers(0, most)))
        if pair not in pairs:
            pairs.append(pair)
    left, right = (np.array([pair[side] for pair in pairs], np.int32) for side in (0, 1))
    tokens = np.array([token for word in words for token in word], np.int32)
    offsets = np.cumsum([0, *map(len, words)])
    replay = prepare_replay(left, right, 4)
    expected = []
    for word in words:
        for token, pair in enumerate(pairs, 4):
            word = merge(word, *pair, token)
        expected.append(word)
    kept = replay_merges(Words(tokens, offsets, np.arange(len(words))), replay)
    assert split(kept) == [word for word in expected if len(word) > 1]
    assert kept.counts.tolist() == [number for number, word in enumerate(expected) if len(word) > 1]


def test_a_table_of_pairs_adds_up_and_chooses() -> None:
    table = PairTable(16)
    left, right = np.arange(1000) % 37, np.arange(1000) % 11
    table.add_all(left, right, np.ones(1000, np.int64))
    assert table.used == 37 * 11 and table.values.sum() == 1000
    assert [int(part[0]) for part in table.first(2)] == [
        *min((one, other) for one, other, value in zip(*table.list(), strict=True) if value == 2), 2
    ]  # fmt: skip


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=40), st.integers(0, 80))
@settings(deadline=None)
def test_the_count_that_is_chosen_lets_so_many_tokens_in(counts: list[int], room: int) -> None:
    """Pieces of two tokens, with a pair each."""
    words, lengths = make_words([[number, number] for number in range(len(counts))], counts), ONES
    bounds = make_bounds(words)
    weights = np.zeros(64 * 16, np.int64)
    weigh(words, lengths, ANY, bounds, weights)
    assert weights.sum() == 2 * len(counts)
    chosen = choose_count(weights, room)
    assert 2 * sum(count > chosen for count in counts) <= room
    smaller = max((count for count in counts if count <= chosen), default=0)
    if smaller:  # with what is a sixteenth less, there are more than fit
        assert 2 * sum(count >= smaller - smaller // 16 for count in counts) > room


def test_buckets_end_where_the_next_begin() -> None:
    ends = [last_of_bucket(bucket) for bucket in range(60 * 16)]
    assert ends[:33] == [*range(32), 33] and ends[-1] == 2**63 - 1
    assert all(one < other for one, other in pairwise(ends))


@given(pieces_of_tokens(), st.integers(0, 60), st.integers(4, 400))
@settings(max_examples=200, deadline=None)
def test_segments_are_what_is_left_when_pieces_are_cut_at_rare_pairs(
    pieces: list[tuple[list[int], int]], above: int, room: int
) -> None:
    words = make_words(*zip(*pieces, strict=True))
    counted = Counter[tuple[int, int]]()
    for piece, count in pieces:
        for pair in pairwise(piece):
            counted[pair] += count
    segments = Segments(room, make_bounds(words)._replace(above=above), ONES, ANY, 2**62)
    fits = segments.add(words)
    expected = Counter[tuple[int, ...]]()
    for piece, count in pieces:
        for segment in cut(piece, lambda left, right: counted[left, right] > segments.above):
            expected[segment] += count
    if fits:
        found = segments.list()
        assert dict(zip(map(tuple, split(found)), found.counts.tolist(), strict=True)) == expected
        assert found.tokens.size <= room
    else:  # not even those of the most frequent pairs
        most = max(counted.values())
        alike = {
            segment for piece, _ in pieces for segment in cut(piece, lambda *pair: counted[pair] == most)
        }
        assert sum(map(len, alike)) > room * 0.8


@given(pieces_of_tokens(), st.sampled_from([1, 4096, 1 << 20]), st.sampled_from([200, 2**15, 2**31, 2**62]))
@settings(max_examples=100, deadline=None)
def test_cells_say_no_pair_is_rarer_than_it_is(
    pieces: list[tuple[list[int], int]], memory: int, most: int
) -> None:
    words = make_words(*zip(*pieces, strict=True))
    rough, fine = allocate_cells(most, memory, ROUGH), allocate_cells(most, memory, FINE)
    add_pairs(words, ONES, ANY, rough, rough, -1)
    add_pairs(words, ONES, ANY, fine, rough, 20)
    counted = Counter[tuple[int, int]]()
    for piece, count in pieces:
        for pair in pairwise(piece):
            counted[pair] += count
    for pair, count in counted.items():
        least = min(count, rough.limit)
        assert find_bound(Bounds(rough, rough, 0), ONES, *pair, ANY) >= least
        bound = find_bound(Bounds(rough, fine, 20), ONES, *pair, ANY)
        assert bound >= least if find_bound(Bounds(rough, rough, 0), ONES, *pair, ANY) > 20 else bound == 0
    assert rough.top <= min(rough.limit, sum(counted.values()))


def test_what_is_learned_takes_less_room_than_is_promised() -> None:
    """The arrays that are written to, by symbol, without those that are only reserved."""
    symbols = load_symbols(np.zeros(6400, np.int32), np.array([0, 6400]), np.ones(1, np.int64))
    held = sum(array.nbytes for array in symbols)
    pairs, learned = allocate_pairs(6400), allocate_learned(np.ones(300, np.int64), 6400)
    find_pairs(symbols, pairs, learned, 1 << 40)
    used = pairs.pool.nbytes + learned.state[2] * 29
    assert (held + used) / 6400 < training.BYTES_PER_SYMBOL


def test_pairs_that_are_about_as_frequent_do_not_take_a_round_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LEAST_MEMORY", 1)
    letters = bytes(range(97, 117))
    pairs = [bytes([left, right]) for left in letters for right in letters]
    case = Case({pair: 1_000_000 + number for number, pair in enumerate(pairs)}, Rules(700, 3))
    blocks = write_blocks(tmp_path, case.pieces, 2)
    trainer = training.Trainer(blocks, BYTE_IDS, case.rules, 5000, tmp_path, 1, lambda done, total: None)
    while trainer.learn_round():
        pass
    assert list_merges(trainer.merges) == ask_twin(case) and trainer.rounds < 50


def test_a_piece_that_does_not_fit_does_not_take_a_round_for_each_merge(tmp_path: Path) -> None:
    draw = random.Random(3)
    pieces = {bytes(draw.choices(b"abcdef", k=8)): 1 for _ in range(3000)}
    case = Case(pieces | {bytes(draw.choices(b"abcdef", k=60_000)): 1}, Rules(600, 3))
    blocks = write_blocks(tmp_path, case.pieces, 2)
    trainer = training.Trainer(blocks, BYTE_IDS, case.rules, 1 << 20, tmp_path, 1, lambda done, total: None)
    while trainer.learn_round():
        pass
    assert trainer.merges.size == 341 and trainer.rounds < 30
    assert list_merges(trainer.merges) == list_merges(train(tmp_path / "all", case))
