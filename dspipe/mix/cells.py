"""A document's domain, language and source → the cell it is budgeted in, and how often it may be drawn.

A cell is a (domain, language): what shares are asked for. Documents of one cell and one source are a group:
one key of the recipe says how often each of them may be drawn.
"""

from __future__ import annotations

from typing import NamedTuple

from dspipe.recipe import NON_NATURAL, Epochs, Mix

Cell = tuple[str, str]  # domain, language; language is "" where the domain is not natural language
Group = tuple[str, str, str]  # domain, language, source

MOST_EPOCHS = 2.0**31 - 1  # the column `draw` has 32 bits


class Cap(NamedTuple):
    epochs: float
    key: str  # of `[mix]`, which says so


def make_group(domain: str, language: str, source: str) -> Group:
    return domain, "" if domain in NON_NATURAL else language, source


def cell_of(group: Group) -> Cell:
    return group[:2]


def name_cell(cell: Cell) -> str:
    return "/".join(filter(None, cell))


def find_cap(settings: Mix, group: Group) -> Cap:
    """How often a document may be drawn: the least of what its source, domain and language are given.

    Without a budget it is once at most: `max_epochs` allows repeats, it does not ask for them.
    """
    cap = find_least(settings.max_epochs, group)
    most = MOST_EPOCHS if settings.bytes or settings.tokens else 1.0
    return cap._replace(epochs=min(cap.epochs, most))


def find_least(epochs: float | Epochs, group: Group) -> Cap:
    if not isinstance(epochs, Epochs):
        return Cap(float(epochs), "max_epochs")
    domain, language, source = group
    tables = (
        ("sources", epochs.sources, source),
        ("domains", epochs.domains, domain),
        ("languages", epochs.languages, language),
    )
    named = [Cap(table[name], f"max_epochs.{key}.{name}") for key, table, name in tables if name in table]
    return min(named, key=lambda cap: cap.epochs, default=Cap(epochs.default, "max_epochs.default"))
