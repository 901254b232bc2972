"""Tokenizer files for tests: trained by `tokenizers` on little text, or put together by hand."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.files import ALPHABET, CHARACTERS
from dspipe.bpe.pieces.patterns import build_pretokenizer, describe_pattern

WORDS = [
    "kettle",
    "sings",
    "stove",
    "Über",
    "naïve",
    "вода",
    "чайник",
    "水壶",
    "在唱歌",
    "夜里",
    "おちゃ",
    "गरम",
    "पानी",
]
WORDS += ["12345", "def", "return", "x_y", "()", "==", "\n\n", "\t", "  ", "'t", "!?", "…", "🙂", "e\u0301"]


def make_texts(count: int, seed: int = 1) -> list[str]:
    """Texts of words of several scripts, code and punctuation, with and without spaces."""
    draw = random.Random(seed)
    return [
        "".join(draw.choice(WORDS) + draw.choice([" ", " ", "", "\n"]) for _ in range(draw.randint(1, 60)))
        for _ in range(count)
    ]


def train(
    texts: list[str],
    size: int = 600,
    pattern: str | list[str] = "deepseek-v3",
    specials: tuple[str, ...] = ("<s>",),
) -> dict[str, Any]:
    """A tokenizer.json as `tokenizers` trains it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = build_pretokenizer(describe_pattern(pattern))
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    description: dict[str, Any] = json.loads(tokenizer.to_str())
    return description


def shuffle_ids(description: dict[str, Any], seed: int = 1) -> dict[str, Any]:
    """The same merges in the same order, but ids that say nothing of it, as in files of RoBERTa's kind."""
    vocabulary = description["model"]["vocab"]
    ids = list(range(len(vocabulary)))
    random.Random(seed).shuffle(ids)
    renamed = {entry: ids[number] for entry, number in vocabulary.items()}
    added = [{**token, "id": ids[token["id"]]} for token in description["added_tokens"]]
    return {**description, "added_tokens": added, "model": {**description["model"], "vocab": renamed}}


def convert_from_ranks(entries: list[str], pattern: str = "llama-3", whole: bool = True) -> dict[str, Any]:
    """A file as it is made from tiktoken's: each pair of entries that gives an entry is a merge."""
    vocabulary = {entry: number for number, entry in enumerate(entries)}
    merges = []
    for entry in entries:
        cuts = [(entry[:place], entry[place:]) for place in range(1, len(entry))]
        pairs = [pair for pair in cuts if pair[0] in vocabulary and pair[1] in vocabulary]
        merges += [
            list(pair) for pair in sorted(pairs, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
        ]
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges, "ignore_merges": whole}
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": describe_pattern(pattern),
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": model,
    }


def bytes_as_entries() -> list[str]:
    return [CHARACTERS[byte] for byte in ALPHABET]


def save(folder: Path, description: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(description))
    return file


def forget(description: dict[str, Any]) -> Tokenizer:
    """The library's tokenizer without added tokens: what ordinary mode is to equal."""
    return Tokenizer.from_str(json.dumps({**description, "added_tokens": []}))


def list_ids(encoder: Encoder, texts: list[str] | pa.Array) -> list[list[int]]:
    ids, bounds = encoder.encode(texts)
    assert bounds[0] == 0 and bounds[-1] == ids.size
    return [ids[begin:end].tolist() for begin, end in itertools.pairwise(bounds)]


def list_theirs(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)]
