"""Named sets of rules: the thresholds that were published, each a bound on one column of `schema.SIGNALS`.

Sources: Gopher (Rae et al. 2021, A.1.1 and table A1), C4 (Raffel et al. 2020, 2.2; what it does to whole
pages), FineWeb (Penedo et al. 2024, 3.6; the rules it adds), DeepSeek-Coder (Guo et al. 2024, 2.1, after
StarCoder). The set `math` is ours: it only drops fragments and repetition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Written without spaces, so that a "word" is one character (text.words).
SPACELESS = ("zh", "yue", "wuu", "ja", "th", "lo", "km", "my", "bo", "dz")
# Of these, the ones that do not mark where a sentence ends.
UNPUNCTUATED = ("th", "lo")
# Written in syllables, so that most words have two or three characters.
SYLLABIC = ("ko",)


@dataclass(frozen=True)
class Rule:
    """A document whose `column` is below `minimum` or above `maximum` is rejected for `reason`.

    The rule holds for documents in `languages` alone (empty: in all) and for none in `exempt`; for files with
    one of `extensions` alone (empty: all) and for none with one of `exempt_extensions`. A document without a
    value passes.
    """

    reason: str
    column: str
    minimum: float | None = None
    maximum: float | None = None
    languages: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    exempt_extensions: tuple[str, ...] = ()


REPETITION = (
    Rule("gopher-duplicate-lines", "duplicate_lines", maximum=0.3),
    Rule("gopher-duplicate-paragraphs", "duplicate_paragraphs", maximum=0.3),
    Rule("gopher-duplicate-line-characters", "duplicate_line_characters", maximum=0.2),
    Rule("gopher-duplicate-paragraph-characters", "duplicate_paragraph_characters", maximum=0.2),
    *(
        Rule(f"gopher-top-{n}-gram", f"top_{n}_gram", maximum=most)
        for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))
    ),
    *(
        Rule(f"gopher-duplicate-{n}-grams", f"duplicate_{n}_grams", maximum=most)
        for n, most in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
    ),
)
RULE_SETS: Mapping[str, tuple[Rule, ...]] = {
    "none": (),
    "gopher": (
        Rule("gopher-words", "words", 50, 100_000),
        Rule("gopher-word-length", "mean_word_length", 3, 10, exempt=(*SPACELESS, *SYLLABIC)),
        Rule("gopher-hashes", "hash_ratio", maximum=0.1),
        Rule("gopher-ellipses", "ellipsis_ratio", maximum=0.1),
        Rule("gopher-bullets", "bullet_lines", maximum=0.9),
        Rule("gopher-ellipsis-lines", "ellipsis_lines", maximum=0.3),
        # "Words" are taken as datatrove and so FineWeb took them for English, with marks among them. In many
        # languages good prose has too many marks for that: there they are what stands between white space.
        Rule("gopher-alphabetic", "alphabetic_tokens", minimum=0.8, languages=("en",)),
        Rule("gopher-alphabetic-words", "alphabetic_words", minimum=0.8, exempt=("en", *SPACELESS)),
        Rule("gopher-stop-words", "stop_words", minimum=2),
        *REPETITION,
    ),
    "c4": (
        Rule("c4-curly-bracket", "kept_curly_brackets", maximum=0),
        Rule("c4-lorem-ipsum", "lorem_ipsum", maximum=0),
        Rule("c4-sentences", "kept_sentences", minimum=5, exempt=UNPUNCTUATED),
    ),
    "fineweb": (
        Rule("fineweb-ended-lines", "ended_lines", minimum=0.12, exempt=UNPUNCTUATED),
        Rule("fineweb-short-lines", "short_lines", maximum=0.67),
        Rule("fineweb-duplicate-characters", "duplicate_line_characters", maximum=0.01),
        Rule("fineweb-lines", "lines_per_token", maximum=0.3),
    ),
    "code": (
        Rule("code-mean-line", "mean_line_length", maximum=100),
        Rule("code-longest-line", "longest_line", maximum=1000),
        Rule("code-alphabetic", "alphabetic_characters", minimum=0.25),
        Rule("code-xml", "xml_header", maximum=0, exempt_extensions=("xsl", "xslt")),
        Rule("code-visible-text", "visible_text", minimum=0.2),
        Rule("code-visible-characters", "visible_characters", minimum=100),
        Rule("code-data", "characters", 50, 5000, extensions=("json", "yaml", "yml")),
    ),
    "math": (
        Rule("math-words", "words", minimum=20),
        Rule("math-duplicate-lines", "duplicate_line_characters", maximum=0.3),
    ),
}
KNOWN = {rule.reason: rule for rules in RULE_SETS.values() for rule in rules}
