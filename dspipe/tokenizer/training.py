"""A mixture → a byte-level BPE: its pieces are counted, merges are learned, tokenizer.json is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dspipe.bpe.counts.counting import Counted, count_pieces
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.files import ALPHABET, CHARACTERS, write_tokenizer
from dspipe.bpe.layout import list_tokens
from dspipe.bpe.merges.training import Rules, train_merges
from dspipe.bpe.pieces.splitter import Splitter
from dspipe.recipe import RecipeError, Tokenizer
from dspipe.text.arrow import text_buffers
from dspipe.tokenizer.usage import count_uses, write_usage
from dspipe.workers import Workers

MEMORY_OF_A_PROCESS = 250 << 20  # bytes that a process holds beside what is trained on: measured
SHARE_OF_MACHINE = 0.5  # of its memory, where no limit is given
LEAST_MEMORY = 32 << 20


def train_bpe(settings: Tokenizer, files: Sequence[Path], folder: Path, workers: Workers) -> dict[str, Any]:
    """Train on the texts of some Parquet files, write the tokenizer, and return the stage's facts."""
    specials, added = list_tokens(settings)
    check_specials(specials, settings.pattern)
    counted = count_pieces(files, settings, workers)
    first = len(specials)
    byte_ids = np.zeros(256, np.int32)
    byte_ids[list(ALPHABET)] = np.arange(first, first + 256, dtype=np.int32)
    rules = Rules(settings.vocab_size, first, settings.min_frequency, settings.max_token_length)
    scratch = workers.scratch / "merges"
    scratch.mkdir(exist_ok=True)
    merges = train_merges(
        counted.blocks, byte_ids, rules, choose_memory(workers), scratch, workers.count, workers.report
    )
    write_tokenizer(folder, merges.left, merges.right, settings.pattern, specials, added)
    encoder = Encoder(folder)
    uses = count_uses(counted.blocks, encoder)
    write_usage(folder, encoder, uses)
    return describe(settings, counted, encoder, rules.first + merges.size, int(uses.sum()))


def describe(
    settings: Tokenizer, counted: Counted, encoder: Encoder, base: int, tokens: int
) -> dict[str, Any]:
    line = f"{base:,} entries and {encoder.size - base:,} added tokens"
    if base < settings.vocab_size:
        line += f" (the text supports no more: {settings.vocab_size:,} were asked for)"
    pieces, distinct, size = (counted.facts[name] for name in ("pieces", "distinct_pieces", "bytes"))
    lines = [line, f"{pieces:,} pieces, {distinct:,} distinct", f"{size / max(1, tokens):.2f} bytes a token"]
    sizes = {"vocabulary": encoder.size, "base": base, "model_rows": encoder.rows, "tokens": tokens}
    return {**sizes, **counted.facts, "line": lines}


def check_specials(specials: Sequence[str], pattern: str | list[str]) -> None:
    """Refuse special tokens that merges could make of text, before the work instead of after it."""
    splitter = Splitter(pattern)
    for token in specials:
        text, offsets = text_buffers(pa.array([token]))
        place, ends = np.zeros(2, np.int64), np.empty(2, np.int64)
        if splitter.split(text, offsets, place, ends) == 1 and set(token) <= set(CHARACTERS.values()):
            raise RecipeError(
                f"tokenizer.specials: {token} is a piece of text that merges could make; give it another "
                "name, such as <｜name｜>"
            )


def choose_memory(workers: Workers) -> int:
    """Bytes for the learning of merges: what the processes leave of the limit, or half of the machine's."""
    if workers.memory is None:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return int(machine * SHARE_OF_MACHINE)
    processes = workers.count + (workers.count > 1)
    return max(LEAST_MEMORY, workers.memory - processes * MEMORY_OF_A_PROCESS)
