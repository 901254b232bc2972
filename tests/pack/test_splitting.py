"""Tokens that join punctuation and line ends are split at the rate, they alone, and the text stays."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.pack.splitting import Splits, find_splits, halve, split_tokens
from dspipe.text.hashing import draw
from tests.pack.packing import make_inputs
from tests.reference.packing import split_slowly

TEXT = 'Er sagt: "so".\n\nf(x);\nif (a) {\n\t}\r\n» na\n\n — \n'


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("splitting")
    make_inputs(folder, [TEXT * 3, TEXT + "); \n.\n.\n :\n", "a.\n" * 9])
    return Encoder(folder / "tokenizer" / "tokenizer.json")


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        (b".\n", (".", "\n")),
        (b" );\r\n\n", (" );", "\r\n\n")),
        ("。\n".encode(), ("。", "\n")),
        ("€\n".encode(), ("€", "\n")),
        (b"\n\n", None),
        (b" \n", None),
        (b"a\n", None),
        (b".a\n", None),
        (b".\n.\n", None),
        (b"  .\n", None),
        (b".", None),
        (b"\xe3\x80\n", None),
    ],
)
def test_only_punctuation_and_symbols_before_line_ends_are_halved(
    text: bytes, halves: tuple[str, str] | None
) -> None:
    assert halve(text) == halves


def test_the_halves_are_what_the_tokenizer_makes_of_them(encoder: Encoder) -> None:
    splits = find_splits(encoder)
    counts = np.diff(splits.offsets)
    joined = [
        token for token, text in enumerate(encoder.tokens) if re.fullmatch(rb" ?[!-/:-@[-`{-~]+[\r\n]+", text)
    ]
    assert joined and set(joined) <= set(np.flatnonzero(counts).tolist())
    for token in np.flatnonzero(counts):
        ids = splits.ids[splits.offsets[token] : splits.offsets[token + 1]]
        assert encoder.decode_bytes(ids) == encoder.tokens[token] and len(ids) >= 2 and token not in ids


@given(st.lists(st.lists(st.integers(0, 4), max_size=30), max_size=6), st.floats(0, 1), st.data())
def test_splitting_equals_the_slow_way(documents: list[list[int]], rate: float, data: st.DataObject) -> None:
    halves = {1: [7, 8], 4: [7, 9, 8]}
    splits = Splits(np.array([0, 0, 2, 2, 2, 5], np.int32), np.array([7, 8, 7, 9, 8], np.uint32))
    keys = draw(1, "split", np.arange(2 * len(documents), dtype=np.uint64).reshape(-1, 2))
    chosen = np.array(
        data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))), bool
    )
    tokens = np.array([*itertools.chain(*documents)], np.uint32)
    offsets = np.cumsum([0, *map(len, documents)])
    made, moved, count = split_tokens(tokens, offsets, chosen, keys, rate, splits)
    expected = [
        split_slowly(document, int(key), rate, halves) if take and rate else document
        for document, key, take in zip(documents, keys, chosen, strict=True)
    ]
    assert [made[a:b].tolist() for a, b in itertools.pairwise(moved)] == expected
    assert count == sum(token in halves for document in documents for token in document) - sum(
        token in halves for document in expected for token in document
    )


def test_the_share_that_is_split_is_the_rate(encoder: Encoder) -> None:
    texts = [TEXT * 40] * 50
    tokens, offsets = encoder.encode(texts)
    splits = find_splits(encoder)
    candidates = int((np.diff(splits.offsets)[tokens] > 0).sum())
    keys = draw(1, "split", np.arange(100, dtype=np.uint64).reshape(-1, 2))
    every = np.ones(50, bool)
    made, moved, count = split_tokens(tokens, offsets, every, keys, 0.1, splits)
    assert abs(count / candidates - 0.1) < 0.01
    assert [encoder.decode(made[a:b]) for a, b in itertools.pairwise(moved)] == texts
    whole = split_tokens(tokens, offsets, every, keys, 1.0, splits)[0]
    assert not (np.diff(splits.offsets)[whole] > 0).any()
