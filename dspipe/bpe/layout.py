"""Which token has which id: DeepSeek-V3's layout at 128,000, the same without placeholders at other sizes.

Three special tokens come first, then 256 bytes, then the merges up to `vocab_size`; added tokens follow: the
placeholders, the three fill-in-the-middle sentinels and the rest. At 128,000 with 800 placeholders that gives
hole 128800, begin 128801, end 128802, as released with DeepSeek-V3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dspipe.recipe import BEGIN, END, FIM_BEGIN, FIM_END, FIM_HOLE, PAD, RecipeError, Tokenizer

SPECIALS = (BEGIN, END, PAD)
SENTINELS = (FIM_HOLE, FIM_BEGIN, FIM_END)
CHAT = (
    "<｜User｜>", "<｜Assistant｜>", "<|EOT|>",
    "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
    "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
)  # fmt: skip

PUBLISHED_SIZE = 128_000
PUBLISHED_PLACEHOLDERS = 800
ROWS_MULTIPLE = 128  # the model's vocabulary rows, for whole tiles


def added_tokens(vocab_size: int, placeholders: int | None, added: Sequence[str] | None = None) -> list[str]:
    """The tokens after the vocabulary proper, in the order of their ids: placeholders, then those given."""
    if placeholders is None:
        placeholders = PUBLISHED_PLACEHOLDERS if vocab_size == PUBLISHED_SIZE else 0
    reserved = (f"<｜place▁holder▁no▁{number}｜>" for number in range(placeholders))
    return [*reserved, *((*SENTINELS, *CHAT) if added is None else added)]


def list_tokens(settings: Tokenizer) -> tuple[list[str], list[str]]:
    """The tokens with the first ids, and those behind the vocabulary, as a recipe has them.

    Raises:
        RecipeError: one is there twice.
    """
    specials = list(SPECIALS if settings.specials is None else settings.specials)
    added = added_tokens(settings.vocab_size, settings.placeholders, settings.added)
    repeated = [token for token, count in Counter([*specials, *added]).items() if count > 1]
    if repeated:
        raise RecipeError(
            f"tokenizer.added: {repeated[0]} is there twice, among the special tokens, the placeholders and "
            "the added ones; leave it out of one of them"
        )
    return specials, added


def model_rows(tokens: int) -> int:
    """Rows of embedding and head for a tokenizer of so many tokens.

    DeepSeek-V3 has 128,815 tokens and 129,280 rows, which is more than the next multiple; its size is kept.
    """
    if tokens == 128_815:
        return 129_280
    return -(-tokens // ROWS_MULTIPLE) * ROWS_MULTIPLE
