"""Documents of known domains → the weights by which `dspipe.filter.domains` tells code, maths and the rest.

    python benchmarks/train_domain.py FILE.jsonl.gz... > dspipe/filter/domains/weights.py
    python benchmarks/train_domain.py --folds 5 FILE.jsonl.gz...

A document has `text`, `domain` (code, math or web), `source` and, where several sources are too much alike to
judge each other, `family`; a family of "" is for documents that are made up, from which is learned only.
Learned is a multinomial logistic regression with a little ridge, web being what there is without evidence. A
family counts as the square root of its documents, so that no large source is all that matters.

With `--folds` no weights are written: each family is judged by weights that were learned without it, and
printed is the table of confusion for each source. With `--mixed` too, the rest of the family is known.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.optimize import minimize

from dspipe.filter.domains.counts import count_all_marks
from dspipe.filter.domains.find import FOUND, choose_domains
from dspipe.filter.domains.measures import MEASURES, add_scores, measure_all_marks, plan_measures
from dspipe.text.arrow import text_buffers

RIDGE = 3e-5
WEB = 1.3  # how much more web counts: it is most of what there is, and "web" is the answer when in doubt
Floats = NDArray[np.float64]


def read_documents(files: list[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open() as lines:
            yield from map(json.loads, lines)


def weigh_documents(documents: list[dict[str, Any]], labels: NDArray[np.int64]) -> Floats:
    """How much each document counts; one domain's add up to as much as another's, but for web."""
    keys = [(document["domain"], find_family(document)) for document in documents]
    sizes = Counter(keys)
    weights = np.array([sizes[key] ** -0.5 for key in keys])
    for label, name in enumerate(FOUND):
        weights[labels == label] *= (WEB if name == "web" else 1.0) / weights[labels == label].sum()
    return weights / weights.sum()


def find_family(document: dict[str, Any]) -> str:
    return str(document.get("family") or document["source"])


def find_fold(document: dict[str, Any], folds: int, mixed: bool) -> int:
    key = document["text"] if mixed else find_family(document)
    return -1 if document.get("family") == "" else zlib.crc32(key.encode()) % folds


def find_halves(counts: NDArray[np.int32]) -> Floats:
    """The mean rate of each mark where there is any, to the six digits that are written down."""
    halves = np.ones(len(MEASURES))
    for place, (mark, unit, least) in enumerate(zip(*plan_measures(), strict=True)):
        size = (counts[:, unit] if unit >= 0 else 1) + least
        rates = counts[:, mark] / size
        if rates.any():
            halves[place] = float(f"{rates[rates > 0].mean():.6g}")
    return halves


def learn(measures: Floats, labels: NDArray[np.int64], weights: Floats) -> Floats:
    """(measures + 1, 2) weights and, last, biases of all domains but web."""
    given = np.column_stack([measures, np.ones(len(measures))])
    wanted = np.eye(len(FOUND))[labels]
    shape = (given.shape[1], len(FOUND) - 1)

    def loss(flat: Floats) -> tuple[float, Floats]:
        slopes = flat.reshape(shape)
        scores = np.column_stack([np.zeros(len(given)), given @ slopes])
        top = scores.max(1)
        logarithm = top + np.log(np.exp(scores - top[:, None]).sum(1))
        chances = np.exp(scores - logarithm[:, None])
        value = weights @ (logarithm - (scores * wanted).sum(1)) + RIDGE * (slopes[:-1] ** 2).sum()
        gradient = given.T @ ((chances - wanted) * weights[:, None])[:, 1:]
        gradient[:-1] += 2 * RIDGE * slopes[:-1]
        return float(value), gradient.ravel()

    found = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x.reshape(shape).round(4))


def judge_held_out(
    documents: list[dict[str, Any]],
    counts: NDArray[np.int32],
    labels: NDArray[np.int64],
    fold: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The domain of each document by weights that were learned without its fold; -1 for what is in none."""
    judged = np.full(len(documents), -1)
    for number in range(fold.max() + 1):
        held, rest = fold == number, fold != number
        halves = find_halves(counts[rest])
        kept = [document for document, stays in zip(documents, rest, strict=True) if stays]
        weights = learn(
            measure_all_marks(counts[rest], halves), labels[rest], weigh_documents(kept, labels[rest])
        )
        scores = np.zeros((held.sum(), len(FOUND) - 1))
        add_scores(measure_all_marks(counts[held], halves), weights, scores)
        judged[held] = choose_domains(scores)
    return judged


def print_confusion(
    documents: list[dict[str, Any]], labels: NDArray[np.int64], judged: NDArray[np.int64]
) -> None:
    print(f"{'domain':<8}{'source':<34}{'documents':>10}" + "".join(f"{name:>8}" for name in FOUND))
    sources = sorted({(document["domain"], document["source"]) for document in documents})
    table = {source: np.zeros(len(FOUND), int) for source in sources}
    for document, answer in zip(documents, judged, strict=True):
        table[document["domain"], document["source"]][answer] += 1
    for (domain, source), row in table.items():
        print(f"{domain:<8}{source:<34}{row.sum():>10}" + "".join(f"{count:>8}" for count in row))
    right = judged == labels
    print(f"\nright: {right.mean():.4f} of {len(right):,} documents")
    for label, name in enumerate(FOUND):
        own = [row[label] / row.sum() for (domain, _), row in table.items() if domain == name]
        row = np.bincount(judged[labels == label], minlength=len(FOUND))
        print(f"{name:<8}{row[label] / row.sum():.4f} of documents, {np.mean(own):.4f} by sources, {row}")


def print_module(halves: Floats, weights: Floats, note: str) -> None:
    print(
        '"""The weights of the measures in `domains/measures.py`, learned by `benchmarks/train_domain.py`.\n'
    )
    print(f"{note} What scores for neither is web.\n")
    print(
        'For each measure: the rate at which it is one half, its weights for code and for mathematics.\n"""\n'
    )
    print("from __future__ import annotations\n\nfrom functools import cache\n\nimport numpy as np")
    print("from numpy.typing import NDArray\n\nfrom dspipe.filter.domains.measures import MEASURES")
    print("from dspipe.text.arrow import read_only\n\nFloats = NDArray[np.float64]\n")
    print(f"BIAS = ({', '.join(f'{bias:.4f}' for bias in weights[-1])})\nWEIGHTS = {{")
    for name, half, row in zip(MEASURES, halves, weights, strict=False):
        print(f'    "{name}": ({half:.6g}, {", ".join(f"{weight:.4f}" for weight in row)}),')
    print("}\n\n\n@cache\ndef load_weights() -> tuple[Floats, Floats]:")
    print('    """(measures,) halves; (measures + 1, 2) weights, the last row being the bias."""')
    print("    rows = np.array([WEIGHTS[name] for name in MEASURES])")
    print("    return read_only(rows[:, 0].copy()), read_only(np.vstack([rows[:, 1:], BIAS]))")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--folds", type=int)
    parser.add_argument("--mixed", action="store_true")
    options = parser.parse_args()
    documents = list(read_documents(options.files))
    counts = count_all_marks(*text_buffers(pa.array([d["text"] for d in documents], pa.large_string())))
    labels = np.array([FOUND.index(document["domain"]) for document in documents])
    if options.folds:
        fold = np.array([find_fold(document, options.folds, options.mixed) for document in documents])
        judged = judge_held_out(documents, counts, labels, fold)
        held = np.flatnonzero(judged >= 0)
        print_confusion([documents[place] for place in held], labels[held], judged[held])
        return
    halves = find_halves(counts)
    weights = learn(measure_all_marks(counts, halves), labels, weigh_documents(documents, labels))
    sources = len({find_family(document) for document in documents})
    note = f"Learned from {len(documents):,} documents of {sources:,} kinds."
    print(note, file=sys.stderr)
    print_module(halves, weights, note)


if __name__ == "__main__":
    main()
