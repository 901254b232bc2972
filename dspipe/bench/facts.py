"""Rows in which facts are stated once and asked for later → what a tiny network learns retrieval from.

A fact is one token, which says a key and a value; a question is one token, which says a key, and the next one
answers it by the fact's value. Facts and questions stand anywhere in a row, each question behind its fact;
what is between them means nothing. So a network that answers has found the one place of its row that matters,
however far back that is. A language model's needle in a haystack is this with words.

Legend: n rows, L tokens of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dspipe.bench.needles import Hidden, Rows

FILLERS = 4  # kinds of tokens that mean nothing


@dataclass(frozen=True)
class Facts:
    """Keys and values that there are, and how many questions a row has; token 0 stands for padding."""

    keys: int = 8
    values: int = 8
    questions: int = 24

    @property
    def vocabulary(self) -> int:
        return 1 + FILLERS + self.keys + self.values + self.keys * self.values

    def ask(self, keys: Any) -> Any:
        return 1 + FILLERS + keys

    def answer(self, values: Any) -> Any:
        return 1 + FILLERS + self.keys + values

    def state(self, keys: Any, values: Any) -> Any:
        return 1 + FILLERS + self.keys + self.values + keys * self.values + values

    def draw_rows(self, count: int, length: int, generator: np.random.Generator) -> Rows:
        """(count, length): of every key a fact, and the questions; no fact is stated twice."""
        return np.stack([self.draw_row(length, generator) for _ in range(count)])

    def draw_row(self, length: int, generator: np.random.Generator) -> Rows:
        """Units are shuffled, fillers and facts of one token, questions of two with their answers."""
        fillers = length - self.keys - 2 * self.questions
        kinds = np.repeat([0, 1, 2], [fillers, self.keys, self.questions])
        generator.shuffle(kinds)
        kinds = np.concatenate([[1], np.delete(kinds, np.argmax(kinds == 1))])  # none is asked before a fact
        stated = np.cumsum(kinds == 1)
        keys = generator.permutation(self.keys).astype(np.uint32)
        values = generator.integers(0, self.values, self.keys).astype(np.uint32)
        which = np.where(kinds == 2, (generator.random(len(kinds)) * stated).astype(np.int64), stated - 1)
        first = np.where(kinds == 1, self.state(keys[which], values[which]), self.ask(keys[which]))
        first = np.where(kinds == 0, generator.integers(1, 1 + FILLERS, len(kinds)), first)
        places = np.cumsum(1 + (kinds == 2)) - 1 - (kinds == 2)
        row = np.empty(length, np.uint32)
        row[places] = first
        row[places[kinds == 2] + 1] = self.answer(values[which[kinds == 2]])
        return row

    def hide_needles(self, count: int, length: int, depth: float, generator: np.random.Generator) -> Hidden:
        """Rows of fillers and of every key a fact, with the question for one of them and the answer at the
        end, its fact at `depth`, 0 to 1, of what is before. In the other rows that fact has another value.
        """
        rows = generator.integers(1, 1 + FILLERS, (count, length)).astype(np.uint32)
        at = round(depth * (length - 3))
        for row in rows:
            keys = generator.permutation(self.keys).astype(np.uint32)
            values = generator.integers(0, self.values, self.keys).astype(np.uint32)
            places = generator.permutation(np.delete(np.arange(length - 2), at))[: self.keys - 1]
            row[[at, *places]] = self.state(keys, values)
            row[-2:] = self.ask(keys[:1])[0], self.answer(values[:1])[0]
        others = rows.copy()
        stated = others[:, at] - self.state(np.uint32(0), np.uint32(0))
        keys, values = stated // self.values, stated % self.values
        others[:, at] = self.state(keys, (values + 1) % self.values)
        return Hidden(rows, others, np.ones(count, np.int64))
