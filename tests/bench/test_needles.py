"""Needles: rows are what they say, answers are read rightly, and an extended network finds more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from dspipe.bench.extension import Stretch, train_by_stretches
from dspipe.bench.facts import FILLERS, Facts
from dspipe.bench.needles import Hidden, Score, read_answers, score_needles, show_scores
from dspipe.bench.pass_keys import PassKeys
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import DspipeError, Train
from tests.bpe.encoding.support import train
from tests.reference.networks import VOCABULARY, random_batch, small_network

FACTS = Facts()
LENGTHS = (64, 256, 512)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def hide(length: int, depth: float) -> Hidden:
    return FACTS.hide_needles(16, length, depth, np.random.default_rng([1, length]))


def test_every_question_is_answered_by_the_fact_before_it() -> None:
    facts = Facts(keys=5, values=4, questions=7)
    asked, answers = 1 + FILLERS, 1 + FILLERS + facts.keys
    for row in facts.draw_rows(20, 40, np.random.default_rng(3)).astype(int):
        known: dict[int, int] = {}
        questions = 0
        for place, token in enumerate(row):
            if token >= answers + facts.values:
                key, value = divmod(token - answers - facts.values, facts.values)
                assert key not in known
                known[key] = value
            elif asked <= token < answers:
                assert row[place + 1] - answers == known[token - asked]
                questions += 1
        assert (len(known), questions) == (5, 7) and 0 < row.min() < row.max() < facts.vocabulary


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_a_needle_lies_at_its_depth_and_the_other_row_has_another(depth: float) -> None:
    hidden = FACTS.hide_needles(9, 33, depth, np.random.default_rng(3))
    at = round(depth * 30)
    keys, values = np.divmod(hidden.rows[:, at] - FACTS.state(0, 0), FACTS.values)
    assert (hidden.rows[:, -2] == FACTS.ask(keys)).all()
    assert (hidden.rows[:, -1] == FACTS.answer(values)).all()
    assert [list(np.flatnonzero(row)) for row in hidden.rows != hidden.others] == [[at]] * 9
    assert (FACTS.state(0, 0) + keys * FACTS.values <= hidden.others[:, at]).all()
    stated = np.sort(hidden.rows[:, :-2], 1)[:, -FACTS.keys :] - FACTS.state(0, 0)
    assert (stated // FACTS.values == np.arange(FACTS.keys)).all()  # every key has a fact, and one alone


@pytest.mark.parametrize("attention", ["row", "document"])
def test_an_answer_is_found_if_decoding_greedily_gives_it(attention: str) -> None:
    """Half of the rows end with what the network itself goes on with, token by token."""
    network, count = small_network(), 3
    rows = random_batch([[12]] * 6, 12).tokens_BL
    for row in rows[:3]:
        for place in range(12 - count, 12):
            with torch.no_grad():
                batch = random_batch([[place]], place)
                batch.tokens_BL[0] = row[:place]
                row[place] = network.compute_logits(network(batch).hidden_BLD[0][0, -1]).argmax()
    tokens = rows.numpy().astype(np.uint32)
    settings = Train(model=network.config, attention=attention)  # type: ignore[arg-type]
    found, known = read_answers(network, settings, tokens, Hidden(tokens, tokens, np.full(6, count)))
    assert found[:3].all() and not found[3:].any()
    with torch.no_grad():
        batch = random_batch([[12]] * 6, 12)
        batch.tokens_BL[:] = rows
        chances = network.compute_logits(network(batch).hidden_BLD[0]).log_softmax(-1)
    by_hand = [sum(float(chances[n, p - 1, rows[n, p]]) for p in range(9, 12)) for n in range(6)]
    assert known == pytest.approx(by_hand, rel=1e-4)
    assert int(rows.max()) < VOCABULARY


def test_a_table_has_lengths_down_and_depths_across() -> None:
    scores = [Score(length, depth, 4, depth / 2, 1.0) for length in (1024, 2048) for depth in (0.0, 1.0)]
    assert list(show_scores(scores, lambda score: f"{score.found:.0%}")) == [
        "| tokens | 0% | 100% |",
        "|--:|--:|--:|",
        "| 1,024 | 0% | 50% |",
        "| 2,048 | 0% | 50% |",
    ]


def test_two_phases_of_yarn_find_needles_where_the_network_before_them_finds_few(tmp_path: Path) -> None:
    """Guessing finds one in eight. Trained on rows of 64, the network finds needles there, and in rows of 512
    only near ones; after some steps on rows of 256 and of 512 it finds them at all lengths and depths.
    """
    stretches = [Stretch(length, steps) for length, steps in zip(LENGTHS, (220, 40, 40), strict=True)]
    tables = []
    for settings, network in train_by_stretches(tmp_path, FACTS, stretches):
        if settings.steps != 260:
            assert network.extended == (settings.steps == 300)
            tables.append(list(score_needles(network, settings, hide, LENGTHS, (0.0, 0.5))))
    before, after = ({length: average(table, length) for length in LENGTHS} for table in tables)
    assert before[64] > 0.7 and before[512] < 0.5
    assert all(after[length] > 0.7 for length in LENGTHS)
    assert after[512] > before[512] + 0.3
    assert all(score.gain > 4 for score in tables[1])


def average(scores: list[Score], length: int) -> float:
    return float(np.mean([score.found for score in scores if score.length == length]))


def test_a_pass_key_stands_in_the_text_at_its_depth_and_is_asked_for_at_the_end(tmp_path: Path) -> None:
    texts = ["The pass key of the harbour is 12345.\nThe pass key of amber is 67890.\n"] * 3
    (tmp_path / "tokenizer.json").write_text(json.dumps(train(texts, 300)))
    encoder = Encoder(tmp_path)
    hay = encoder.encode(["The kettle sings on the stove. " * 9])[0].astype(np.uint32)
    for depth in (0.0, 0.5, 1.0):
        hidden = PassKeys(encoder, hay, count=4, seed=2).hide(160, depth)
        assert hidden.rows.shape == hidden.others.shape == (4, 160)
        for row, other, count in zip(hidden.rows, hidden.others, hidden.counts, strict=True):
            text, misled = encoder.decode(row), encoder.decode(other)
            found = re.fullmatch(r"(?s)(.*)\nThe pass key of (\w+) is (\d{5})\.\n(.*)", text)
            assert found is not None
            before, word, key, after = found.groups()
            rest, asked = after.rsplit("\n", 1)
            assert asked == f"The pass key of {word} is {key}"
            assert len(before) / len(before + rest) == pytest.approx(depth, abs=0.05)
            assert encoder.decode(row[-count:]).strip() == key
            assert misled.count(f"The pass key of {word} is") == 2 and misled.count(key) == 1
            assert misled.endswith(asked)
    with pytest.raises(DspipeError, match="12 tokens are too few for a needle"):
        PassKeys(encoder, hay, count=1).hide(12, 0.5)
