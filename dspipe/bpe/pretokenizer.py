"""Text → pieces that merges never cross: DeepSeek-V3's three splits, one after the other, then bytes.

The splits are sequential, each dividing the pieces of the one before; joined into one pattern they would give
other pieces (`a中文b` is a|中文|b, not one). No rule for contractions: `'t` is punctuation and letters,
by the first alternative of the third split. So far the `tokenizers` library carries them out.
"""

from __future__ import annotations

from typing import Any

DIGITS = r"\p{N}{1,3}"
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
WORDS = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"  # .com, _name, 't
    r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"  # a word, with what stands before it
    r"| ?[\p{P}\p{S}]+[\r\n]*"  # punctuation, with the line breaks after it
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"  # all but the last of several spaces
    r"|\s+"
)


def build_pretokenizer() -> Any:
    """The pre-tokenizer as a `tokenizers` object, which also goes into tokenizer.json."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    splits = [Split(Regex(pattern), behavior="isolated") for pattern in (DIGITS, CJK, WORDS)]
    return Sequence([*splits, ByteLevel(add_prefix_space=False, use_regex=False)])
