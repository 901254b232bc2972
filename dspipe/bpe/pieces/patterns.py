"""A pattern's name or regexes → the `pre_tokenizer` of a tokenizer.json, and back.

A pattern is steps, each of which divides the pieces of the one before; joined into one regex they would give
other pieces (for DeepSeek-V3 `a中文b` is a|中文|b, not one). They stand here as in the files that were
released with the models, so that a tokenizer.json from here says the same and one from there is recognised.
"""

from __future__ import annotations

import json
from typing import Any

from dspipe.recipe import RecipeError

Step = dict[str, Any]


def split_at(regex: str, **changes: Any) -> Step:
    split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return {**split, **changes}


def map_bytes(use_regex: bool) -> Step:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def expand_ranges(text: str) -> str:
    """ "41-5A B5" → "A-Zµ", as it stands in the brackets of a regex.

    The ranges are written as numbers since an editor that normalizes text would turn U+1F7D into U+03CE.
    """
    return "".join("-".join(chr(int(point, 16)) for point in span.split("-")) for span in text.split())


DIGITS = r"\p{N}{1,3}"
CJK = f"[{expand_ranges('4E00-9FA5 3040-309F 30A0-30FF')}]+"
WORDS = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""  # .com, _name, 't: no rule for contractions
    "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"  # a word, with what stands before it
    "| ?[\\p{P}\\p{S}]+[\r\n]*"  # punctuation, with the line breaks after it
    "|\\s*[\r\n]+"
    r"|\s+(?!\S)"  # all but the last of several spaces
    r"|\s+"
)

# The letters of DeepSeek LLM as its file lists them: most of those that have upper and lower case.
CASED = (
    "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C "
    "38E-3A1 3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B "
    "1D6B-1D77 1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D "
    "1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 "
    "2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183 "
    "2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B A722-A76F A771-A787 A78B-A78E "
    "AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 104D8-104FB 10C80-10CB2 "
    "10CC0-10CF2 118A0-118DF 1E900-1E943"
)
SIGNS = "21-2F 3A-7E FF01-FF0F FF1A-FF5E 2018-201F 3000-3002"
SPACELESS = "4E00-9FA5 800-4E00 AC00-D7FF"

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA_3 = (
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_2 = LLAMA_3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]*[{LOWER}]+{CONTRACTIONS}?"
    rf"|[^\r\n\p{{L}}\p{{N}}]?[{UPPER}]+[{LOWER}]*{CONTRACTIONS}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

MATCHES: Step = {"behavior": "Removed", "invert": True}  # keep what matches: the same, where everything does
PATTERNS: dict[str, list[Step]] = {
    "deepseek-v3": [split_at(DIGITS), split_at(CJK), split_at(WORDS), map_bytes(False)],
    "deepseek-llm": [
        split_at("[\r\n]"),
        split_at(rf"\s?[{expand_ranges(CASED)}]+"),
        split_at(rf"\s?[{expand_ranges(SIGNS)}]+"),
        split_at(r"\s+$"),
        split_at(f"[{expand_ranges(SPACELESS)}]+"),
        {"type": "Digits", "individual_digits": True},
        map_bytes(False),
    ],
    "cl100k": [split_at(LLAMA_3, **MATCHES), map_bytes(False)],
    "llama-3": [split_at(LLAMA_3), map_bytes(False)],
    "gpt-2": [map_bytes(True)],
    "qwen-2": [split_at(QWEN_2), map_bytes(False)],
    "o200k": [split_at(O200K), map_bytes(False)],
}


def describe_pattern(pattern: str | list[str]) -> dict[str, Any]:
    """The `pre_tokenizer` of a tokenizer.json, for a pattern by name or by its regexes.

    Raises RecipeError for an unknown name.
    """
    if isinstance(pattern, str):
        if pattern not in PATTERNS:
            known = ", ".join(PATTERNS)
            raise RecipeError(f"[tokenizer] pattern: {pattern!r} is none of {known}; regexes go into a list")
        steps = PATTERNS[pattern]
    else:
        steps = [*(split_at(regex) for regex in pattern), map_bytes(False)]
    return steps[0] if len(steps) == 1 else {"type": "Sequence", "pretokenizers": steps}


def recognise_pattern(description: dict[str, Any] | None) -> str | None:
    """The name of the pattern that a tokenizer.json's `pre_tokenizer` is, however written; None: another one.

    `cl100k` and `llama-3` cut alike and differ in how their files say it; the answer for both is `llama-3`.
    """
    steps = simplify_steps(description)
    for name in ("deepseek-v3", "deepseek-llm", "llama-3", "gpt-2", "qwen-2", "o200k"):
        if steps and steps == simplify_steps(describe_pattern(name)):
            return name
    return None


def simplify_steps(description: dict[str, Any] | None) -> list[Any]:
    """Steps as what they do: regexes, `bytes`, and other steps as they are; equal for equal pieces."""
    if not description:
        return []
    if description.get("type") == "Sequence":
        return [step for each in description.get("pretokenizers", []) for step in simplify_steps(each)]
    step = {key: value for key, value in description.items() if key != "trim_offsets"}
    if step == {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}:
        return ["bytes"]
    if step in (
        {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        {"type": "ByteLevel", "add_prefix_space": False},
    ):
        return [GPT_2, "bytes"]
    pattern = step.get("pattern")
    if step.get("type") == "Split" and isinstance(pattern, dict) and set(pattern) == {"Regex"}:
        regex = pattern["Regex"].replace("\r", r"\r").replace("\n", r"\n").replace(r"\"", '"')
        isolated = (step.get("behavior"), bool(step.get("invert"))) == ("Isolated", False)
        if isolated or (step | MATCHES == step and regex in (LLAMA_3, QWEN_2, GPT_2, O200K)):
            return [regex]
    return [step]


def build_pretokenizer(description: dict[str, Any]) -> Any:
    """The `pre_tokenizer` of a tokenizer.json as an object of `tokenizers`.

    Raises RecipeError for what the library refuses, a regex that is none above all.
    """
    from tokenizers import Tokenizer

    model = {"type": "BPE", "vocab": {}, "merges": []}
    try:
        text = json.dumps(
            {"version": "1.0", "added_tokens": [], "pre_tokenizer": description, "model": model}
        )
        return Tokenizer.from_str(text).pre_tokenizer
    except Exception as error:  # the library raises bare Exceptions
        raise RecipeError(f"[tokenizer] pattern: `tokenizers` refuses it ({error})") from None
