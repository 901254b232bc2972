"""Lengths of documents → how well and how fast they are fitted to rows, beside a segment tree and plain cuts.

Documents longer than a row are cut before, into whole rows and a rest; what is timed is the fitting of all
chunks on one core, from lengths as they come to the row of each, sorting included, by best fit alone and
with the exchanges that `pack` makes behind it. `concatenate` is what most others do: one document behind the
other, cut wherever a row ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from dspipe.bench import Say, timing
from dspipe.bench.contenders import on_one_core
from dspipe.bench.lengths import SEED, Lengths
from dspipe.bench.segment_tree import fit_by_tree
from dspipe.pack.fitting import fit
from dspipe.pack.gaps import fit_closely
from dspipe.pack.plan import Plan, cut_documents, plan_windows
from dspipe.recipe import DspipeError, Pack

ROW_LENGTHS = (2048, 4096, 8192, 32768)
WINDOWS = (1_000, 10_000, 100_000)  # documents
FLOOR = 10  # million chunks a second
MOST_PADDING = 0.0001  # of all tokens, the last window apart
OURS, TREE, CLOSELY = "best fit", "segment tree", "with exchanges"


def measure_fitting(distributions: dict[str, Lengths], repeat: int, say: Say) -> dict[str, Any]:
    """For each distribution and length of a row: rates, and what the rows are like."""
    return {
        name: {
            f"L{row_length}": measure_length(name, lengths, row_length, repeat, say)
            for row_length in ROW_LENGTHS
        }
        for name, lengths in distributions.items()
    }


def measure_length(name: str, lengths: Lengths, row_length: int, repeat: int, say: Say) -> dict[str, Any]:
    chunks = list_chunks(lengths, row_length)
    works: dict[str, timing.Work] = {
        OURS: on_one_core(partial(fit, chunks, row_length)),
        TREE: on_one_core(partial(fit_by_tree, chunks, row_length)),
        CLOSELY: on_one_core(partial(fit_closely, chunks, row_length)),
    }
    seconds = timing.take_turns(works, repeat)
    rates = {
        what: timing.summarize([chunks.size / 1e6 / one for one in taken]) for what, taken in seconds.items()
    }
    ratio = timing.divide(seconds[TREE], seconds[OURS])
    say(
        f"{name}, L = {row_length:,}: {chunks.size:,} chunks, {rates[OURS]} million a second (at least "
        f"{FLOOR}), {ratio} times a segment tree's; {rates[CLOSELY]} with exchanges"
    )
    rows = fit_all(chunks, row_length)
    modes = {
        "best-fit": describe_best_fit(lengths, row_length, rows),
        CLOSELY: describe_best_fit(lengths, row_length, fit_closely(chunks, row_length)[1]),
        "concatenate": describe_concatenation(lengths, row_length),
    }
    for mode, figures in modes.items():
        say(f"  {mode:<24}{show_rows(figures)}")
    windows = fit_windows(lengths, row_length, say)
    return {
        "chunks": chunks.size,
        "million_chunks_per_second": rates,
        "times_segment_tree": ratio,
        **modes,
        "windows": windows,
    }


def list_chunks(lengths: Lengths, row_length: int) -> Any:
    """The lengths of the chunks of all documents, (c,) int32, as `pack` cuts them."""
    return np.ascontiguousarray(cut_documents(np.arange(lengths.size), lengths, row_length)["length"])


def fit_all(chunks: Any, row_length: int) -> int:
    """How many rows they take, once it is sure that these are rows, and as few as a segment tree's.

    Raises:
        DspipeError: a row holds more than it can, or there are more rows, or fewer.
    """
    row, rows = fit(chunks, row_length)
    sums = np.bincount(row, chunks, rows)
    by_tree = fit_by_tree(chunks, row_length)[1]
    if sums.max() > row_length or sums.min() < 1 or len(sums) != rows or rows != by_tree:
        raise DspipeError(
            f"L = {row_length}: {rows} rows of {sums.min():.0f} to {sums.max():.0f} tokens, {by_tree} by a "
            "segment tree; a fault in dspipe, report it"
        )
    return rows


def describe_best_fit(lengths: Lengths, row_length: int, rows: int) -> dict[str, Any]:
    return describe_rows(lengths, row_length, rows, cut=lengths > row_length)


def describe_concatenation(lengths: Lengths, row_length: int) -> dict[str, Any]:
    ends = np.cumsum(lengths)
    first, last = (ends - lengths) // row_length, (ends - 1) // row_length
    return describe_rows(lengths, row_length, int(last[-1]) + 1, cut=first != last)


def describe_rows(lengths: Lengths, row_length: int, rows: int, cut: Any) -> dict[str, Any]:
    """Rows beside the fewest that could hold all tokens, and shares: of padding, and of documents cut."""
    tokens = int(lengths.sum())
    ideal = -(-tokens // row_length)
    fits = lengths <= row_length
    return {
        "rows": rows,
        "more_than_ideal": rows - ideal,
        "share_more_than_ideal": rows / ideal - 1,
        "padding": 1 - tokens / (rows * row_length),
        "cut": float(cut.mean()),
        "cut_of_those_that_fit": float(cut[fits].mean()) if fits.any() else 0.0,
    }


def show_rows(figures: dict[str, Any]) -> str:
    return (
        f"{figures['rows']:>11,} rows, {figures['more_than_ideal']:,} more than the fewest; padding "
        f"{100 * figures['padding']:.4f} %; documents cut {100 * figures['cut']:.2f} %, of those that fit a "
        f"row {100 * figures['cut_of_those_that_fit']:.2f} %"
    )


def fit_windows(lengths: Lengths, row_length: int, say: Say) -> dict[str, Any]:
    """Rows where only so many documents, or tokens, are fitted together, as the stage does it and without."""
    tokens = Pack().window
    cases = {f"{documents:,} documents": cut_by_number(lengths, documents) for documents in WINDOWS}
    cases[f"{tokens:,} tokens"] = cut_by_tokens(lengths, tokens)
    figures: dict[str, Any] = {}
    for name, windows in cases.items():
        figures[name] = one = describe_windows(list(windows), row_length)
        padding, but_of_last, alone = (
            f"{100 * one[key]:.4f} %" for key in ("padding", "padding_but_of_last", "padding_alone")
        )
        say(
            f"  windows of {name:<20}  padding {padding}, {but_of_last} but for the last (at most "
            f"{100 * MOST_PADDING:g}); {alone} where nothing is carried over"
        )
    return figures


def describe_windows(windows: list[Lengths], row_length: int) -> dict[str, Any]:
    """`plan_windows`, which carries over to the next window what would leave padding, and windows alone."""
    numbered = ((np.arange(window.size), window) for window in windows)
    plans = [(plan.rows, count_tokens(plan)) for plan in plan_windows(numbered, row_length, Pack(seed=SEED))]
    alone = sum(fit(list_chunks(window, row_length), row_length)[1] for window in windows)
    lengths = np.concatenate(windows)
    rows = sum(rows for rows, _ in plans)
    return {
        **describe_best_fit(lengths, row_length, rows),
        "windows": len(windows),
        "padding_but_of_last": measure_padding(plans[:-1] or plans, row_length),
        "padding_alone": measure_padding([(alone, int(lengths.sum()))], row_length),
    }


def count_tokens(plan: Plan) -> int:
    return int(plan.chunks["length"].sum(dtype=np.int64))


def measure_padding(rows: list[tuple[int, int]], row_length: int) -> float:
    """The share of padding, from numbers of rows and of tokens in them."""
    return 1 - sum(tokens for _, tokens in rows) / (row_length * max(1, sum(count for count, _ in rows)))


def cut_by_number(lengths: Lengths, documents: int) -> Iterator[Lengths]:
    for first in range(0, lengths.size, documents):
        yield lengths[first : first + documents]


def cut_by_tokens(lengths: Lengths, tokens: int) -> Iterator[Lengths]:
    """Runs of documents of about so many tokens: a document is where its first token is."""
    numbers = (np.cumsum(lengths) - lengths) // tokens
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1, [lengths.size]])
    for first, end in pairwise(bounds.tolist()):
        yield lengths[first:end]
