"""Strings that hold what breaks kernels: every plane of Unicode, marks, NUL, mixed scripts, long words."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = [
    "a", "Word", "don't", "e\u0301", "\u0301", "é", "ß", "中", "中文。", "「日本」", "かな", "ไทย", "ที่",
    "ខ្មែរ", "မြန်", "བོད།", "한국어", "1", "3.14", "２", "Ⅷ", "٣", " ", "  ", "\t", "\n", "\n\n",
    "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\x00", "\x1f", "\x85", ".", "...", "....", "…",
    "!", "?!", '."', "。", "！", "۔", "।", "։", ".)", "”", "»", "'", "#", "##", "{", "}", "-", "- ",
    "* ", "•", "• ", "lorem ipsum", "Lorem", " IPSUM", "the", "The", "be", "to", "OF", "and",
    "that", "have", "with", "\U0001f600", "\U0001f468\u200d\U0001f469", "\ufe0f", "\U0010ffff",
    "\ud7ff", "\ue000", "\U00020000", "İ", "ς", "x" * 40,
]  # fmt: skip

mixed_texts = st.lists(
    st.one_of(st.sampled_from(PIECES), st.characters(exclude_categories=["Cs"])), max_size=24
).map("".join)
batches = st.lists(st.one_of(mixed_texts, st.none()), max_size=6)
