"""What is written is what `tokenizers` itself would save, and transformers gives the same ids with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.files import read_tokenizer, write_tokenizer
from dspipe.bpe.layout import SPECIALS, added_tokens
from dspipe.recipe import END, DspipeError
from dspipe.recipe import Tokenizer as Settings
from tests.bpe.encoding.support import list_ids, list_theirs, make_texts
from tests.reference.library_training import CONFIGURATION, train_tokenizer

TEXTS = make_texts(100)


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    settings = Settings(vocab_size=400, placeholders=3)
    saved: dict[str, Any] = json.loads(train_tokenizer(settings, iter([TEXTS])).to_str())
    return saved


def write(folder: Path, saved: dict[str, Any], **changes: Any) -> None:
    """What the trainer found, as ids, written by us."""
    ids = saved["model"]["vocab"]
    left, right = (np.array([ids[pair[side]] for pair in saved["model"]["merges"]]) for side in (0, 1))
    arguments: dict[str, Any] = {
        "pattern": "deepseek-v3", "specials": SPECIALS, "added": added_tokens(400, 3), **changes
    }  # fmt: skip
    write_tokenizer(folder, left, right, **arguments)


def test_the_file_is_what_the_library_saves(tmp_path: Path, saved: dict[str, Any]) -> None:
    write(tmp_path, saved)
    content = (tmp_path / "tokenizer.json").read_text()
    written = json.loads(content)
    assert list(written) == list(saved) and list(written["model"]) == list(saved["model"])
    for part in ("added_tokens", "model", "decoder", "post_processor", "normalizer", "truncation", "padding"):
        assert written[part] == saved[part]
    assert list(written["model"]["vocab"]) == list(saved["model"]["vocab"])
    assert json.loads((tmp_path / "tokenizer_config.json").read_text()) == CONFIGURATION
    assert Tokenizer.from_str(content).to_str() == content  # byte for byte
    assert list(tmp_path.iterdir()) and not list(tmp_path.glob(".*"))


def test_transformers_gives_the_same_ids_and_decodes_the_same(tmp_path: Path, saved: dict[str, Any]) -> None:
    from transformers import AutoTokenizer

    write(tmp_path, saved)
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path)
    plain, marked = Encoder(tmp_path), Encoder(tmp_path, special=True)
    texts = [*make_texts(50, seed=3), f"a{END}b", "e\u0301 ", " \n\n"]
    assert [theirs(text, add_special_tokens=False)["input_ids"] for text in texts] == list_ids(marked, texts)
    for ids in list_ids(plain, texts) + list_ids(marked, texts):
        assert theirs.decode(ids) == plain.decode(ids)
        assert theirs.decode(ids, skip_special_tokens=True) == plain.decode(ids, skip_special=True)
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.pad_token_id) == (0, 1, 2)
    assert len(theirs) == plain.size


@pytest.mark.parametrize("pattern", ["llama-3", "gpt-2", "o200k", [r"[a-z]+", r"\s"]])
def test_other_patterns_and_lists_of_tokens_are_written(
    tmp_path: Path, saved: dict[str, Any], pattern: str | list[str]
) -> None:
    write(tmp_path, saved, pattern=pattern, specials=["<a>", "<b>", "<c>"], added=["<d>", "<a>"])
    theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    encoder = Encoder(tmp_path, special=True)
    texts = ["<a>kettle<d> sings", *TEXTS]
    assert list_ids(encoder, texts) == list_theirs(theirs, texts)
    assert [encoder.special(token) for token in ("<a>", "<c>", "<d>")] == [0, 2, 400]
    assert "eos_token" not in json.loads((tmp_path / "tokenizer_config.json").read_text())


def test_a_special_token_that_text_makes_by_itself_is_refused(tmp_path: Path, saved: dict[str, Any]) -> None:
    made = next(entry for entry in saved["model"]["vocab"] if entry == "".join(saved["model"]["merges"][3]))
    with pytest.raises(DspipeError, match="also made by merges"):
        write(tmp_path, saved, specials=[made, *SPECIALS[1:]])
    assert not list(tmp_path.iterdir())


def test_both_forms_of_merges_are_read(tmp_path: Path, saved: dict[str, Any]) -> None:
    joined = {**saved["model"], "merges": [" ".join(pair) for pair in saved["model"]["merges"]]}
    texts = make_texts(30, seed=4)
    ids = []
    for number, model in enumerate((saved["model"], joined)):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps({**saved, "model": model}))
        assert read_tokenizer(file).note is None
        ids.append(list_ids(Encoder(file), texts))
    assert ids[0] == ids[1] == list_theirs(Tokenizer.from_str(json.dumps(saved)), texts)


@pytest.mark.parametrize(
    "broken",
    [
        {"normalizer": "NFC"}, {"normalizer": {"type": "Sequence", "normalizers": None}},
        {"pre_tokenizer": ["x"]}, {"model": 3}, {"model": {"vocab": {"a": -1}}},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": None}}, {"decoder": "ByteLevel"},
        {"pre_tokenizer": {"type": "Sequence", "pretokenizers": ["x"]}},
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": 5}, "behavior": "Isolated"}},
    ],
    ids=range(9),
)  # fmt: skip
def test_files_with_something_odd_are_refused_in_a_sentence_or_left_to_the_library(
    tmp_path: Path, saved: dict[str, Any], broken: dict[str, Any]
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**saved, **broken}))
    with pytest.raises(DspipeError, match=r"tokenizer\.json: "):
        Encoder(file).encode(["text"])


def test_ids_that_are_not_unique_are_left_to_the_library(tmp_path: Path, saved: dict[str, Any]) -> None:
    vocabulary = saved["model"]["vocab"]
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**saved, "model": {**saved["model"], "vocab": {**vocabulary, "x": 60}}}))
    assert "some of its entries have the same id" in (read_tokenizer(file).note or "")
    file.write_text(json.dumps({**saved, "added_tokens": [*saved["added_tokens"], saved["added_tokens"][0]]}))
    assert "are there twice" in (read_tokenizer(file).note or "")
