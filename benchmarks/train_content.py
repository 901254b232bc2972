"""Gold pages → the weights with which `dspipe/extract/pages/content.py` tells content from the rest.

    python benchmarks/train_content.py GOLD.jsonl... > dspipe/extract/pages/weights.py

A gold page has `html` (or `html_base64`) and `text`; where it has no `text`, trafilatura's is taken, whose
judgement is better than ours and forty times as dear. A block is content as far as its four-word shingles
stand in that text. Learned is a logistic regression with a little ridge; the longer a block, the more it
counts. `--hold-out N` leaves out every second page (N = 0 or 1) of each file, to be evaluated with the rest.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from dspipe.extract.markup.blocks import BEGIN, END
from dspipe.extract.mathematics.formulas import rewrite_mathematics
from dspipe.extract.pages.charset import decode_text, recode_page
from dspipe.extract.pages.content import MEASURES
from dspipe.extract.pages.page import get_desk
from dspipe.recipe import Extract

WORD = re.compile(r"\w+")
SHINGLE = 4
RIDGE = 1e-4
Floats = NDArray[np.float64]


def read_pages(files: list[Path], hold_out: int | None) -> Iterator[dict[str, Any]]:
    for file in files:
        for line in file.open(encoding="utf-8"):
            page = json.loads(line)
            name = str(page.get("name") or page.get("id"))
            if hold_out is None or zlib.crc32(name.encode()) % 2 != hold_out:
                page["weight"] = 1.0
                yield page


def read_bytes(page: dict[str, Any]) -> bytes:
    html = page.get("html")
    return base64.b64decode(page["html_base64"]) if html is None else html.encode("utf-8", "replace")


def find_text(page: dict[str, Any]) -> str:
    """The gold text, or the teacher's."""
    if "text" in page:
        return str(page["text"])
    import trafilatura

    return trafilatura.extract(decode_text(read_bytes(page)), include_comments=False) or ""


def list_shingles(text: str, size: int) -> list[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def judge_blocks(texts: list[str], gold: str) -> Floats:
    """The share of each block's shingles that stand in the gold text; NaN for a block without words."""
    known = {size: set(list_shingles(gold, size)) for size in range(1, SHINGLE + 1)}
    shares = []
    for text in texts:
        size = min(SHINGLE, len(WORD.findall(text)))
        shingles = list_shingles(text, size) if size else []
        shares.append(sum(s in known[size] for s in shingles) / len(shingles) if shingles else np.nan)
    return np.array(shares)


def measure_page(page: dict[str, Any]) -> tuple[Floats, Floats, Floats]:
    """(measures, share that is content, weight) of the page's blocks that have words."""
    html = rewrite_mathematics(recode_page(read_bytes(page)))
    desk = get_desk(len(html), html.count(b"<"))
    desk.lay_out(html, Extract())
    spans = desk.blocks[: desk.count, [BEGIN, END]]
    texts = [desk.text[begin:end].tobytes().decode("utf-8", "replace") for begin, end in spans]
    shares = judge_blocks(texts, find_text(page))
    weights = np.minimum(spans[:, 1] - spans[:, 0], 500) / 100 + 0.3
    there = ~np.isnan(shares)
    return desk.measure()[there], shares[there], weights[there]


def learn(measures: Floats, shares: Floats, weights: Floats) -> tuple[Floats, float]:
    """Weights and bias of the logistic regression, for measures as they are."""
    mean, deviation = measures.mean(0), measures.std(0) + 1e-2
    scaled = np.column_stack([(measures - mean) / deviation, np.ones(len(measures))])
    weights = weights / weights.sum()

    def loss(slopes: Floats) -> tuple[float, Floats]:
        total = scaled @ slopes
        value = weights @ (np.logaddexp(0, total) - shares * total) + RIDGE * slopes[:-1] @ slopes[:-1]
        gradient = scaled.T @ (weights * (1 / (1 + np.exp(-total)) - shares))
        gradient[:-1] += 2 * RIDGE * slopes[:-1]
        return float(value), gradient

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000})
    slopes = found.x[:-1] / deviation
    return slopes, float(found.x[-1] - slopes @ mean)


def print_module(slopes: Floats, bias: float, note: str) -> None:
    print('"""The weights of the measures in `content.py`, learned by `benchmarks/train_content.py`.\n')
    print(f'{note}\n"""\n')
    print("from __future__ import annotations\n\nfrom functools import cache\n\nimport numpy as np")
    print("from numpy.typing import NDArray\n\nfrom dspipe.extract.pages.content import MEASURES\n")
    print(f"BIAS = {bias:.4f}\nWEIGHTS = {{")
    for name, slope in zip(MEASURES, slopes, strict=True):
        print(f'    "{name}": {slope:.4f},')
    print("}\n\n\n@cache\ndef load_weights() -> NDArray[np.float64]:")
    print('    """The weights in the order of `MEASURES`, and the bias."""')
    print("    return np.array([*(WEIGHTS[name] for name in MEASURES), BIAS])")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gold", nargs="+", type=Path)
    parser.add_argument("--hold-out", type=int)
    options = parser.parse_args()
    parts = [measure_page(page) for page in read_pages(options.gold, options.hold_out)]
    measures, shares, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    slopes, bias = learn(measures, shares, weights)
    note = f"Learned from {len(parts):,} pages and {len(shares):,} blocks."
    print(note, file=sys.stderr)
    print_module(slopes, bias, note)


if __name__ == "__main__":
    main()
