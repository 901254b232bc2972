"""Rows hold whole documents wherever they fit, infilling can be undone, and nothing is lost on the way."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.layout import END, FIM_BEGIN, FIM_END, FIM_HOLE, PAD
from dspipe.pack.encoding import encode_part
from dspipe.pack.fitting import cut, fit
from dspipe.pack.infill import choose_cuts, choose_infilled, frame_documents, place_cuts
from dspipe.pack.stage import run
from dspipe.recipe import Pack, Tokenizer
from dspipe.schema import MIXTURE
from dspipe.shards import Artifact, open_artifact
from dspipe.text.arrow import text_buffers
from dspipe.text.hashing import parse_ids
from dspipe.tokenizer.stage import run as train
from tests.support import document, make_artifact, make_output, make_workers, read_rows

SENTENCE = "Der Kessel summt; the kettle hums, 水壶在唱歌 and naïve 👩‍🚀 x = 12345 + y\n\n"


def make_texts(count: int) -> list[str]:
    random_ = random.Random(2)
    return [SENTENCE * random_.choice([1, 1, 2, 3, 9]) + str(number) for number in range(count)]


def make_inputs(folder: Path, texts: list[str], parts: int = 2) -> tuple[Artifact, Artifact]:
    rows = [{**document(text), "cluster": "c", "draw": n % 3} for n, text in enumerate(texts)]
    mixture = make_artifact(folder / "mixture", [rows[i::parts] for i in range(parts)], MIXTURE)
    train(Tokenizer(vocab_size=400), mixture, make_output(folder / "tokenizer"), make_workers(folder / "t"))
    return mixture, open_artifact(folder / "tokenizer")


def read_sequences(artifact: Artifact) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in artifact.files:
        with pa.memory_map(str(file)) as mapped:
            rows += pa.ipc.open_file(mapped).read_all().to_pylist()
    return rows


def undo(tokens: list[int], encoder: Encoder) -> str:
    """The document that a run of tokens stands for: eos taken off, infilling undone."""
    begin, hole, end, eos = (encoder.special(token) for token in (FIM_BEGIN, FIM_HOLE, FIM_END, END))
    assert tokens[-1] == eos
    body = tokens[:-1]
    if body and body[0] == begin:
        first, second = body.index(hole), body.index(end)
        body = body[1:first] + body[second + 1 :] + body[first + 1 : second]
    return encoder.decode(body)


def undo_safely(tokens: list[int], encoder: Encoder) -> str | None:
    """What a wrong order of pieces stands for need not be a document at all."""
    try:
        return undo(tokens, encoder)
    except ValueError:
        return None


def test_every_document_comes_back_from_the_rows(tmp_path: Path) -> None:
    texts = make_texts(120)
    mixture, tokenizer = make_inputs(tmp_path, texts)
    settings = Pack(sequence_length=64, fim_rate=0.5, seed=1)
    run(settings, mixture, tokenizer, make_output(tmp_path / "sequences"), make_workers(tmp_path))
    rows = read_sequences(open_artifact(tmp_path / "sequences"))
    encoder = Encoder(tmp_path / "tokenizer" / "tokenizer.json")
    pieces: dict[str, list[list[int]]] = {}
    for row in rows:
        assert len(row["tokens"]) == 64
        start = 0
        for name, length in zip(row["documents"], row["lengths"], strict=True):
            pieces.setdefault(name, []).append(row["tokens"][start : start + length])
            start += length
        assert set(row["tokens"][start:]) <= {encoder.special(PAD)}
    by_id = {row["id"]: row["text"] for row in read_rows(mixture)}
    assert pieces.keys() == by_id.keys()
    for name, parts in pieces.items():  # rows are shuffled: a document is its pieces in one of their orders
        last = [part for part in parts if part[-1] == encoder.special(END)]
        assert len(last) == 1 and all(len(part) == 64 for part in parts if part not in last)
        others = [part for part in parts if part not in last]
        orders = (list(itertools.chain(*order, *last)) for order in itertools.permutations(others))
        assert any(undo_safely(tokens, encoder) == by_id[name] for tokens in orders), name


def test_encoded_documents_undo_to_their_text(tmp_path: Path) -> None:
    texts = [*make_texts(80), "", "a", "é", "<｜fim▁hole｜> and <｜end▁of▁sentence｜> are text here"]
    mixture, _ = make_inputs(tmp_path, texts, parts=1)
    encoder = Encoder(tmp_path / "tokenizer" / "tokenizer.json")
    for rate in (0.0, 0.5, 1.0):
        encoded = encode_part(mixture.files[0], encoder, Pack(fim_rate=rate, seed=3))
        assert {0.0: encoded.infilled.sum() == 0, 1.0: encoded.infilled.all(), 0.5: True}[rate]
        for number, row in enumerate(read_rows(mixture)):
            tokens = encoded.tokens[encoded.offsets[number] : encoded.offsets[number + 1]].tolist()
            assert undo(tokens, encoder) == row["text"]
            sentinels = [encoder.special(token) for token in (FIM_BEGIN, FIM_HOLE, FIM_END)]
            assert sum(tokens.count(s) for s in sentinels) == (3 if encoded.infilled[number] else 0)


@given(st.lists(st.integers(1, 300), min_size=0, max_size=80), st.integers(16, 64))
def test_fitting_loses_nothing_and_cuts_only_what_is_longer_than_a_row(lengths: list[int], row: int) -> None:
    pieces = cut(np.array(lengths, np.int64), row)
    assigned, count = fit(pieces.length, row)
    assert np.bincount(pieces.document, pieces.length, len(lengths)).tolist() == lengths
    assert pieces.length.max(initial=1) <= row and pieces.length.min(initial=1) >= 1
    assert [n for n, c in enumerate(np.bincount(pieces.document, minlength=len(lengths))) if c > 1] == [
        n for n, length in enumerate(lengths) if length > row
    ]
    filled = np.bincount(assigned, pieces.length, count)
    assert (filled <= row).all() and (filled > 0).all() and len(filled) == count


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_fitting_equals_best_fit_decreasing_done_slowly(lengths: list[int]) -> None:
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [room for room in rooms if room >= length]
        if fitting:
            rooms[rooms.index(min(fitting))] -= length
        else:
            rooms.append(40 - length)
    assigned, count = fit(np.array(lengths, np.int64), 40)
    filled = np.bincount(assigned, np.array(lengths), count)
    assert sorted(40 - filled.astype(int)) == sorted(rooms)


def test_the_share_of_infilled_documents_is_the_rate_and_changes_with_the_draw() -> None:
    ids = np.arange(40_000, dtype=np.uint64).reshape(-1, 2)
    first = choose_infilled(1, 0.1, ids, np.zeros(len(ids), np.int64))
    again = choose_infilled(1, 0.1, ids, np.zeros(len(ids), np.int64))
    second = choose_infilled(1, 0.1, ids, np.ones(len(ids), np.int64))
    assert abs(first.mean() - 0.1) < 0.01 and (first == again).all()
    assert abs((first & second).mean() - 0.01) < 0.004


def test_cuts_are_uniform_over_code_points() -> None:
    ids = np.arange(40_000, dtype=np.uint64).reshape(-1, 2)
    cuts = choose_cuts(1, ids, np.zeros(len(ids), np.int64), np.full(len(ids), 9))
    assert cuts.min() == 0 and cuts.max() == 9 and (cuts[:, 0] <= cuts[:, 1]).all()
    both = np.bincount(cuts.ravel(), minlength=10) / cuts.size
    assert abs(both - 0.1).max() < 0.01


@given(
    st.lists(st.tuples(st.text(max_size=9), st.booleans(), st.integers(0, 9), st.integers(0, 9)), max_size=9)
)
def test_documents_are_cut_at_code_points_and_their_parts_change_places(
    documents: list[tuple[str, bool, int, int]],
) -> None:
    texts = pa.array([text for text, *_ in documents], pa.large_string())
    infilled = np.array([turned for _, turned, *_ in documents], np.bool_)
    cuts = np.array([sorted((a % (len(t) + 1), b % (len(t) + 1))) for t, _, a, b in documents], np.int64)
    text, offsets = text_buffers(texts)
    bounds = np.empty(offsets.size + 2 * int(infilled.sum()), np.int64)
    place_cuts(text, offsets, infilled, cuts.reshape(-1, 2), bounds)
    # every byte is a token of its own here, and the marks are no bytes
    framed = np.empty(text.size + 3 * int(infilled.sum()) + len(documents), np.uint32)
    starts = np.zeros(len(documents) + 1, np.int64)
    marks = np.array([256, 257, 258, 259], np.uint32)
    frame_documents(text.astype(np.uint32), bounds, infilled, marks, framed, starts)
    expected = []
    for (whole, turned, *_), (first, second) in zip(documents, cuts.reshape(-1, 2).tolist(), strict=True):
        prefix, middle, suffix = (
            part.encode() for part in (whole[:first], whole[first:second], whole[second:])
        )
        expected.append([256, *prefix, 257, *suffix, 258, *middle, 259] if turned else [*whole.encode(), 259])
    assert [framed[a:b].tolist() for a, b in itertools.pairwise(starts.tolist())] == expected


def test_several_lengths_lie_side_by_side_with_the_same_tokens(tmp_path: Path) -> None:
    mixture, tokenizer = make_inputs(tmp_path, make_texts(60))
    settings = Pack(sequence_length=[32, 128], fim_rate=0.1, seed=1)
    run(settings, mixture, tokenizer, make_output(tmp_path / "sequences"), make_workers(tmp_path))
    artifact = open_artifact(tmp_path / "sequences")
    assert sorted({part.file.split("/")[0] for part in artifact.manifest.parts}) == ["L128", "L32"]
    sums = {
        length: sum(sum(row["lengths"]) for row in read_sequences(artifact) if len(row["tokens"]) == length)
        for length in (32, 128)
    }
    assert sums[32] == sums[128] == artifact.manifest.facts["tokens"]


def test_ids_survive_the_way_to_numbers_and_back() -> None:
    from dspipe.text.hashing import format_ids

    names = [f"{n * 0x1234567890ABCDEF1234567:032x}" for n in range(20)]
    array = pa.array(["f" * 32, *names])
    assert format_ids(parse_ids(array)).to_pylist() == ["f" * 32, *names]
    assert format_ids(parse_ids(array.slice(3, 4))).to_pylist() == names[2:6]
    assert len(parse_ids(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize("workers", [3])
def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path: Path, workers: int) -> None:
    mixture, tokenizer = make_inputs(tmp_path, make_texts(60), parts=4)
    digests = []
    for count in (1, workers):
        output = make_output(tmp_path / f"sequences{count}" / "sequences")
        settings = Pack(sequence_length=64, seed=1)
        run(settings, mixture, tokenizer, output, make_workers(tmp_path / f"w{count}", count))
        digests.append([part.xxh3 for part in open_artifact(output.folder).manifest.parts])
    assert digests[0] == digests[1]
