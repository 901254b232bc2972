"""Pieces, ids and layout are those of DeepSeek-V3's tokenizer, and text cannot forge a special token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dspipe.bpe.encoder import Encoder
from dspipe.bpe.layout import END, FIM_BEGIN, FIM_END, FIM_HOLE, added_tokens, model_rows
from dspipe.bpe.pretokenizer import build_pretokenizer
from dspipe.recipe import DspipeError, Tokenizer
from dspipe.tokenizer.training import configuration, train_tokenizer

TEXTS = [
    "the kettle sings on the stove, the kettle sings",
    "水壶在唱歌 " * 9,
    "def hum(x):\n    return x + 1\n",
] * 9

# Worked out by hand from the three rules; "·" stands for a space, "⏎" for a line break.
PIECES = {
    "a··b": "a|·|·b",
    "a··1": "a|··|1",
    "a··中": "a|··|中",
    "·カ": "·|カ",
    "!中": "!|中",
    "!⏎": "!⏎",
    "!!hello": "!!|hello",
    "·.com": "·.|com",
    "don't": "don|'t",
    "1234": "123|4",
    "x·⏎⏎·": "x|·⏎⏎|·",
    "foo();⏎⏎": "foo|();⏎⏎",
    "_foo_bar": "_foo|_bar",
    "//comment": "//|comment",
    "a中文b": "a|中文|b",
}


@pytest.mark.parametrize(("text", "pieces"), PIECES.items())
def test_text_is_cut_where_deepseek_cuts_it(text: str, pieces: str) -> None:
    plain = text.replace("·", " ").replace("⏎", "\n")
    spans = [span for _, span in build_pretokenizer().pre_tokenize_str(plain)]
    assert "|".join(text[begin:end] for begin, end in spans) == pieces


def save(folder: Path, settings: Tokenizer) -> Path:
    file = folder / "tokenizer.json"
    train_tokenizer(settings, iter([TEXTS])).save(str(file))
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration()))
    return file


def test_specials_come_first_then_bytes_then_merges_then_added_tokens(tmp_path: Path) -> None:
    encoder = Encoder(save(tmp_path, Tokenizer(vocab_size=300)))
    vocabulary = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    assert encoder.special(END) == 1 and vocabulary["Ċ"] == 201  # the line break, as in DeepSeek-V3
    assert [encoder.special(token) for token in (FIM_HOLE, FIM_BEGIN, FIM_END)] == [300, 301, 302]
    assert encoder.size == 315 and encoder.rows == 384


def test_the_published_size_has_the_published_layout() -> None:
    tokens = added_tokens(128_000, None)
    assert 128_000 + tokens.index(FIM_HOLE) == 128_800
    assert 128_000 + tokens.index(FIM_BEGIN) == 128_801
    assert 128_000 + tokens.index(FIM_END) == 128_802
    assert 128_000 + tokens.index("<|EOT|>") == 128_805
    assert 128_000 + len(tokens) == 128_815 and model_rows(128_815) == 129_280


def test_text_that_looks_like_a_special_token_stays_text(tmp_path: Path) -> None:
    encoder = Encoder(save(tmp_path, Tokenizer(vocab_size=300)))
    ids, offsets = encoder.encode([f"a{END}b", f"{FIM_HOLE}", ""])
    assert offsets[-1] == len(ids) and offsets[2] == offsets[3]
    assert ids.max() < 300 and ids.min() > 2


def test_a_corpus_too_small_for_the_vocabulary_ends_with_what_it_supports(tmp_path: Path) -> None:
    encoder = Encoder(save(tmp_path, Tokenizer(vocab_size=5000)))
    assert 300 < encoder.size < 1000


def test_transformers_gives_the_same_ids(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    encoder = Encoder(save(tmp_path, Tokenizer(vocab_size=400)))
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS[:3], "naïve 👩‍🚀\r\n\r\n x\t\t 12345", " leading"]:
        assert theirs(text, add_special_tokens=False)["input_ids"] == encoder.encode([text])[0].tolist()
        assert theirs.decode(encoder.encode([text])[0].tolist()) == text
    assert theirs.eos_token_id == 1 and theirs.pad_token_id == 2


def test_what_is_no_tokenizer_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DspipeError, match="not a tokenizer"):
        Encoder(tmp_path / "tokenizer.json")
