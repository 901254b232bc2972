"""A network and rows that end with an answer → whether it finds the answer, and by how much it was helped.

A needle is a fact somewhere in a row; at the row's end it is asked for, and the answer's tokens are the last
ones of the row. Decoding greedily from the question gives the answer if and only if every token of it is the
most probable one behind those before it, so that one pass over the row decides; nothing is generated. The
same row with another needle in its place has the same question, and tells how probable the answer is to
somebody who has not read it: the gain is the difference.

Legend: n rows, L tokens of a row, a answer's tokens, V vocabulary, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from dspipe.batch import PackedBatch
from dspipe.model.transformer import Transformer
from dspipe.recipe import Train
from dspipe.train.machine.device import choose_precision

Rows = npt.NDArray[np.uint32]

DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
TOKENS = 1 << 13  # at a time


@dataclass(frozen=True)
class Hidden:
    """Rows with needles, (n, L), the same with other needles, and how many tokens each row's answer has."""

    rows: Rows
    others: Rows
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """Share of needles found, and the mean gain in nats of a whole answer, at one length and depth."""

    length: int
    depth: float
    rows: int
    found: float
    gain: float


Hide = Callable[[int, float], Hidden]  # length and depth of needles → rows with them


def score_needles(
    network: Transformer,
    settings: Train,
    hide: Hide,
    lengths: Sequence[int],
    depths: Sequence[float] = DEPTHS,
) -> Iterator[Score]:
    """One for each length and depth, in order."""
    for length in lengths:
        for depth in depths:
            hidden = hide(length, depth)
            found, known = read_answers(network, settings, hidden.rows, hidden)
            _, guessed = read_answers(network, settings, hidden.others, hidden)
            share, gain = float(found.mean()), float((known - guessed).mean())
            yield Score(length, depth, len(hidden.rows), share, gain)


@torch.no_grad()
def read_answers(
    network: Transformer, settings: Train, rows: Rows, hidden: Hidden
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Of each row whether its answer is found, and the answer's log-probability in nats; both of the answers
    that `hidden.rows` end with, whatever needle is in `rows`.
    """
    device, length = network.head.device, rows.shape[1]
    size, found, known = max(1, TOKENS // length), list[bool](), list[float]()
    for start in range(0, len(rows), size):
        batch = PackedBatch.from_lengths(
            rows[start : start + size], [[length]] * len(rows[start : start + size])
        )
        batch = batch.keep_apart() if settings.attention == "document" else batch
        with choose_precision(device, settings):
            hidden_BLD = network(batch.to(device)).hidden_BLD[0]
        for hidden_LD, row, count in zip(
            hidden_BLD, hidden.rows[start:], hidden.counts[start:].tolist(), strict=False
        ):
            answer = torch.from_numpy(row[-count:].astype(np.int64))
            logits_aV = network.compute_logits(hidden_LD[-count - 1 : -1].float()).cpu()
            chances_a = logits_aV.log_softmax(-1).gather(1, answer[:, None])
            found.append(bool((logits_aV.argmax(-1) == answer).all()))
            known.append(float(chances_a.double().sum()))
    return np.array(found), np.array(known)


def show_scores(scores: Sequence[Score], value: Callable[[Score], str]) -> Iterator[str]:
    """A table in Markdown, lengths down and depths across."""
    depths = list(dict.fromkeys(score.depth for score in scores))
    yield f"| tokens | {' | '.join(f'{depth:.0%}' for depth in depths)} |"
    yield f"|--:|{'--:|' * len(depths)}"
    for length in dict.fromkeys(score.length for score in scores):
        cells = [value(score) for score in scores if score.length == length]
        yield f"| {length:,} | {' | '.join(cells)} |"
