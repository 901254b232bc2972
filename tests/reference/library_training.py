"""A tokenizer in DeepSeek-V3's layout, trained by the `tokenizers` library from beginning to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dspipe.bpe.layout import SPECIALS, added_tokens
from dspipe.bpe.pieces.patterns import build_pretokenizer, describe_pattern
from dspipe.recipe import Tokenizer as Settings

CONFIGURATION = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<｜begin▁of▁sentence｜>",
    "eos_token": "<｜end▁of▁sentence｜>",
    "pad_token": "<｜▁pad▁｜>",
    "clean_up_tokenization_spaces": False,
    "model_max_length": 1 << 30,
}


def train_tokenizer(settings: Settings, texts: Iterator[list[str]]) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = build_pretokenizer(describe_pattern(settings.pattern))
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
