"""Texts → a byte-level BPE in DeepSeek-V3's layout, trained by the `tokenizers` library.

The library counts in 32 bits and keeps every distinct piece in memory, so this suits mixtures of some
gigabytes; a trainer of our own, exact in 64 bits and bounded in memory, is to take its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dspipe.bpe.layout import BEGIN, END, PAD, SPECIALS, added_tokens
from dspipe.bpe.pretokenizer import build_pretokenizer
from dspipe.recipe import Tokenizer as Settings


def train_tokenizer(settings: Settings, texts: Iterator[list[str]]) -> Any:
    """Train on batches of texts; the vocabulary is smaller than asked where the text does not support it."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = build_pretokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        min_frequency=settings.min_frequency,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    extra = added_tokens(settings.vocab_size, settings.placeholders)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in extra])
    return tokenizer


def configuration() -> dict[str, object]:
    """tokenizer_config.json, for `transformers`."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1 << 30,
    }
