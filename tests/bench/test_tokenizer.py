"""`dspipe bench tokenizer`: what is trained and encoded beside `tokenizers`, on little text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dspipe.bench import Options, encoding, tokenizer, training
from dspipe.bench.documents import cut_documents, weigh
from dspipe.bench.encoding import digest, is_of_kind
from dspipe.bench.peers.encoders import answer
from dspipe.recipe import Tokenizer
from dspipe.schema import MIXTURE
from tests.bpe.encoding.support import make_texts
from tests.support import document, make_artifact


def test_a_run_has_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "run_alone", training.run_watched)
    monkeypatch.setattr(tokenizer, "SETTINGS", Tokenizer(vocab_size=400, added=["<｜fim▁hole｜>"]))
    texts = [*make_texts(30), *["plain words of a page, one after the other"] * 9]
    rows = [
        document(text, str(number), domain="code" if number % 3 else "web", draw=0)
        for number, text in enumerate(texts)
    ]
    data = make_artifact(tmp_path / "documents", [rows[::2], rows[1::2]], MIXTURE)
    said: list[str] = []
    options = Options(data=str(data.folder), repeat=1, workers=1)
    figures = tokenizer.run(options, said.append)
    assert figures["training"]["merges"] == {"merges": 141, "identical": True, "first_difference": None}
    assert figures["training"]["tokenizers"]["ratio"].median > 0
    assert set(figures["encoding"]) == {"web", "code", "multilingual"}
    for kind in figures["encoding"].values():
        assert kind["differing"] == [] and kind["threads"] is None
        assert len(kind["cold_megabytes_per_second"]) == 2  # ours, and the library
    assert [one["bytes"] for one in figures["memory"]] == sorted(one["bytes"] for one in figures["memory"])
    assert any(line.startswith("no yardstick rustbpe") for line in said)


def test_texts_are_told_by_domain_and_script() -> None:
    texts = ["plain", "plain", "x = 1", "вода и чай", "naïve, but plain"]
    domains = ["web", None, "code", "web", "math"]
    batch = pa.RecordBatch.from_pydict({"text": texts, "domain": domains})
    kinds = {kind: is_of_kind(batch, kind).to_pylist() for kind in encoding.FLOORS}
    assert kinds["code"] == [False, False, True, False, False]
    assert kinds["web"] == [True, True, False, False, True]
    assert kinds["multilingual"] == [False, False, False, True, False]


def test_ids_are_told_apart_by_document(tmp_path: Path) -> None:
    class Counts:
        def __call__(self, texts: list[str]) -> Any:
            return [[1] * len(text) for text in texts]

    told = answer(Counts(), lambda encoded: encoded, ["ab", "", "c"])
    assert told["tokens"] == 3
    assert told["digest"] == digest(np.ones(3, np.uint32), np.array([0, 2, 2, 3]))
    assert told["digest"] != digest(np.ones(3, np.uint32), np.array([0, 1, 2, 3]))


def test_some_documents_are_cut_off_the_front(tmp_path: Path) -> None:
    rows = [[document("x" * 100, f"{part}-{number}") for number in range(10)] for part in range(3)]
    documents = weigh(make_artifact(tmp_path / "all", rows))
    some = cut_documents(documents, 1250, tmp_path / "some")
    assert some.rows == 13 and [part.rows for part in some.artifact.manifest.parts] == [10, 3]


def test_merges_that_differ_are_told(tmp_path: Path) -> None:
    (tmp_path / "theirs.json").write_text(json.dumps([["a", "b"], ["c", "d"]]))
    ours = {"model": {"merges": [["a", "b"], ["c", "e"]]}}
    said: list[str] = []
    told = training.compare_merges(ours, tmp_path / "theirs.json", said.append)
    assert told == {"merges": 2, "identical": False, "first_difference": 1}
    assert said == ["2 merges, only the first 1 as in tokenizers"]
