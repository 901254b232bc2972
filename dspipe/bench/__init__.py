"""Measurements of dspipe beside what else does the same work, in the same run.

A bench is a module here with `run(options, say)`, which says lines for people as it goes and returns its
figures for programs, and a line in `BENCHES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BENCHES = {  # a module of this package: what it measures
    "extract": "WARC files to rows, beside a bare loop of fastwarc and resiliparse; quality with --gold",
    "domain": "documents to code, mathematics or web by their text: accuracy for each, and speed",
    "dedup": "documents to verified distinct ones, beside datatrove, text-dedup, rensa; known copies; growth",
    "filter": "documents to signals and verdicts, beside datatrove's filters; another threshold on a million",
    "language": "texts and lines to languages, beside py3langid: speed, agreement, accuracy, mixtures",
    "tokenizer": "documents to a vocabulary and to ids, beside tokenizers, rustbpe, gigatoken; exactness",
    "pack": "documents to rows of tokens and batches, beside datatrove: speed, padding, what is cut",
    "model": "training steps on a CPU, beside transformers' and torch's AdamW: speed and peak memory",
    "mix": "ten million rows to shares of domains and languages: rows per second and peak memory",
}

Say = Callable[[str], None]  # prints one line


@dataclass(frozen=True)
class Options:
    """What a bench is asked for on the command line."""

    data: str | None = None  # a glob; absent: the sample, scaled up
    gold: Path | None = None
    workers: int = 2
    repeat: int = 5
    peer: str | None = None  # an interpreter that has the yardstick; absent: this one, if it has it
    documents: int = 1_000_000  # the most that are made for what grows with their number
