"""Which token has which id: DeepSeek-V3's layout at 128,000, the same without placeholders at other sizes.

Three special tokens come first, then 256 bytes, then the merges up to `vocab_size`; added tokens follow: the
placeholders, the three fill-in-the-middle sentinels and the rest. At 128,000 with 800 placeholders that gives
hole 128800, begin 128801, end 128802, as released with DeepSeek-V3.
"""

from __future__ import annotations

BEGIN = "<｜begin▁of▁sentence｜>"
END = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
FIM_HOLE = "<｜fim▁hole｜>"
FIM_BEGIN = "<｜fim▁begin｜>"
FIM_END = "<｜fim▁end｜>"

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


def added_tokens(vocab_size: int, placeholders: int | None) -> list[str]:
    """The tokens after the vocabulary proper, in the order of their ids."""
    if placeholders is None:
        placeholders = PUBLISHED_PLACEHOLDERS if vocab_size == PUBLISHED_SIZE else 0
    return [*(f"<｜place▁holder▁no▁{number}｜>" for number in range(placeholders)), *SENTINELS, *CHAT]


def model_rows(tokens: int) -> int:
    """Rows of embedding and head for a tokenizer of so many tokens.

    DeepSeek-V3 has 128,815 tokens and 129,280 rows, which is more than the next multiple; its size is kept.
    """
    if tokens == 128_815:
        return 129_280
    return -(-tokens // ROWS_MULTIPLE) * ROWS_MULTIPLE
