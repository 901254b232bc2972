"""Patterns by name are those of the released files, and are found again in a tokenizer.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dspipe.bpe.pieces.patterns import (
    GPT_2,
    LLAMA_3,
    PATTERNS,
    QWEN_2,
    build_pretokenizer,
    describe_pattern,
    recognise_pattern,
)
from dspipe.bpe.pieces.splitter import Splitter
from dspipe.recipe import RecipeError
from tests.bpe.pieces.texts import KERNELS, draw_texts, find_ends, splitter

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def split(regex: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert}


# How files on the web say it.
KNOWN = [
    ("llama-3", sequence(split(LLAMA_3), BYTES)),
    ("llama-3", sequence(split(LLAMA_3, "Removed", True), BYTES)),  # cl100k, OLMo 2, Granite 4
    ("qwen-2", sequence(split(QWEN_2), {**BYTES, "trim_offsets": False})),
    ("gpt-2", {**BYTES, "use_regex": True}),
    ("gpt-2", {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}),
    ("gpt-2", sequence(split(GPT_2), BYTES)),
    ("deepseek-v3", sequence(sequence(*PATTERNS["deepseek-v3"][:3]), BYTES)),
]
UNKNOWN = [
    None,
    BYTES,
    {**BYTES, "use_regex": True, "add_prefix_space": True},  # RoBERTa
    sequence({"type": "Digits", "individual_digits": True}, {**BYTES, "use_regex": True}),  # SmolLM 2
    sequence(split(LLAMA_3, "Removed", False), BYTES),
    sequence(split(LLAMA_3, "MergedWithNext"), BYTES),
    sequence(split(LLAMA_3)),
    sequence({**split("x"), "pattern": {"String": LLAMA_3}}, BYTES),
    sequence(split(r"\p{N}{1,3}", "Removed", True), *PATTERNS["deepseek-v3"][1:]),
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
]


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_recognised_in_what_the_library_saves(name: str) -> None:
    from tokenizers import Tokenizer, models

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = build_pretokenizer(describe_pattern(name))
    saved = json.loads(tokenizer.to_str())["pre_tokenizer"]
    assert saved == describe_pattern(name)
    assert recognise_pattern(saved) == ("llama-3" if name == "cl100k" else name)
    assert Splitter(saved).in_kernel == (name in KERNELS)


@pytest.mark.parametrize(("name", "description"), KNOWN)
def test_other_ways_to_say_a_pattern_are_recognised(name: str, description: dict[str, Any]) -> None:
    assert recognise_pattern(description) == name


def test_line_breaks_in_a_regex_may_be_written_either_way() -> None:
    escaped = json.dumps(describe_pattern("deepseek-v3")).replace(r"\r\n", r"\\r\\n")
    assert json.loads(escaped) != describe_pattern("deepseek-v3")
    assert recognise_pattern(json.loads(escaped)) == "deepseek-v3"


@pytest.mark.parametrize("description", UNKNOWN)
def test_what_cuts_otherwise_is_not_taken_for_a_known_pattern(description: dict[str, Any] | None) -> None:
    assert recognise_pattern(description) is None


def test_own_regexes_cut_one_after_the_other() -> None:
    own = Splitter([r"\p{N}{1,3}", r" ?\p{L}+"])
    assert not own.in_kernel
    assert find_ends(own, ["ab 1234 cd!"]) == [[2, 3, 6, 7, 10, 11]]


def test_regexes_that_are_those_of_a_known_pattern_take_its_kernel() -> None:
    regexes = [step["pattern"]["Regex"] for step in PATTERNS["deepseek-v3"][:3]]
    drawn = draw_texts(seed=1, count=50)
    assert Splitter(regexes).in_kernel
    assert find_ends(Splitter(regexes), drawn) == find_ends(splitter("deepseek-v3"), drawn)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match=r"pattern: 'gpt-5' is none of deepseek-v3, .*o200k"):
        Splitter("gpt-5")


def test_a_regex_that_the_library_refuses_is_refused_in_a_sentence() -> None:
    with pytest.raises(RecipeError, match="pattern: `tokenizers` refuses it"):
        Splitter(["(a"])
