"""Indexes are handed to datasketch and taken from it."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from datasketch import MinHash, MinHashLSH

from dspipe.dedup.curve import find_bands
from dspipe.dedup.signatures.interchange import make_lsh, read_signatures, take_lsh
from dspipe.dedup.stage import run
from dspipe.recipe import Dedup, DspipeError
from dspipe.shards import Header, Output
from tests.reference.shingles import list_tokens, write_run
from tests.support import document, make_artifact, make_workers

SETTINGS = Dedup(hashing="datasketch", similarity=0.7)


def make_distinct(folder: Path, texts: list[str]) -> Path:
    filtered = make_artifact(folder / "filtered", [[document(text) for text in texts]])
    header = Header("dedup", 1, msgspec.to_builtins(SETTINGS), "test", [])
    run(SETTINGS, filtered, Output(folder / "distinct", header), make_workers(folder))
    return folder / "distinct"


def sketch(text: str) -> MinHash:
    bands, rows = find_bands(SETTINGS)
    made, tokens = MinHash(num_perm=bands * rows, seed=1), list_tokens(text)
    made.update_batch([write_run(tokens[n : n + 5], "words") for n in range(len(tokens) - 4)])
    return made


def write_texts(number: int) -> list[str]:
    random_ = random.Random(1)
    return [" ".join(f"w{random_.randrange(500)}" for _ in range(60)) for _ in range(number)]


def test_an_index_answers_in_datasketch(tmp_path: Path) -> None:
    texts = [*write_texts(20), "short"]
    lsh = make_lsh(make_distinct(tmp_path, texts))
    ids = {text: document(text)["id"] for text in texts}
    assert set(lsh.keys.keys()) == {ids[text] for text in texts[:-1]}
    for text in texts[:-1]:
        near = " ".join(["changed", *text.split()[1:]])
        assert lsh.query(sketch(near)) == [ids[text]]


def test_what_datasketch_indexed_comes_back_as_the_same_signatures(tmp_path: Path) -> None:
    texts = write_texts(9)
    bands, rows = find_bands(SETTINGS)
    lsh = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    for text in texts:
        lsh.insert(document(text)["id"], sketch(text))
    keys, minima = take_lsh(lsh)
    ids, signatures = read_signatures(make_distinct(tmp_path, texts))
    assert dict(zip(keys, minima.tolist(), strict=True)) == dict(zip(ids, signatures.tolist(), strict=True))


def test_an_index_of_another_scheme_is_refused() -> None:
    lsh = MinHashLSH(num_perm=16, params=(4, 4))
    lsh.insert("a", MinHash(num_perm=16, scheme="legacy"))
    with pytest.raises(DspipeError, match="affine32"):
        take_lsh(lsh)
