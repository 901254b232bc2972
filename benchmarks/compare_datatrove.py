"""Documents → how often dspipe's rules decide as datatrove's, rule by rule and filter by filter.

    python benchmarks/compare_datatrove.py --peer PYTHON [--data GLOB] [--languages en,de] [--examples 3]

PYTHON is an interpreter with datatrove 0.10 and spaCy. GLOB names files that `extract` reads, or the folder
of an artifact of documents; without it, the sample. Documents are taken in the languages asked for, as dspipe
finds them, but for those of sources of code and mathematics, and judged as web pages. A rule of datatrove's
is one threshold, the others of its filter switched off; a filter is all of its thresholds at once. Documents
on which datatrove raises an error are counted apart. With `--examples` documents on which the two differ are
listed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dspipe.bench import yardstick
from dspipe.bench.crawl import SAMPLE
from dspipe.bench.documents import find_documents
from dspipe.filter.measuring import measure_batch
from dspipe.filter.rules import find_failures, list_reasons, list_rules
from dspipe.recipe import NON_NATURAL, Filter, RuleSet
from dspipe.shards import read_batches

Mask = NDArray[np.bool_]

BOUNDS: dict[str, list[tuple[str, float | None, float | None]]] = {  # column, least, most
    "words, least": [("words", 50, None)],
    "words, most": [("words", None, 100_000)],
    "word length, least": [("mean_word_length", 3, None)],
    "word length, most": [("mean_word_length", None, 10)],
    "symbols": [("hash_ratio", None, 0.1), ("ellipsis_ratio", None, 0.1)],
    "bullets": [("bullet_lines", None, 0.9)],
    "ellipsis lines": [("ellipsis_lines", None, 0.3)],
    "alphabetic words": [("alphabetic_tokens", 0.8, None)],
    "stop words": [("stop_words", 2, None)],
    "duplicate lines": [("duplicate_lines", None, 0.3)],
    "duplicate line characters": [("duplicate_line_characters", None, 0.2)],
    "duplicate paragraphs": [("duplicate_paragraphs", None, 0.3)],
    "duplicate paragraph characters": [("duplicate_paragraph_characters", None, 0.2)],
    **{f"top {n}-gram": [(f"top_{n}_gram", None, most)] for n, most in ((2, 0.2), (3, 0.18), (4, 0.16))},
    **{f"duplicate {n}-grams": [(f"duplicate_{n}_grams", None, (20 - n) / 100)] for n in range(5, 11)},
    "ended lines": [("ended_lines", 0.12, None)],
    "short lines": [("short_lines", None, 0.67)],
    "duplicate characters": [("duplicate_line_characters", None, 0.01)],
    "lines per word": [("lines_per_token", None, 0.3)],
    "lorem ipsum": [("lorem_ipsum", None, 0)],
    "curly brackets": [("kept_curly_brackets", None, 0)],
    "kept sentences": [("kept_sentences", 5, None)],
}
FILTERS: dict[
    RuleSet, tuple[str, ...]
] = {  # a rule set of dspipe's: the filters of datatrove's that do the same
    "gopher": ("gopher quality", "gopher repetition"),
    "c4": ("c4",),
    "fineweb": ("fineweb",),
}


@dataclass(frozen=True)
class Sample:
    """Documents as dspipe has measured them, and datatrove's answers."""

    signals: Any  # a table, with what tells a document apart
    texts: list[str]
    answers: list[dict[str, dict[str, str | None]]]


@dataclass(frozen=True)
class Row:
    """A line of the table: which documents fail in datatrove and in dspipe, where datatrove has an answer."""

    name: str
    theirs: Mask
    ours: Mask
    known: Mask
    notes: list[str]  # on each document: what decided

    @property
    def differ(self) -> Mask:
        differ: Mask = self.known & np.not_equal(self.theirs, self.ours)
        return differ

    def show(self) -> str:
        known = int(self.known.sum())
        more, fewer = int((self.differ & self.ours).sum()), int((self.differ & self.theirs).sum())
        if known == 0:
            return f"| {self.name} | not asked | | | |"
        agree = 100 * (1 - (more + fewer) / known)
        return f"| {self.name} | {int((self.theirs & self.known).sum()):,} | {agree:.2f} | {more} | {fewer} |"


def main() -> None:
    options = read_options()
    interpreter = yardstick.find_interpreter(options.peer, "datatrove", "spacy")
    if interpreter is None:
        raise SystemExit("name an interpreter that has datatrove and spaCy with --peer")
    with tempfile.TemporaryDirectory() as name:
        sample = take_sample(options, interpreter, Path(name))
    rows = [*compare_filters(sample), *compare_rules(sample)]
    errors = sum(any(is_error(one) for one in answer["filters"].values()) for answer in sample.answers)
    print(f"{len(sample.texts):,} documents; datatrove raises an error on {errors}\n")
    print("| rule | fail in datatrove | agree, % | only dspipe drops | only datatrove drops |")
    print("|---|--:|--:|--:|--:|")
    for row in rows:
        print(row.show())
    for row in rows if options.examples else ():
        show_examples(row, sample, options.examples)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How often dspipe's rules decide as datatrove's.")
    parser.add_argument("--peer", help="an interpreter with datatrove and spaCy")
    parser.add_argument("--data", help="a glob, or the folder of an artifact of documents")
    parser.add_argument("--languages", default="en", type=lambda names: names.split(","))
    parser.add_argument("--most", type=int, default=10_000, help="documents of each language")
    parser.add_argument("--examples", type=int, default=0, help="documents to show of each rule")
    return parser.parse_args()


def take_sample(options: argparse.Namespace, interpreter: str, folder: Path) -> Sample:
    documents = find_documents(options.data or SAMPLE, folder, scaled=0)
    taken: dict[str, int] = dict.fromkeys(options.languages, 0)
    signals, texts = [], []
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for batch in (batch for part in documents.artifact.files for batch in read_batches(part)):
            measured = measure_batch(batch, Filter())
            rows = list(choose(batch, measured, taken, options.most))
            signals.append(label(measured, batch).take(pa.array(rows, pa.int64())))
            for row in rows:
                text = batch.column("text")[row].cast(pa.large_binary()).as_py().decode("utf-8", "replace")
                texts.append(text)
                found = measured.column("language")[row].as_py()
                file.write(json.dumps({"text": text, "language": found}) + "\n")
    yardstick.call(
        interpreter, "datatrove_filters.py", "decide", folder / "texts.jsonl", folder / "answers.jsonl"
    )
    answers = [json.loads(line) for line in (folder / "answers.jsonl").open(encoding="utf-8")]
    return Sample(pa.Table.from_batches(signals), texts, answers)


def choose(batch: Any, signals: Any, taken: dict[str, int], most: int) -> Iterator[int]:
    """Rows with natural text in a language that is wanted, counted in `taken`."""
    lengths, domains = pc.binary_length(batch.column("text")).to_pylist(), batch.column("domain").to_pylist()
    for row, language in enumerate(signals.column("language").to_pylist()):
        if lengths[row] and domains[row] not in NON_NATURAL and taken.get(language, most) < most:
            taken[language] += 1
            yield row


def label(signals: Any, batch: Any) -> Any:
    """Signals of a web page, with its address; stop words in English only, as the yardstick asks for them."""
    columns = dict(zip(signals.schema.names, signals.columns, strict=True))
    english = pc.equal(columns["language"], "en")
    columns["stop_words"] = pc.if_else(english, columns["stop_words"], pa.scalar(None, pa.int64()))
    columns["domain"] = pa.array(["web"] * batch.num_rows, pa.string())
    return pa.record_batch({**columns, "url": batch.column("url")})


def is_error(answer: str | None) -> bool:
    return answer is not None and answer.startswith("error")


def compare_rules(sample: Sample) -> Iterator[Row]:
    for rule, bounds in BOUNDS.items():
        answers = [answer["rules"].get(rule, "error: not asked") for answer in sample.answers]
        ours = np.zeros(len(answers), bool)
        for column, least, most in bounds:
            values = np.asarray(sample.signals[column].cast(pa.float32()).fill_null(np.nan))
            ours |= values < np.float32(least) if least is not None else values > np.float32(most)
        named = [(column, sample.signals[column].to_pylist()) for column, _, _ in bounds]
        yield make_row(rule, answers, ours, [note(named, place) for place in range(len(answers))])


def note(named: list[tuple[str, list[Any]]], place: int) -> str:
    return ", ".join(f"{name} {values[place] or 0:.4g}" for name, values in named)


def compare_filters(sample: Sample) -> Iterator[Row]:
    signals = sample.signals.combine_chunks().to_batches()[0]
    answers: dict[str, list[str | None]] = {}
    reasons: dict[str, list[list[str]]] = {}
    for rules, names in FILTERS.items():
        settings = Filter(rules=rules)
        listed = list_rules(settings)
        failures = find_failures(signals, settings, listed)
        reasons[rules] = list_reasons(failures, [ruled.rule.reason for ruled in listed]).to_pylist()
        answers[rules] = [first(answer["filters"][name] for name in names) for answer in sample.answers]
        yield compare(" + ".join(names), answers[rules], reasons[rules])
    together = [list(chain(*lists)) for lists in zip(*reasons.values(), strict=True)]
    yield compare("all four filters", [first(each) for each in zip(*answers.values(), strict=True)], together)


def first(answers: Iterable[str | None]) -> str | None:
    return next((answer for answer in answers if answer), None)


def compare(name: str, answers: list[str | None], reasons: list[list[str]]) -> Row:
    ours = np.array([bool(listed) for listed in reasons], bool)
    notes = [", ".join(listed) or answer or "" for listed, answer in zip(reasons, answers, strict=True)]
    return make_row(f"**{name}**", answers, ours, notes)


def make_row(name: str, answers: list[str | None], ours: Mask, notes: list[str]) -> Row:
    theirs = np.array([answer is not None for answer in answers], bool)
    return Row(name, theirs, ours, np.array([not is_error(answer) for answer in answers], bool), notes)


def show_examples(row: Row, sample: Sample, most: int) -> None:
    for place in islice(np.flatnonzero(row.differ), most):
        side = "dspipe" if row.ours[place] else "datatrove"
        start = " ".join(sample.texts[place][:200].split())
        where = sample.signals["url"][int(place)]
        print(f"\n{row.name}: only {side} drops {where} ({row.notes[place]})\n    {start}")


if __name__ == "__main__":
    main()
