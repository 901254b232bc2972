"""The documents that are left → cuts of each part: boilerplate lines, then repeats in what they leave.

Everything goes through files: a task reads one part, or looks at one span of hashes of all parts, so memory
does not grow with the corpus. What is cut does not depend on how documents are divided into parts.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from dspipe.dedup.strings.boilerplate import cut_lines
from dspipe.dedup.strings.removal import CUT, LINE, SUBSTRING, cut_texts, cuts_of_rows
from dspipe.dedup.strings.repeats import cut_repeats
from dspipe.dedup.strings.standing import Standing
from dspipe.recipe import Dedup
from dspipe.schema import DOCUMENTS
from dspipe.shards import Journal, write_array, write_parquet
from dspipe.text.kernel import compiling_once
from dspipe.workers import Pool, Workers

__all__ = ["CUT", "LINE", "SUBSTRING", "Standing", "cut_texts", "cuts_of_rows", "find_cuts"]


def find_cuts(settings: Dedup, standing: list[Standing], scratch: Path, workers: Workers) -> list[Path]:
    """Find what repeats inside documents, as `lines` and `substrings` ask; one of them must be given.

    Returns:
        For each part a .npy of `CUT`, by row and start, not overlapping.
    """
    assert settings.lines or settings.substrings
    if workers.count > 1:
        compile_kernels(settings, scratch / "small")
    lines = cut_lines(settings.lines, standing, scratch, workers) if settings.lines else None
    if settings.substrings is None:
        assert lines is not None
        return lines
    return cut_repeats(settings.substrings, standing, lines, scratch, workers)


def compile_kernels(settings: Dedup, folder: Path) -> None:
    """Compile here and not in every worker, by finding the cuts of two small documents."""
    rows = [{"text": "a line\n" * 100, "source": "small"}] * 2
    write_parquet(folder, "part.parquet", DOCUMENTS, [pa.RecordBatch.from_pylist(rows, DOCUMENTS)])
    write_array(folder / "ranks.npy", np.arange(len(rows)))
    small = Standing(folder / "part.parquet", folder / "ranks.npy")
    with compiling_once():
        find_cuts(settings, [small], folder, Workers(Pool(1), Journal(folder / "journal")))
