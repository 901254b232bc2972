"""Pieces with many ties, made at random, and what `tokenizers` learns of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dspipe.bpe.counts.block import Block, Pieces
from dspipe.bpe.files import ALPHABET, CHARACTERS
from dspipe.bpe.merges.training import Merges, Rules, train_merges

SPECIALS = ("<1>", "<2>", "<3>")
BYTE_IDS = np.empty(256, np.int32)
BYTE_IDS[list(ALPHABET)] = np.arange(len(SPECIALS), len(SPECIALS) + 256)
AMPLE = 1 << 30


class Case(NamedTuple):
    pieces: dict[bytes, int]
    rules: Rules


def draw_case(draw: random.Random) -> Case:
    """Few letters, so that counts are equal and tokens overlap themselves."""
    letters = b"abcde"[: draw.choice([1, 2, 3, 5])]
    words = [
        bytes(draw.choice(letters) for _ in range(draw.randint(1, 20))) for _ in range(draw.randint(1, 60))
    ]
    return Case(
        dict(Counter(words)),
        Rules(
            vocab_size=draw.randint(259, 420),
            specials=len(SPECIALS),
            min_frequency=draw.choice([0, 0, 0, 1, 2, 4]),
            max_token_length=draw.choice([None, None, None, 2, 3, 5, 8]),
        ),
    )


def write_blocks(folder: Path, pieces: dict[bytes, int], blocks: int = 1) -> list[Block]:
    """The pieces in some blocks, the n-th in the block n modulo the number of blocks."""
    written = []
    for number in range(blocks):
        chosen = list(pieces.items())[number::blocks]
        text = np.frombuffer(b"".join(piece for piece, _ in chosen), np.uint8)
        offsets = np.cumsum([0, *(len(piece) for piece, _ in chosen)])
        written.append(Block(folder, f"block-{number}"))
        written[-1].write(Pieces(text, offsets, np.array([count for _, count in chosen], np.int64)))
    return written


def train(folder: Path, case: Case, memory: int = AMPLE, blocks: int = 1, threads: int = 1) -> Merges:
    folder.mkdir(parents=True, exist_ok=True)
    return train_merges(
        write_blocks(folder, case.pieces, blocks), BYTE_IDS, case.rules, memory, folder, threads
    )


def list_merges(merges: Merges) -> list[tuple[int, int, int]]:
    return list(zip(merges.left.tolist(), merges.right.tolist(), merges.counts.tolist(), strict=True))


def ask_tokenizers(case: Case) -> list[tuple[int, int]]:
    """The merges that the library learns, as ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    limits: dict[str, Any] = {"max_token_length": case.rules.max_token_length}
    trainer = trainers.BpeTrainer(
        vocab_size=case.rules.vocab_size,
        min_frequency=case.rules.min_frequency,
        special_tokens=list(SPECIALS),
        initial_alphabet=list(CHARACTERS.values()),
        show_progress=False,
        **{name: value for name, value in limits.items() if value is not None},
    )
    words = [piece.decode() for piece, count in case.pieces.items() for _ in range(count)]
    tokenizer.train_from_iterator([" ".join(words)], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return [(model["vocab"][left], model["vocab"][right]) for left, right in model["merges"]]
