"""Boilerplate lines go from all documents of their host or source but the best one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.strings import answers, lines
from dspipe.dedup.strings.cuts import LINE
from dspipe.recipe import Dedup, Lines
from tests.dedup.strings.parts import find
from tests.reference import strings as twin

MENU, BODY = b"Home | About\n", b"It was a dark night.\n"
LINES = [
    b"a",
    b"b",
    b" a",
    b"a\t",
    b"A",
    b"",
    b" ",
    b"b\r",
    b"a\xc2\xa0",
    b"\xe3\x80\x80a",
    "ä".encode(),
    b"\xa0a",
]
LINES += [b"\xc2", b"\xe2\x80\xa8", b"\xe2\x80", b"a" * 40, b" " * 20 + b"a" * 40, b"a" * 39 + b"\0"]


def cut_texts(texts: list[bytes], asked: Lines, **how: object) -> list[bytes]:
    found = find(Dedup(lines=asked), list(texts), **how)  # type: ignore[arg-type]
    assert all(kind == LINE for cuts in found for *_, kind in cuts)
    return [twin.remove(text, [cut[:3] for cut in cuts]) for text, cuts in zip(texts, found, strict=True)]


def test_a_line_of_many_documents_stays_in_the_best_ranked_one_alone() -> None:
    texts = [BODY[number:] + MENU + b"%d " % number + MENU for number in range(4)]
    found = find(Dedup(lines=Lines(documents=4, share=0.5)), list(texts), ranks=[7, 3, 9, 5])
    assert found[0] == [(len(BODY), len(BODY) + len(MENU), 3, LINE)]
    assert [len(cuts) for cuts in found] == [1, 0, 1, 1]


def test_every_occurrence_goes_with_its_newline_and_a_document_counts_once() -> None:
    texts = [MENU + b"x\n" + MENU, MENU + b"y\n" + b"  Home | About  ", b"z\n"]
    assert cut_texts(texts, Lines(documents=2)) == [texts[0], b"y\n", b"z\n"]
    assert cut_texts([texts[0], b"y\n", b"z\n"], Lines(documents=2))[0] == texts[0]


def test_a_line_must_stand_in_so_many_documents_and_in_the_share() -> None:
    texts = [MENU + b"%d\n" % number for number in range(3)] + [b"%d\n" % number for number in range(3, 10)]
    gone = [texts[0], b"1\n", b"2\n"]
    assert cut_texts(texts, Lines(documents=3, share=0.3))[:3] == gone
    assert cut_texts(texts, Lines(documents=4, share=0.1)) == texts
    assert cut_texts(texts, Lines(documents=2, share=0.31)) == texts


def test_lines_are_counted_by_host_or_by_source() -> None:
    texts = [MENU + b"%d\n" % number for number in range(4)]
    urls = ["https://a.org/1", "https://b.org/1", "http://www.A.org:80/2", "https://b.org/2"]
    by_host = cut_texts(texts, Lines(documents=2, share=0.9), url=urls)
    assert by_host == [texts[0], texts[1], b"2\n", b"3\n"]
    by_source = cut_texts(texts, Lines(by="source", documents=4), url=urls, source=["s"] * 4)
    assert by_source == [texts[0], b"1\n", b"2\n", b"3\n"]
    assert cut_texts(texts, Lines(by="source", documents=2), source=list("stuv")) == texts


def test_code_keeps_its_lines() -> None:
    texts = [b"}\n%d\n" % number for number in range(4)]
    assert cut_texts(texts, Lines(documents=2), domain=["code", "math", "code", "math"]) == texts
    assert cut_texts(texts, Lines(documents=2), domain=["code", "web", "books", "code"])[2] == b"2\n"


def test_documents_that_went_neither_count_nor_keep() -> None:
    texts = [MENU + b"%d\n" % number for number in range(3)]
    cut = find(Dedup(lines=Lines(documents=2)), list(texts), ranks=[-1, 0, 1])
    assert [len(cuts) for cuts in cut] == [0, 0, 1] and cut[2][0][2] == 0
    assert find(Dedup(lines=Lines(documents=3)), list(texts), ranks=[-1, 0, 1]) == [[], [], []]
    assert find(Dedup(lines=Lines(documents=2)), [None, MENU, None, MENU])[3] == [(0, len(MENU), 1, LINE)]


def make_documents() -> st.SearchStrategy[list[tuple[bytes, str | None]]]:
    line = st.sampled_from(LINES) | st.binary(max_size=3)
    text = st.lists(line, max_size=10).map(b"\n".join)
    return st.lists(st.tuples(text, st.sampled_from(["s", "t", None])), min_size=1, max_size=8)


@given(
    documents=make_documents(),
    least=st.integers(2, 4),
    share=st.sampled_from([0.1, 0.5, 0.67, 1.0]),
    parts=st.integers(1, 3),
    size=st.sampled_from([1 << 10, 3]),
    seed=st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_cuts_are_those_of_the_twin(
    documents: list[tuple[bytes, str | None]], least: int, share: float, parts: int, size: int, seed: int
) -> None:
    ranks = random.Random(seed).sample(range(len(documents)), len(documents))
    by_rank = [documents[ranks.index(rank)] for rank in range(len(documents))]
    expected = twin.cut_lines([text for text, _ in by_rank], [source for _, source in by_rank], least, share)
    asked = Dedup(lines=Lines(by="source", documents=least, share=share))
    with pytest.MonkeyPatch.context() as patch:  # runs so small that documents are divided among them
        patch.setattr(lines, "LINES_AT_ONCE", size)
        patch.setattr(answers, "BYTES_IN_SPAN", size * 100)
        found = find(
            asked,
            [text for text, _ in documents],
            ranks,
            parts,
            source=[source or "code" for _, source in documents],
            domain=[None if source else "code" for _, source in documents],
        )
    assert [[cut[:3] for cut in cuts] for cuts in found] == [expected[rank] for rank in ranks]


@given(st.binary(max_size=40) | st.lists(st.sampled_from(LINES), max_size=8).map(b"".join))
@settings(deadline=None)
def test_white_space_is_trimmed_as_the_twin_does(line: bytes) -> None:
    text = np.frombuffer(b"x" + line + b"x", np.uint8)
    first, last = lines.trim_line(text, 1, 1 + len(line))
    left = twin.strip(line)
    assert text[first:last].tobytes() == left


def test_a_document_of_very_many_lines_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "LINES_AT_ONCE", 64)
    long = b"".join(b"%d\n%s" % (number, MENU) for number in range(300))
    texts = [b"first\n", long, MENU + b"own\n"]
    assert cut_texts(texts, Lines(documents=2)) == [texts[0], texts[1], b"own\n"]
    assert cut_texts(texts[:2], Lines(documents=2)) == texts[:2]
