"""Turns texts into what datatrove's quality filters decide on each, and how long they take to do so.

    python datatrove_filters.py decide TEXTS.jsonl DECISIONS.jsonl
    python datatrove_filters.py time TEXTS.jsonl

TEXTS has one {"text": …, "language": …} a line, the language as ISO 639 ("en" where it is missing). `decide`
writes a line for each document with

- `filters`: each of the four filters alone on the text → the reason that it gives, null where it keeps the
  document, "error: …" where it raises;
- `rules`: each threshold alone, the others of its filter switched off → whether it drops the document.

Stop words are asked for in English only. `time` answers each line on its standard input, "all" or "pipeline",
with the seconds that it took to take all documents through the four filters: "all" takes every document
through all of them, in an order in which the words are split once; "pipeline" is FineWeb's order and stops at
the first filter that drops a document, as datatrove's executor does.

It needs datatrove 0.10 and spaCy and nothing of dspipe.
"""

from __future__ import annotations

import argparse
import importlib.metadata  # here for datatrove 0.10, too, which uses it and does not import it
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEVER = float("inf")
QUALITY: dict[str, dict[str, Any]] = {  # a rule: the threshold that it is, at datatrove's own default
    "words, least": {"min_doc_words": 50},
    "words, most": {"max_doc_words": 100_000},
    "word length, least": {"min_avg_word_length": 3},
    "word length, most": {"max_avg_word_length": 10},
    "symbols": {"max_symbol_word_ratio": 0.1},
    "bullets": {"max_bullet_lines_ratio": 0.9},
    "ellipsis lines": {"max_ellipsis_lines_ratio": 0.3},
    "alphabetic words": {"max_non_alpha_words_ratio": 0.8},
    "stop words": {"min_stop_words": 2},
}
REPETITION: dict[str, dict[str, Any]] = {
    "duplicate lines": {"dup_line_frac": 0.3},
    "duplicate paragraphs": {"dup_para_frac": 0.3},
    "duplicate line characters": {"dup_line_char_frac": 0.2},
    "duplicate paragraph characters": {"dup_para_char_frac": 0.2},
    **{f"top {n}-gram": {"top_n_grams": ((n, most),)} for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))},
    **{f"duplicate {n}-grams": {"dup_n_grams": ((n, (20 - n) / 100),)} for n in range(5, 11)},
}
FINEWEB: dict[str, dict[str, Any]] = {
    "ended lines": {"line_punct_thr": 0.12},
    "short lines": {"short_line_thr": 0.67},
    "duplicate characters": {"char_duplicates_ratio": 0.01},
    "lines per word": {"new_line_ratio": 0.3},
}
C4: dict[str, dict[str, Any]] = {
    "lorem ipsum": {"filter_lorem_ipsum": True},
    "curly brackets": {"filter_curly_bracket": True},
    "kept sentences": {"min_num_sentences": 5},
}
ENGLISH = "en"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", choices=("decide", "time"))
    parser.add_argument("texts", type=Path)
    parser.add_argument("decisions", type=Path, nargs="?")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    if arguments.work == "time":
        answer_times(list(read_texts(arguments.texts)))
    elif arguments.decisions is None:
        parser.error("decide needs a file to write to")
    else:
        write_decisions(arguments.texts, arguments.decisions)


def read_texts(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield {"language": ENGLISH, **json.loads(line)}


def make_filters(language: str) -> dict[str, Any]:
    """The four filters with their own defaults."""
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    stop_words = {} if language == ENGLISH else {"min_stop_words": None}
    return {
        "gopher quality": GopherQualityFilter(language=language, **stop_words),
        "gopher repetition": GopherRepetitionFilter(language=language),
        "fineweb": FineWebQualityFilter(language=language),
        "c4": C4QualityFilter(language=language),
    }


def make_rules(language: str) -> dict[str, tuple[Any, str | None]]:
    """A filter for each rule, and the one reason of that filter that counts, None for any."""
    filters = make_filters(language)
    off: dict[str, dict[str, Any]] = {
        "gopher quality": {name: None for rule in QUALITY.values() for name in rule},
        "gopher repetition": {
            name: () if name.endswith("grams") else None for rule in REPETITION.values() for name in rule
        },
        "fineweb": {
            name: 0 if name == "line_punct_thr" else NEVER for rule in FINEWEB.values() for name in rule
        },
    }
    rules: dict[str, tuple[Any, str | None]] = {}
    for name, own in (("gopher quality", QUALITY), ("gopher repetition", REPETITION), ("fineweb", FINEWEB)):
        for rule, threshold in own.items():
            if rule != "stop words" or language == ENGLISH:
                rules[rule] = type(filters[name])(language=language, **{**off[name], **threshold}), None
    quiet = {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1}
    for rule, threshold in C4.items():
        rules[rule] = type(filters["c4"])(language=language, **{**quiet, **threshold}), None
    return rules


def decide(chosen: Any, text: str) -> str | None:
    """The reason that a filter drops a text for, None where it keeps it."""
    from datatrove.data import Document

    try:
        verdict = chosen.filter(Document(text=text, id=""))  # anew, for C4 changes the text
    except Exception as error:  # a filter that fails on a text is one of the things to be known
        return f"error: {type(error).__name__}"
    if isinstance(verdict, tuple):
        return None if verdict[0] else str(verdict[1])
    return None if verdict else "dropped"


def write_decisions(texts: Path, path: Path) -> None:
    known: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    with path.open("w", encoding="utf-8") as file:
        for document in read_texts(texts):
            language, text = document["language"], document["text"]
            if language not in known:
                known[language] = make_filters(language), make_rules(language)
            filters, rules = known[language]
            line = {
                "filters": {name: decide(chosen, text) for name, chosen in filters.items()},
                "rules": {name: decide(chosen, text) for name, (chosen, _) in rules.items()},
            }
            file.write(json.dumps(line) + "\n")


def answer_times(documents: list[dict[str, str]]) -> None:
    """Answer every line that comes in with a line of seconds, after one that says that all is ready."""
    filters = make_filters(ENGLISH)
    print(json.dumps({"version": importlib.metadata.version("datatrove")}), flush=True)
    for line in sys.stdin:
        print(
            json.dumps(measure(filters, [document["text"] for document in documents], line.strip())),
            flush=True,
        )


def measure(filters: dict[str, Any], texts: list[str], work: str) -> dict[str, Any]:
    """Seconds of one round over all documents: in all, and in each filter."""
    from datatrove.utils.text import split_into_parts

    split_into_parts.cache_clear()
    order = list(filters) if work == "all" else ["gopher repetition", "gopher quality", "c4", "fineweb"]
    seconds = dict.fromkeys(order, 0.0)
    kept = 0
    begun = time.perf_counter()
    for text in texts:
        kept += run_through(filters, order, text, seconds, stops=work != "all")
    return {"seconds": time.perf_counter() - begun, "filters": seconds, "kept": kept}


def run_through(
    filters: dict[str, Any], order: list[str], text: str, seconds: dict[str, float], stops: bool
) -> bool:
    """Take one document through the filters and add up their seconds; whether none of them drops it."""
    from datatrove.data import Document

    document, kept = Document(text=text, id=""), True
    for name in order:
        begun = time.perf_counter()
        try:
            verdict = filters[name].filter(document)
        except ZeroDivisionError:  # of a text without words
            verdict = False
        seconds[name] += time.perf_counter() - begun
        kept = kept and verdict is True
        if stops and not kept:
            break
        if not stops:
            document.text = text
    return kept


if __name__ == "__main__":
    main()
