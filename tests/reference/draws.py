"""The rule of draws in plain Python: list every draw of every document, sort them, take the first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Document:
    hash: int
    amount: int
    weight: float
    cap: float


def list_draws(document: Document) -> list[tuple[float, int]]:
    """(key, hash) of every draw that a document's cap allows."""
    fraction = float(Fraction(document.hash >> 11, 2**53))
    draws: list[tuple[float, int]] = []
    while len(draws) + fraction < document.cap:
        draws.append(((len(draws) + fraction) / document.weight, document.hash))
    return draws


def draw_cell(documents: list[Document], budget: int) -> list[int]:
    """How often each document of a cell is drawn."""
    draws = sorted((*draw, number) for number, own in enumerate(documents) for draw in list_draws(own))
    counts: Counter[int] = Counter()
    for _, _, number in draws:
        budget -= documents[number].amount
        if budget < 0:
            break
        counts[number] += 1
    return [counts[number] for number in range(len(documents))]
