"""The kernels of pages, run between zones of memory that nobody may touch, against their slow twins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.extract.markup import blocks as columns
from dspipe.extract.markup import layout
from dspipe.extract.markup.tags import load_names
from dspipe.extract.pages import content, rendering
from dspipe.extract.pages.weights import BIAS, WEIGHTS, load_weights
from tests.reference import content as measuring
from tests.reference import pages as twin

ZONE = 1024  # bytes on both sides
PATTERN = 0xA5
BEHIND = b"\"'>;-->x</title></script>&amp;\xa0"  # what follows the page in memory, and is not of it


class Guarded:
    """Makes arrays of the size that the kernels are promised, full of a pattern, with more of it around."""

    def __init__(self) -> None:
        self.zones: list[NDArray[np.uint8]] = []

    def make(self, shape: tuple[int, ...], kind: Any, clean: bool = False) -> NDArray[Any]:
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        whole = np.full(size + 2 * ZONE, PATTERN, np.uint8)
        self.zones += [whole[:ZONE], whole[ZONE + size :]]
        array: NDArray[Any] = whole[ZONE : ZONE + size].view(kind).reshape(shape)
        if clean:
            array[:] = 0
        return array

    def check(self) -> None:
        assert all(bool((zone == PATTERN).all()) for zone in self.zones), "written out of bounds"


@dataclass(frozen=True)
class Found:
    """What the kernels make of a page."""

    text: bytes  # of all blocks
    blocks: NDArray[np.int64]
    elements: list[int]
    title: tuple[int, int]
    measures: NDArray[np.float64]
    kept: list[bool]
    main: bytes
    full: bytes


def find_blocks(page: bytes, links: bool = False, alt: bool = False) -> Found | None:
    """Run all kernels; None where the page is nested beyond all reason."""
    guarded, names = Guarded(), load_names()
    tags = page.count(b"<")
    text = guarded.make((2 * len(page) + 64,), np.uint8)
    blocks = guarded.make((tags + 2, columns.BLOCK_COLUMNS), np.int64)
    elements = guarded.make((tags + 3,), np.int64)
    elements[0] = 0
    stack = guarded.make((columns.DEEPEST + 1, columns.STACK_COLUMNS), np.int64)
    stack[0] = 0
    opened = guarded.make((len(names.tags),), np.int64, clean=True)
    state = guarded.make((columns.STATES,), np.int64, clean=True)
    state[columns.WITH_LINKS], state[columns.WITH_ALT] = links, alt
    array = np.frombuffer(page + BEHIND, np.uint8)
    too_deep = layout.lay_out(array, len(page), text, blocks, stack, opened, elements, state, names)
    guarded.check()
    if too_deep:
        return None
    count, holders = int(state[columns.COUNT]), int(state[columns.ELEMENTS])
    facts = guarded.make((tags + 2, content.BLOCK_FACTS), np.float64)
    sums = guarded.make((tags + 3, content.ELEMENT_COLUMNS), np.float64)
    room = guarded.make((content.PAGE_FACTS,), np.float64)
    row = guarded.make((len(content.MEASURES),), np.float64)
    measures = guarded.make((count, len(content.MEASURES)), np.float64)
    kept = guarded.make((tags + 2,), np.bool_)
    found = (text, blocks, count, elements, holders, facts, sums, room)
    content.measure_blocks(*found, measures)
    content.choose_blocks(*found, row, load_weights(), kept)
    written = guarded.make((2 * len(page) + 64 + rendering.ROOM * (tags + 2),), np.uint8)
    texts = []
    for chosen in (kept, np.ones(count, np.bool_)):
        size = rendering.render_blocks(text, blocks, count, chosen, written)
        texts.append(written[:size].tobytes())
    guarded.check()
    return Found(
        text[: state[columns.OUT]].tobytes(),
        blocks[:count],
        elements[:holders].tolist(),
        (int(state[columns.TITLE_BEGIN]), int(state[columns.TITLE_END])),
        measures,
        kept[:count].tolist(),
        *texts,
    )


def assert_twins_agree(page: bytes, links: bool = False, alt: bool = False) -> None:
    """Blocks and text are the same to the byte, measures to the twelfth digit."""
    found = find_blocks(page, links, alt)
    try:
        expected = twin.lay_out(page, links, alt)
    except twin.TooDeep:
        assert found is None
        return
    assert found is not None
    assert found.text.decode("latin-1") == "".join(block.text for block in expected.blocks)
    assert found.blocks.tolist() == list_rows(expected.blocks)
    assert found.elements == expected.elements
    assert found.title == expected.title
    measures = measuring.measure_blocks(expected)
    assert all(row.keys() == set(content.MEASURES) for row in measures)
    values = [[float(row[name]) for name in content.MEASURES] for row in measures]
    np.testing.assert_allclose(found.measures, np.array(values).reshape(found.measures.shape), 0, 1e-12)
    assert found.kept == measuring.choose_blocks(expected, WEIGHTS, BIAS)
    assert found.main == twin.render_blocks(expected.blocks, found.kept)
    assert found.full == twin.render_blocks(expected.blocks, [True] * len(found.kept))


def list_rows(blocks: list[twin.Block]) -> list[list[int]]:
    """The blocks as the kernel has them."""
    rows, at = [], 0
    for block in blocks:
        end = at + len(block.text)
        row = [at, end, block.kind, block.flags, block.linked, block.gap, block.element]
        rows.append([*row, block.marker, block.indent, block.row, block.cell])
        at = end
    return rows
