"""Ids and rows are those of DeepSeek-V3's tokenizer."""

from __future__ import annotations

from dspipe.bpe.layout import added_tokens, model_rows
from dspipe.recipe import FIM_BEGIN, FIM_END, FIM_HOLE


def test_the_published_size_has_the_published_layout() -> None:
    tokens = added_tokens(128_000, None)
    assert 128_000 + tokens.index(FIM_HOLE) == 128_800
    assert 128_000 + tokens.index(FIM_BEGIN) == 128_801
    assert 128_000 + tokens.index(FIM_END) == 128_802
    assert 128_000 + tokens.index("<|EOT|>") == 128_805
    assert 128_000 + len(tokens) == 128_815 and model_rows(128_815) == 129_280


def test_other_sizes_have_no_placeholders_unless_they_are_asked_for() -> None:
    assert added_tokens(8000, None)[0] == FIM_HOLE and len(added_tokens(8000, None)) == 15
    assert added_tokens(8000, 2)[1:3] == ["<｜place▁holder▁no▁1｜>", FIM_HOLE]
    assert added_tokens(8000, None, ["<a>"]) == ["<a>"] and len(added_tokens(128_000, 1, ["<a>"])) == 2
    assert model_rows(315) == 384 and model_rows(384) == 384
