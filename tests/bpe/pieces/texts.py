"""Texts that hold what the patterns treat apart, and what splits them."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from dspipe.bpe.pieces.library import LibrarySplitter
from dspipe.bpe.pieces.patterns import build_pretokenizer, describe_pattern
from dspipe.bpe.pieces.splitter import Splitter
from dspipe.text.arrow import read_only, text_buffers

KINDS = [
    "aZé", "stmdrevl", "STDMREVLſ", "Жа한", "'", "1", "９½Ⅷ٣", " ", " \t\v\x85", "\n\r", "\u00a0\u2028\u3000",
    "\u0301\ufe0f\u3099\u0e31", "!.'$_", "«￥😀☃—“", "\x00\xad\u200b\ue000\u200c", "一龥あヿ", "文字語국",
    "゛・゠", "\u3040\u3097", "々〇\u9fa6", "\U00010400\U0010ffff",
]  # fmt: skip
KERNELS = ("deepseek-v3", "gpt-2", "llama-3", "cl100k", "qwen-2")
LIBRARY = ("deepseek-llm", "o200k")

characters = st.one_of(
    st.sampled_from([kind for kinds in KINDS for kind in kinds]), st.characters(exclude_categories=["Cs"])
)
runs = st.builds(lambda character, count: character * count, characters, st.sampled_from([1, 1, 1, 2, 3, 40]))
texts = st.lists(runs, max_size=24).map("".join)


def draw_texts(seed: int, count: int) -> list[str]:
    """Random texts, from few kinds of character each, with runs; some longer than what is seen together."""
    random = Random(seed)
    drawn = []
    for _ in range(count):
        kinds = random.choices(KINDS, k=random.randint(1, 4))
        length, longest = random.choice(((10, 1), (10, 3), (40, 3), (6, 80), (150, 1)))
        characters = (random.choice(random.choice(kinds)) for _ in range(random.randint(0, length)))
        drawn.append("".join(character * random.randint(1, longest) for character in characters))
    return drawn


@cache
def splitter(pattern: str) -> Splitter:
    return Splitter(pattern)


@cache
def pretokenizer(pattern: str) -> Any:
    return build_pretokenizer(describe_pattern(pattern))


def find_ends(
    splitter: Splitter | LibrarySplitter, texts: list[str] | list[bytes], room: int = 4096
) -> list[list[int]]:
    """Where the pieces of each text end, in bytes of the text, found `room` at a time."""
    kind = pa.large_string() if texts and isinstance(texts[0], str) else pa.large_binary()
    text, offsets = text_buffers(pa.array(texts, kind).view(pa.large_string()))
    place, ends = np.array([0, offsets[0]]), np.empty(room, np.int64)
    found: list[int] = []
    while written := splitter.split(text, offsets, place, ends):
        assert written <= room
        found += ends[:written].tolist()
    assert place[0] == len(texts) or not len(text)
    cuts = np.searchsorted(found, offsets, side="right")
    return [
        [end - int(offsets[number]) for end in found[cuts[number] : cuts[number + 1]]]
        for number in range(len(texts))
    ]


def cut(pattern: str, text: str) -> list[str]:
    """A text's pieces."""
    data, ends = text.encode(), find_ends(splitter(pattern), [text])[0]
    return [data[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False)]


def cut_by_library(pattern: str, text: str) -> list[str]:
    return [text[begin:end] for _, (begin, end) in pretokenizer(pattern).pre_tokenize_str(text)]


def frozen(text: bytes) -> Any:
    return read_only(np.frombuffer(text, np.uint8))
