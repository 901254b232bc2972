"""Texts in known languages → how often these are found, and how often two of them in one text."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import pyarrow as pa

from dspipe.bench import Say
from dspipe.bench.guessers import find_guessers
from dspipe.bench.labelled import Labelled
from dspipe.filter.languages.find import find_languages
from dspipe.filter.languages.guess import UNDETERMINED
from dspipe.recipe import Filter

PURE = 0.8  # of the letters in one language: less of it is called a mixture
PARTS = (900, 600)  # characters of two texts that are joined


def measure_accuracy(texts: Labelled, say: Say) -> dict[str, Any]:
    """By language: how many are found, undetermined, or taken for which other; and all by each program."""
    found = find_languages(texts.array, Filter())["language"].to_pylist()
    by_language: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for language, label in zip(texts.languages, found, strict=True):
        if language is not None:
            by_language[language][label] += 1
    for language, labels in sorted(by_language.items()):
        others = ", ".join(f"{count} {label}" for label, count in labels.most_common() if label != language)
        say(f"{language:<6}{labels[language]:6} of {labels.total():<6}{others}")
    programs = {"dspipe": found} | {
        name: [guesser(text[: Filter().language_characters]) for text in texts.texts]
        for name, guesser in find_guessers().items()
    }
    shares = {name: rate(labels, texts.languages) for name, labels in programs.items()}
    for name, share in shares.items():
        say(f"{name:<28}{share['all']:.4f} of all, {share['mean']:.4f} as the mean over languages")
    return {"languages": {name: dict(labels) for name, labels in by_language.items()}, "programs": shares}


def rate(labels: list[str], languages: tuple[str | None, ...]) -> dict[str, float]:
    """The share of right labels, of all texts and as the mean over languages."""
    right: defaultdict[str, list[bool]] = defaultdict(list)
    for language, label in zip(languages, labels, strict=True):
        if language is not None:
            right[language].append(label == language)
    every = [one for ones in right.values() for one in ones]
    means = [sum(ones) / len(ones) for ones in right.values()]
    return {"all": sum(every) / len(every), "mean": sum(means) / len(means)}


def measure_mixtures(texts: Labelled, say: Say) -> dict[str, Any]:
    """How many texts are called mixtures: those that are none, and those joined of two languages."""
    first, second = PARTS
    settings = Filter(language_lines=True)
    whole = find_languages(texts.array, settings)
    shares = [share for share in whole["language_share"].to_pylist() if share is not None]
    pure = pure_texts(texts, whole)
    pairs = [(a, b) for a, b in zip(pure, pure[1:] + pure[:1], strict=True) if a[1] != b[1]]
    joined = pa.array([f"{a[0][:first]}\n\n{b[0][:second]}" for a, b in pairs], pa.large_string())
    columns = find_languages(joined, settings)
    seen = Counter(
        (share is not None and share < PURE, second_found == b[1])
        for share, second_found, (_, b) in zip(
            columns["language_share"].to_pylist(), columns["second_language"].to_pylist(), pairs, strict=True
        )
    )
    figures = {
        "texts": len(shares),
        "called_mixtures": sum(share < PURE for share in shares),
        "joined": len(pairs),
        "joined_called_mixtures": seen[True, True] + seen[True, False],
        "second_right": seen[True, True] + seen[False, True],
    }
    alone = f"{figures['called_mixtures']} of {len(shares):,} texts"
    together = f"{figures['joined_called_mixtures']} of {len(pairs):,} that were joined of two languages"
    say(f"with less than {PURE} of the letters in one language: {alone}, and {together}")
    say(f"of {figures['second_right']} of these the second was found")
    return figures


def pure_texts(texts: Labelled, whole: dict[str, Any]) -> list[tuple[str, str]]:
    """(text, language) of texts that are in their language, as far as anyone can say, and long enough."""
    return [
        (text, language)
        for text, language, found, share in zip(
            texts.texts,
            texts.languages,
            whole["language"].to_pylist(),
            whole["language_share"].to_pylist(),
            strict=True,
        )
        if language is not None
        and language == found != UNDETERMINED
        and share is not None
        and share > 0.95
        and len(text) >= PARTS[0]
    ]
