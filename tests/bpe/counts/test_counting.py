"""Counts of pieces are those of a counter, for any workers, memory and division into parts."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.bpe.counts import counting
from dspipe.bpe.counts.block import Pieces
from dspipe.bpe.counts.counting import Counted, count_pieces, group_files
from dspipe.bpe.counts.runs import gather, refuse
from dspipe.bpe.counts.sample import choose_probabilities
from dspipe.bpe.counts.table import Table
from dspipe.bpe.pieces.patterns import build_pretokenizer, describe_pattern
from dspipe.recipe import RecipeError, Tokenizer
from dspipe.schema import MIXTURE
from dspipe.shards import Artifact
from tests.bpe.encoding.support import make_texts
from tests.support import document, make_artifact, make_workers


def list_pieces(pieces: Pieces) -> dict[bytes, int]:
    text, offsets = pieces.text.tobytes(), pieces.offsets.tolist()
    bounds = itertools.pairwise(offsets)
    return {text[begin:end]: int(count) for (begin, end), count in zip(bounds, pieces.counts, strict=True)}


def list_all(counted: Counted) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for block in counted.blocks:
        pieces = list_pieces(block.open())
        assert not found.keys() & pieces.keys()
        found |= pieces
    return found


def count_slowly(texts: list[str | None]) -> Counter[bytes]:
    """By the library's own pieces."""
    cut = build_pretokenizer(describe_pattern("deepseek-v3"))
    counts: Counter[bytes] = Counter()
    for text in texts:
        spans = [span for _, span in cut.pre_tokenize_str(text or "")]
        counts.update((text or "")[begin:end].encode() for begin, end in spans)
    return counts


def make_mixture(folder: Path, texts: list[str | None], parts: int = 3, **columns: Any) -> Artifact:
    rows = [document(text or "", str(number), draw=0, **columns) for number, text in enumerate(texts)]
    for row, text in zip(rows, texts, strict=True):
        row["text"] = text
        row["cluster"] = row["id"]
    return make_artifact(folder, [rows[number::parts] for number in range(parts)], MIXTURE)


TEXTS = [*make_texts(80), None, "", "a" * 100_000, "水" * 40_000, "x" * 16, "x" * 15, "\x00\x00 \x00", "end"]


def test_counts_are_those_of_a_counter_for_any_division(tmp_path: Path) -> None:
    expected = count_slowly(TEXTS)
    for parts in (1, 3):
        mixture = make_mixture(tmp_path / f"{parts}", TEXTS, parts)
        counted = count_pieces(mixture.files, Tokenizer(), make_workers(tmp_path / f"{parts}"))
        assert list_all(counted) == dict(expected)
        assert counted.facts["documents"] == len(TEXTS)
        assert counted.facts["pieces"] == expected.total()
        assert counted.facts["distinct_pieces"] == len(expected)
        assert counted.facts["bytes"] == sum(len((text or "").encode()) for text in TEXTS)


def test_counts_are_the_same_with_little_memory_and_several_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LARGEST_TABLE", 1 << 20)
    monkeypatch.setattr(counting, "choose_ranges", lambda counted: 8)
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghij", k=draw.randint(3, 30))) for _ in range(30_000)]
    texts: list[str | None] = [" ".join(words[begin : begin + 300]) for begin in range(0, 30_000, 300)]
    mixture = make_mixture(tmp_path, texts, 2)
    workers = make_workers(tmp_path)
    counted = count_pieces(mixture.files, Tokenizer(), workers)
    assert list_all(counted) == dict(count_slowly(texts))
    assert len(counted.blocks) == 8
    assert len(list(workers.scratch.glob("run-00000-*-hashes.npy"))) > 1  # what did not fit was spilled


def test_two_processes_count_what_one_does(tmp_path: Path) -> None:
    mixture = make_mixture(tmp_path, TEXTS)
    blocks = []
    for count in (1, 2):
        workers = make_workers(tmp_path / str(count), count)
        counted = count_pieces(mixture.files, Tokenizer(), workers)
        blocks.append([block.open() for block in counted.blocks])
        workers._pool.close()
    for one, other in zip(*blocks, strict=True):
        assert all((mine == theirs).all() for mine, theirs in zip(one, other, strict=True))


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 2**61)), max_size=60))
@settings(max_examples=80, deadline=None)
def test_a_table_adds_weights_of_pieces_of_any_bytes(pieces: list[tuple[bytes, int]]) -> None:
    table, expected = Table(1 << 30), Counter[bytes]()
    for piece, weight in pieces:
        expected[piece] += weight
    text = np.frombuffer(b"".join(piece for piece, _ in pieces), np.uint8)
    ends = np.cumsum([len(piece) for piece, _ in pieces]).astype(np.int64)
    table.add(text, 0, ends, refuse, np.array([weight for _, weight in pieces], np.int64))
    if expected.total() < 2**63:
        taken, hashes = table.take()
        assert list_pieces(taken) == dict(expected) and len(table) == 0
        assert (np.diff(hashes.astype(object)) >= 0).all()


def test_a_piece_that_is_larger_than_the_table_is_counted() -> None:
    spilled: list[dict[bytes, int]] = []
    table = Table(1 << 20)
    text = np.frombuffer(b"ab" * 3_000_000 + b"short" + b"ab" * 3_000_000, np.uint8)
    ends = np.array([6_000_000, 6_000_005, 12_000_005], np.int64)
    table.add(text, 0, ends, lambda: spilled.append(list_pieces(table.take()[0])))
    spilled.append(list_pieces(table.take()[0]))
    total = sum((Counter(part) for part in spilled), Counter[bytes]())
    assert total == {b"ab" * 3_000_000: 2, b"short": 1}


def test_a_giant_piece_leaves_the_table_as_it_was() -> None:
    taken: list[dict[bytes, int]] = []
    table = Table(8 << 20)

    def spill() -> None:
        taken.append(list_pieces(table.take()[0]))

    small = b"".join(b"%06d" % number for number in range(60_000))
    text = np.frombuffer(b"x" * 9_000_000 + small, np.uint8)
    table.add(text, 0, 9_000_000 + np.arange(0, len(small) + 1, 6), spill)
    spill()
    assert sum(map(len, taken)) == 60_001 and b"x" * 9_000_000 in taken[0]
    assert len(taken) <= 3


def test_changes_that_undo_each_other_under_a_product_do_not_collide() -> None:
    """The highest bit of a word keeps its place under any odd factor where products wrap around."""
    pieces = []
    for choice in range(256):
        words = np.zeros(16, np.uint64)
        for pair in range(8):  # a change in the even word, folded down by 32 bits, and the same in the next
            if choice >> pair & 1:
                words[2 * pair], words[2 * pair + 1] = 1 << 63, 1 << 63 | 1 << 31
        pieces.append(words.tobytes() + b"end")
    text = np.frombuffer(b"".join(pieces), np.uint8)
    table = Table(1 << 30)
    table.add(text, 0, np.arange(131, text.size + 1, 131), refuse)
    assert len(set(table.take()[1].tolist())) == 256


def test_what_is_finished_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = make_mixture(tmp_path, TEXTS)
    first = list_all(count_pieces(mixture.files, Tokenizer(), make_workers(tmp_path)))

    def fail(*arguments: object) -> int:
        raise AssertionError("counted again")

    monkeypatch.setattr(counting, "count_texts", fail)
    assert list_all(count_pieces(mixture.files, Tokenizer(), make_workers(tmp_path))) == first


def test_tasks_are_groups_of_files_that_depend_on_the_files_alone(tmp_path: Path) -> None:
    sizes = [1, 1, 1, 200, 50] * 8
    files = [tmp_path / f"{number}" for number in range(len(sizes))]
    for file, size in zip(files, sizes, strict=True):
        file.write_bytes(bytes(size))
    groups = list(group_files(files))
    assert [file for group in groups for file in group] == files and len(groups) < len(files)
    assert all(
        len(group) == 1 or sum(file.stat().st_size for file in group) <= sum(sizes) // 16 for group in groups
    )


def make_languages(folder: Path) -> Artifact:
    rows = []
    for language, domain, count in (("en", "web", 600), ("sw", "web", 60), ("en", "code", 40)):
        for number in range(count):
            name = f"{language}{domain}{number}"
            row = document(f"{name} " * 20, name, language=language, domain=domain, draw=0)
            rows.append({**row, "cluster": row["id"]})
    return make_artifact(folder, [rows[::2], rows[1::2]], MIXTURE)


def test_a_sample_has_the_shares_that_are_asked_for(tmp_path: Path) -> None:
    mixture = make_languages(tmp_path)
    asked = Tokenizer(languages={"en": 0.5, "sw": 0.5}, seed=1)
    counted = count_pieces(mixture.files, asked, make_workers(tmp_path))
    kept = counted.facts["sample"]
    assert kept["sw"]["kept"] == kept["sw"]["bytes"] and kept["sw"]["probability"] == 1.0
    assert kept["en"]["probability"] == pytest.approx(kept["sw"]["bytes"] / kept["en"]["bytes"])
    assert kept["en"]["kept"] == pytest.approx(kept["sw"]["bytes"], rel=0.4)
    documents = counted.facts["documents"] - 40 - 60  # all of the code, all of the scarce language
    assert 40 <= documents <= 85  # drawn, 60 expected
    again = count_pieces(mixture.files, asked, make_workers(tmp_path / "again"))
    assert list_all(again) == list_all(counted)


def test_a_temperature_lifts_small_languages() -> None:
    available = {"en": 1_000_000, "sw": 10_000}
    keep = choose_probabilities(available, Tokenizer(temperature=2.0))
    assert keep["sw"] == 1.0 and keep["en"] == pytest.approx(0.1)  # 1000 : 100 by the square roots
    same = choose_probabilities(available, Tokenizer(temperature=1.0))
    assert same == {"en": pytest.approx(1.0), "sw": pytest.approx(1.0)}
    mixed = choose_probabilities(available, Tokenizer(languages={"sw": 0.2}, temperature=1.0))
    assert mixed == {"sw": 1.0, "en": pytest.approx(0.04)}


@pytest.mark.parametrize("temperature", [0.001, 1.0, 1e9])
def test_languages_without_text_and_extreme_temperatures_do_no_harm(temperature: float) -> None:
    available = {"en": 10**15, "sw": 10**15 - 1, "yo": 0}
    keep = choose_probabilities(available, Tokenizer(temperature=temperature))
    assert keep == {"en": pytest.approx(1.0), "sw": pytest.approx(1.0), "yo": 0.0}
    assert choose_probabilities({}, Tokenizer(temperature=temperature)) == {}


def test_a_rest_that_no_language_can_take_is_refused() -> None:
    asked = Tokenizer(languages={"en": 0.6}, temperature=2.0)
    with pytest.raises(RecipeError, match=r"tokenizer\.languages: the shares sum to 0\.6, .* sum to 1"):
        choose_probabilities({"en": 5, "sw": 0}, asked)


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"tokenizer\.languages: the mixture has no fr; leave it out"):
        choose_probabilities({"en": 5}, Tokenizer(languages={"en": 0.5, "fr": 0.5}))


def test_memory_is_divided_among_the_workers(tmp_path: Path) -> None:
    workers = make_workers(tmp_path)
    assert counting.choose_memory(workers) == 1 << 30
    workers.memory, workers.count = 1 << 30, 1
    assert counting.choose_memory(workers) == (1024 - 300) << 20
    workers.count = 2  # and a process beside them
    assert counting.choose_memory(workers) == (1024 - 3 * 300) // 2 << 20
    workers.memory = 512 << 20
    assert counting.choose_memory(workers) == counting.LEAST_TABLE


def test_ranges_of_runs_hold_every_piece_once(tmp_path: Path) -> None:
    mixture = make_mixture(tmp_path, [" ".join(map(str, range(2000)))], 1)
    workers = make_workers(tmp_path)
    count_pieces(mixture.files, Tokenizer(), workers)
    run = counting.Run(counting.Block(workers.scratch, "run-00000-000"))
    whole = list_pieces(gather([run], 0, 1))
    parts = [list_pieces(gather([run, run], number, 4)) for number in range(4)]
    assert sum(map(len, parts)) == len(whole) and min(map(len, parts)) > 0
    assert {piece: count // 2 for part in parts for piece, count in part.items()} == whole


def test_broken_utf_8_is_counted_byte_for_byte(tmp_path: Path) -> None:
    broken = b"a \xff\xfe word \xe4\xb8 \xf0\x9f end"
    text = pa.Array.from_buffers(
        pa.large_string(), 1, [None, pa.py_buffer(np.array([0, len(broken)], np.int64)), pa.py_buffer(broken)]
    )
    table = Table(1 << 30)
    splitter = counting.Splitter("deepseek-v3")
    counting.count_texts(*counting.text_buffers(text), splitter, table, refuse)
    pieces = list_pieces(table.take()[0])
    assert sum(len(piece) * count for piece, count in pieces.items()) == len(broken)
