"""Long repeats go but for one copy, exactly as the slow twin says, whatever the bytes and the parts."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.strings import anchors, answers, lines, repeats, windows
from dspipe.dedup.strings.anchors import Stretches, find_anchors
from dspipe.dedup.strings.cuts import LINE, SUBSTRING, find_cuts
from dspipe.dedup.strings.standing import Texts
from dspipe.dedup.strings.windows import find_windows
from dspipe.recipe import Dedup, Lines
from tests.dedup.strings.parts import find, text_column, write_part
from tests.reference import strings as twin
from tests.support import make_workers

LENGTH = 12  # short, so that small texts have many repeats; recipes ask for 100 at least
PIECES = [b"", b"a", b"-", b"ab", "é".encode(), "漢字".encode(), "😀".encode(), b"-" * 30, b"\n", b"\0"]
PIECES += [b"the quick brown fox ", b"the quick brown ", "fünf Füchse größer ".encode()]
PIECES += [b"\x80", b"\xf0\x9f", b"\x80" * 20]
WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("a", "eo", "ira", "ul", "ont")]


def write_text(seed: int, size: int) -> bytes:
    """So many bytes in which nothing long repeats."""
    random_ = random.Random(seed)
    return " ".join(random_.choice(WORDS) for _ in range(size)).encode()[:size]


def find_repeats(texts: list[bytes], length: int = LENGTH, **how: Any) -> list[list[twin.Cut]]:
    found = find(Dedup(substrings=length), list(texts), **how)
    assert all(kind == SUBSTRING for cuts in found for *_, kind in cuts)
    return [[cut[:3] for cut in cuts] for cuts in found]


def make_texts() -> st.SearchStrategy[list[bytes]]:
    pieces = st.sampled_from(PIECES) | st.binary(max_size=16)
    return st.lists(st.lists(pieces, max_size=12).map(b"".join), min_size=1, max_size=6)


def use_small_runs(patch: pytest.MonkeyPatch) -> None:
    """Runs and spans so small that the texts of a test have many."""
    patch.setattr(windows, "WINDOWS_AT_ONCE", 7)
    patch.setattr(lines, "LINES_AT_ONCE", 3)
    patch.setattr(repeats, "ANCHORS_IN_RUN", 5)
    patch.setattr(answers, "BYTES_IN_SPAN", 400)
    patch.setattr(anchors, "ANCHORS_OF_BLOCK", 0)


@given(texts=make_texts(), length=st.integers(4, 24), parts=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_cuts_are_those_of_the_twin(texts: list[bytes], length: int, parts: int) -> None:
    assert find_repeats(texts, length, parts=parts) == twin.cut_repeats(texts, length)


@given(texts=make_texts(), parts=st.integers(1, 3), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_cuts_depend_neither_on_the_size_of_runs_nor_on_the_order(
    texts: list[bytes], parts: int, seed: int
) -> None:
    ranks = random.Random(seed).sample(range(len(texts)), len(texts))
    expected = twin.cut_repeats([texts[ranks.index(rank)] for rank in range(len(texts))], LENGTH)
    with pytest.MonkeyPatch.context() as patch:
        use_small_runs(patch)
        found = find_repeats(texts, parts=parts, ranks=ranks)
    assert found == [expected[rank] for rank in ranks]


@given(texts=make_texts(), parts=st.integers(1, 3), small=st.booleans())
@settings(max_examples=40, deadline=None)
def test_substrings_are_looked_for_in_what_lines_leave(texts: list[bytes], parts: int, small: bool) -> None:
    asked = Dedup(lines=Lines(by="source", documents=2), substrings=LENGTH)
    gone = twin.cut_lines(texts, ["s"] * len(texts), 2, 0.1)
    left = [twin.remove(text, cuts) for text, cuts in zip(texts, gone, strict=True)]
    expected = []
    for text, own, cuts in zip(texts, gone, twin.cut_repeats(left, LENGTH), strict=True):
        placed = [(*cut, SUBSTRING) for cut in twin.place_cuts(len(text), own, cuts)]
        expected.append(sorted([*((*cut, LINE) for cut in own), *placed]))
    with pytest.MonkeyPatch.context() as patch:
        if small:
            use_small_runs(patch)
        assert find(asked, list(texts), parts=parts, source=["s"] * len(texts)) == expected


@pytest.mark.parametrize("length", [100, 201])
def test_a_repeat_of_the_length_goes_and_a_shorter_one_stays(length: int) -> None:
    for size in (length - 1, length, length + 1, 3 * length):
        copy = b"(" + write_text(1, size - 2) + b")"
        texts = [write_text(2, 300) + copy + write_text(3, 300), write_text(4, 300) + copy + b"<" * 50]
        cut = [] if size < length else [(300, 300 + size, 0)]
        assert find_repeats(texts, length) == [[], cut], size
        assert find_repeats(texts, length) == twin.cut_repeats(texts, length)


def test_cuts_begin_and_end_between_characters() -> None:
    copy = "漢字漢é😀" * 12  # 2-, 3- and 4-byte characters, 192 bytes
    # the first and last bytes agree outside the copy, too, but inside a character
    texts = ["А" + copy + "Б", "б" + copy + "В"]
    [first, second] = find_repeats([text.encode() for text in texts], 100)
    assert first == twin.cut_repeats([text.encode() for text in texts], 100)[0]
    start, end = second[0][0], second[-1][1]
    assert (start, end) == (2, 2 + len(copy.encode()))


def test_within_a_document_what_overlaps_its_first_copy_stays() -> None:
    rule = b"-" * 250
    assert find_repeats([rule + b"a"], 100) == [[(100, 250, 0)]]
    assert find_repeats([b"-" * 199], 100) == [[]]
    own = write_text(1, 150)
    assert find_repeats([own + b"|" + own + b"/" + own], 100) == [[(151, 301, 0), (302, 452, 0)]]


def test_parts_of_a_document_are_kept_by_different_documents() -> None:
    one, other, last = (write_text(seed, 300) for seed in (1, 2, 3))
    texts = [one + b"1", other + b"2", b"<" + one + b"|" + other + b">" + last, last]
    [_, _, third, fourth] = find_repeats(texts, 200)
    assert third == [(1, 301, 0), (302, 602, 1)]
    assert fourth == [(0, 300, 2)]


def test_documents_that_went_are_not_looked_at() -> None:
    copy = write_text(1, 300)
    found = find(Dedup(substrings=200), [copy, None, copy, copy], ranks=[-1, 0, 2, 1])
    assert found == [[], [], [(0, 300, 1, SUBSTRING)], []]


@given(texts=make_texts())
@settings(max_examples=60, deadline=None)
def test_what_goes_stands_in_the_keeper_and_nothing_breaks(texts: list[bytes]) -> None:
    texts = [text.decode("utf-8", "ignore").encode() for text in texts]
    found = find_repeats(texts)
    for text, cuts in zip(texts, found, strict=True):
        twin.remove(text, cuts).decode("utf-8", "strict")
        spans = [text[start:end] for start, end in twin.find_windows(text, LENGTH)]
        places = twin.find_windows(text, LENGTH)
        for start, end, keeper in cuts:
            covering = [
                place
                for place, span in zip(places, spans, strict=True)
                if span in texts[keeper] and place[0] < end and place[1] > start
            ]
            covered = {byte for first, last in covering for byte in range(first, last)}
            assert covered.issuperset(range(start, end))


@given(st.binary(max_size=120) | make_texts().map(b"".join), st.integers(4, 30))
@settings(deadline=None)
def test_anchors_are_those_of_the_twin(text: bytes, length: int) -> None:
    found = find_anchors(text_column([text, b"", text]), np.array([0, 1, 2]), length)
    expected = twin.find_anchors(text, length) if len(text) >= length else []
    assert found.starts.tolist() == expected * 2
    assert found.rows.tolist() == [0] * len(expected) + [2] * len(expected)
    assert found.hashes[: len(expected)].tolist() == found.hashes[len(expected) :].tolist()


def test_texts_of_one_character_or_a_short_period_have_few_anchors() -> None:
    for period in (b"-", b"\0", b"ab", "é".encode(), b"1234567"):
        text = period * (20_000 // len(period))
        found = find_anchors(text_column([text]), np.zeros(1, np.int64), 200)
        assert len(found.hashes) <= len(text) // 40, period
        assert len(set(found.hashes.tolist())) <= 2, period


@given(st.binary(max_size=60) | make_texts().map(b"".join), st.integers(4, 16))
@settings(deadline=None)
def test_windows_are_those_of_the_twin(text: bytes, length: int) -> None:
    batch = Texts(5, text_column([b"ab", text]), np.array([0, 1]))
    whole = Stretches(*np.array([[1], [0], [len(text) - length]], np.int64))
    [found] = find_windows([(batch, whole)], length)
    places = list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))
    assert places == twin.find_windows(text, length)
    assert set(found.rows.tolist()) <= {6}
    keys = set(zip(found.high.tolist(), found.low.tolist(), strict=True))
    assert len(keys) == len({text[start:end] for start, end in places})


def make_documents() -> list[bytes]:
    shared = [write_text(seed, 250) for seed in range(6)]
    random_ = random.Random(0)
    return [
        b"menu\n" + b"\n".join([write_text(100 + number, 150), *random_.sample(shared, 3), b"-" * number * 9])
        for number in range(24)
    ]


def test_two_workers_and_other_parts_find_the_same() -> None:
    asked = Dedup(lines=Lines(documents=3), substrings=150)
    texts = make_documents()
    one = find(asked, list(texts))
    assert sum(map(len, one)) > 40
    assert find(asked, list(texts), parts=4, workers=2) == one


class KilledError(Exception):
    pass


def begin(folder: Path, texts: list[bytes], tasks: int | None = None) -> list[list[Any]]:
    """Find cuts of texts in three parts; be killed before the map that comes after so many."""
    standing = [
        write_part(folder, part, list(texts[first : first + 8]), list(range(first, first + 8)), {})
        for part, first in enumerate((0, 8, 16))
    ]
    workers = make_workers(folder)
    whole, left = workers.map, iter(range(tasks or 100))

    def map_some(*call: Any) -> Any:
        if next(left, None) is None:
            raise KilledError
        return whole(*call)

    workers.map = map_some  # type: ignore[assignment]
    asked = Dedup(lines=Lines(documents=3), substrings=150)
    return [np.load(file).tolist() for file in find_cuts(asked, standing, workers.scratch, workers)]


@pytest.mark.parametrize("tasks", range(1, 10))
def test_a_killed_run_goes_on_elsewhere(tmp_path: Path, tasks: int) -> None:
    texts = make_documents()
    with pytest.raises(KilledError):
        begin(tmp_path / "here", texts, tasks)
    shutil.copytree(tmp_path / "here" / ".progress", tmp_path / "there" / ".progress")
    shutil.rmtree(tmp_path / "here")
    found = begin(tmp_path / "there", texts)
    assert sum(map(len, found)) > 40
    assert found == begin(tmp_path / "whole", texts)
