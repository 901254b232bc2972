"""Blocks as plain text: lists, tables, lines between, against the slow twin and by examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.extract.markup import blocks as columns
from dspipe.extract.markup import tags
from dspipe.extract.pages import rendering
from dspipe.extract.pages.page import extract_page
from dspipe.recipe import Extract
from tests.extract.guarded import Guarded, assert_twins_agree, list_rows
from tests.reference.pages import Block, render_blocks

LONG = "x" * 201

blocks = st.builds(
    Block,
    kind=st.sampled_from([tags.OTHER, tags.CODE, tags.CELL]),
    flags=st.just(0),
    gap=st.integers(0, 5),
    element=st.just(0),
    marker=st.sampled_from([0, 0, 0, -1, 1, 9, 10, 99, 100, 12345, 10**18, 2**63 - 1]),
    indent=st.integers(0, 600),
    row=st.integers(0, 2),
    cell=st.integers(0, 3),
    text=st.sampled_from(
        ["a", "word ", "\n  code\n", " ", "\n\n", "é".encode().decode("latin-1"), LONG, LONG[1:]]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(blocks, st.booleans()), max_size=12))
def test_any_blocks_are_written_like_the_slow_twin_does_within_their_room(
    chosen: list[tuple[Block, bool]],
) -> None:
    parts, kept = [block for block, _ in chosen], [keep for _, keep in chosen]
    text = "".join(block.text for block in parts).encode("latin-1")
    rows = np.array(list_rows(parts), np.int64).reshape(len(parts), columns.BLOCK_COLUMNS)
    guarded = Guarded()
    written = guarded.make((len(text) + rendering.ROOM * len(parts),), np.uint8)
    size = rendering.render_blocks(
        np.frombuffer(text + b"behind", np.uint8), rows, len(parts), np.array(kept, np.bool_), written
    )
    guarded.check()
    assert written[:size].tobytes() == render_blocks(parts, kept)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        # lists
        ("<ol><li>a<li>b<li hidden>no<li>c</ol>", "1. a\n2. b\n3. c"),
        ("<ol>" + "<li>a" * 12 + "</ol>", "\n".join(f"{n}. a" for n in range(1, 13))),
        ("<ol><li>a<ul><li>b<li>c</ul><li>d</ol>", "1. a\n\n  - b\n  - c\n\n2. d"),
        ("<ol><li>a<ol><li>b</ol><li>c</ol><ol><li>d</ol>", "1. a\n\n  1. b\n\n2. c\n\n1. d"),
        ("<ul><li><p>a<p>b<li><div>c</div>d</ul>", "- a\n\nb\n\n- c\nd"),
        ("<ul><li></li><li>a</li></ul>b", "- a\n\nb"),
        ("<li>a<li>b", "- a\n- b"),
        ("<ul>" * 12 + "<li>a", " " * 16 + "- a"),
        ("<ol><li>a<table><tr><td><li>b</table></ol>", "1. a\n\n- b"),
        # tables
        ("<table><tr><td>a</td><td>b</td><td>c</td></tr><tr><th>d</th></tr></table>", "a | b | c\nd"),
        ("<table><tr><td><b>a</b> x<td><div>b</div><td><p>c</table>", "a x | b | c"),
        ("<table><tr><td>a<td></td><td>c</table>", "a | c"),
        ("<table><tr><td>a<br>b<td>c</table>", "a\nb | c"),
        ("<table><tr><td><p>a</p><p>b</p><td>c</table>", "a\n\nb\n\nc"),
        (f"<table><tr><td>a<td>{LONG}<td>b</table>", f"a\n{LONG}\nb"),
        (f"<table><tr><td>a<td>{LONG[1:]}</table>", f"a | {LONG[1:]}"),
        ("<table><tr><td>a<td><pre>b</pre></table>", "a\n\nb"),
        ("<table><tr><td>a<td><table><tr><td>b<td>c</table><td>d</table>", "a\n\nb | c\n\nd"),
        ("<table><tr><td>a</table><table><tr><td>b</table>", "a\n\nb"),
        # lines between
        ("a<div>b</div><p>c</p><div>d</div>", "a\nb\n\nc\n\nd"),
        ("<p></p><hr><p><p>a<hr><hr><p></p>b", "a\n\nb"),
        ("<div><div>a</div><div><div>b</div></div></div>", "a\nb"),
    ],
)
def test_a_rule_of_plain_text(page: str, text: str) -> None:
    assert extract_page(page.encode(), None, Extract(profile="full")).text == text
    assert_twins_agree(page.encode())


def test_what_is_left_out_between_leaves_its_empty_line_and_joins_no_cells() -> None:
    def block(text: str, gap: int, **columns: Any) -> Block:
        rest = {"kind": tags.CELL, "flags": 0, "element": 0, "marker": 0, "indent": 0, "row": 0, "cell": 0}
        return Block(**{**rest, "gap": gap, "text": text, **columns})

    def render(parts: list[Block], kept: list[bool]) -> str:
        rows = np.array(list_rows(parts), np.int64)
        written = np.empty(1000, np.uint8)
        text = np.frombuffer("".join(part.text for part in parts).encode(), np.uint8)
        size = rendering.render_blocks(text, rows, len(parts), np.array(kept), written)
        return written[:size].tobytes().decode()

    lines = [block("a", 0), block("b", 2), block("c", 1), block("d", 1)]
    assert render(lines, [True, False, True, True]) == "a\n\nc\nd"
    assert render(lines, [False, True, True, False]) == "b\nc"
    cells = [block("a", 0, row=1, cell=1), block("b", 1, row=1, cell=2), block("c", 1, row=1, cell=3)]
    assert render(cells, [True, True, True]) == "a | b | c"
    assert render(cells, [True, False, True]) == "a\nc"
