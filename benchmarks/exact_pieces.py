"""Random texts, every code point and real documents → whether kernels cut them as `tokenizers` does.

    python benchmarks/exact_pieces.py [--texts 1000000] [--seed 1] [--workers 2] [--data PART.parquet]…

For each pattern that has a kernel, three kinds of text are cut by the kernel, by the walker that it falls
back on, and by the installed `tokenizers`:

- random texts from few kinds of character each, with runs, many longer than the 64 bytes seen together;
- every code point but surrogates, in five contexts;
- the column `text` of Parquet files, if there are any, documents up to a megabyte.

Prints a line for each pattern and, last, one JSON line; the exit code is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import tokenizers

from dspipe.bpe.pieces import deepseek, gpt
from dspipe.bpe.pieces.characters import load_characters
from dspipe.bpe.pieces.patterns import build_pretokenizer, describe_pattern
from dspipe.bpe.pieces.splitter import KERNELS, Splitter
from dspipe.text.arrow import text_buffers
from dspipe.text.kernel import kernel

KINDS = [
    "aZé", "abcdefgh", "stmdrevl", "STDMREVLſ", "Жа한", "'", "1234", "９½Ⅷ٣", " ", " ", " \t\v\x85",
    "\n\r", "\n", "\u00a0\u2028\u3000", "\u0301\ufe0f\u3099\u0e31", "!.'$_", "«￥😀☃—“",
    "\x00\xad\u200b\ue000\u200c", "一龥あヿ", "文字語국", "゛・゠", "\u3040\u3097", "々〇\u9fa6",
    "\U00010400\U0010ffff",
]  # fmt: skip
CONTEXTS = ("{}", "a{}b", " {}{}x", "\n{} 1", "!{}'s")
BATCH = 20_000
LONGEST = 1_000_000
walk_deepseek, walk_gpt = deepseek.walk_piece, gpt.walk_piece


@kernel
def walk_deepseek_texts(text, offsets, ends, blocks, classes):  # type: ignore[no-untyped-def]
    written = 0
    for document in range(offsets.size - 1):
        position = offsets[document]
        while position < offsets[document + 1]:
            position = walk_deepseek(text, position, offsets[document + 1], blocks, classes)
            ends[written] = position
            written += 1
    return written


@kernel
def walk_gpt_texts(text, offsets, ends, digits, modern, blocks, classes):  # type: ignore[no-untyped-def]
    written = 0
    for document in range(offsets.size - 1):
        position = offsets[document]
        while position < offsets[document + 1]:
            position = walk_gpt(text, position, offsets[document + 1], digits, modern, blocks, classes)
            ends[written] = position
            written += 1
    return written


@cache
def load_cutters(pattern: str) -> tuple[Any, Any]:
    return Splitter(pattern), build_pretokenizer(describe_pattern(pattern))


def count_differing(pattern: str, texts: list[str]) -> tuple[int, list[str]]:
    """How many texts the kernel or its walker cuts otherwise than the library, and the first of them."""
    splitter, pretokenizer = load_cutters(pattern)
    text, offsets = text_buffers(pa.array(texts, pa.large_string()))
    place, ends = np.array([0, 0]), np.empty(text.size + 1, np.int64)
    ends = ends[: splitter.split(text, offsets, place, ends)]
    walk, settings = (
        (walk_gpt_texts if pattern != "deepseek-v3" else walk_deepseek_texts),
        KERNELS[pattern][1],
    )
    walked = np.empty(text.size + 1, np.int64)
    walked = walked[: walk(text, offsets, walked, *settings, *load_characters())]
    spans = [pretokenizer.pre_tokenize_str(each) for each in texts]
    lengths = [len(each) for each in spans]
    points = np.fromiter((end for each in spans for _, (_, end) in each), np.int64, sum(lengths))
    firsts = np.flatnonzero((text & 0xC0) != 0x80)  # of each character of all texts
    starts = np.searchsorted(firsts, offsets[:-1])
    expected = np.append(firsts, text.size)[points + np.repeat(starts, lengths)]
    if np.array_equal(expected, ends) and np.array_equal(expected, walked):
        return 0, []
    cuts = [np.searchsorted(found, offsets, side="right") for found in (expected, ends, walked)]
    differing = [
        texts[number]
        for number in range(len(texts))
        if len(
            {
                found[cut[number] : cut[number + 1]].tobytes()
                for found, cut in zip((expected, ends, walked), cuts, strict=True)
            }
        )
        > 1
    ]
    return len(differing), differing[:5]


def draw_texts(seed: int, count: int) -> list[str]:
    random = Random(seed)
    drawn = []
    for _ in range(count):
        kinds = random.choices(KINDS, k=random.randint(1, 5))
        length, longest = random.choice(((14, 1), (14, 1), (14, 3), (40, 3), (6, 80), (150, 1)))
        characters = (random.choice(random.choice(kinds)) for _ in range(random.randint(1, length)))
        drawn.append("".join(character * random.randint(1, longest) for character in characters))
    return drawn


def check_random(pattern: str, seed: int) -> tuple[str, int, int, list[str]]:
    return "random", BATCH, *count_differing(pattern, draw_texts(seed, BATCH))


def check_points(pattern: str, first: int) -> tuple[str, int, int, list[str]]:
    points = [chr(point) for point in range(first, first + 4096) if not 0xD800 <= point < 0xE000]
    texts = [context.format(*[point] * 2) for point in points for context in CONTEXTS]
    return "points", len(texts), *(count_differing(pattern, texts) if texts else (0, []))


def check_documents(pattern: str, path: Path, group: int) -> tuple[str, int, int, list[str]]:
    import pyarrow.parquet as pq

    column = pq.ParquetFile(path).read_row_group(group, columns=["text"])["text"]
    texts = [text for text in column.to_pylist() if text and len(text) <= LONGEST]
    differing, examples = 0, []
    for start in range(0, len(texts), 500):
        found, shown = count_differing(pattern, texts[start : start + 500])
        differing, examples = differing + found, examples + [text[:200] for text in shown]
    return "documents", len(texts), differing, examples


def list_work(pattern: str, settings: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    import pyarrow.parquet as pq

    for batch in range(-(-settings.texts // BATCH)):
        yield check_random, pattern, settings.seed * 1_000_000 + batch
    for first in range(0, 0x110000, 4096):
        yield check_points, pattern, first
    for path in settings.data:
        for group in range(pq.ParquetFile(path).num_row_groups):
            yield check_documents, pattern, path, group


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--data", type=Path, nargs="*", default=[])
    parser.add_argument("--patterns", nargs="*", default=list(KERNELS))
    settings = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "exact_pieces", "tokenizers": tokenizers.__version__}
    for pattern in settings.patterns:
        count_differing(pattern, ["compile once"])
        start = time.perf_counter()
        counts: dict[str, int] = {}
        differing, examples = 0, []
        with ProcessPoolExecutor(settings.workers) as pool:
            work = list_work(pattern, settings)
            while batch := list(islice(work, 4 * settings.workers)):
                for future in [pool.submit(*each) for each in batch]:
                    kind, texts, different, shown = future.result()
                    counts[kind] = counts.get(kind, 0) + texts
                    differing, examples = differing + different, examples + shown
        result[pattern] = {**counts, "differing": differing, "examples": examples[:5]}
        parts = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        print(f"{pattern}: {parts}; {differing} differ; {time.perf_counter() - start:.0f} s", flush=True)
    print(json.dumps(result, ensure_ascii=True))
    sys.exit(any(result[pattern]["differing"] for pattern in settings.patterns))


if __name__ == "__main__":
    main()
