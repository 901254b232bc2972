"""Random pieces with many ties → one JSON line: how often the merges are not those of `tokenizers`.

    python benchmarks/exact_merges.py --cases 2000

Pieces of one to five letters, so that most counts are equal and tokens overlap themselves; some with a
least count, some with a longest token. Each is learned with all pieces in memory, and in rounds with room for
a few. It writes many small files: TMPDIR=/dev/shm spares it the waiting for a disk.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # the cases are those of the tests

from dspipe.bpe.merges import training
from tests.bpe.merges.cases import AMPLE, ask_tokenizers, draw_case, train


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    training.LEAST_MEMORY, training.LARGEST_PIECES = 1, 0
    differing: dict[str, list[int]] = {"in memory": [], "in rounds": []}
    merges = 0
    for number in range(options.cases):
        case = draw_case(draw)
        expected = ask_tokenizers(case)
        merges += len(expected)
        for name, memory in (("in memory", AMPLE), ("in rounds", 20_000)):
            training.BYTES_PER_SYMBOL = training.BYTES_PER_TOKEN = 48 if memory == AMPLE else 400
            with tempfile.TemporaryDirectory() as folder:
                ours = train(Path(folder), case, memory)
            if list(zip(ours.left.tolist(), ours.right.tolist(), strict=True)) != expected:
                differing[name].append(number)
    print(json.dumps({"cases": options.cases, "merges": merges, "differing": differing}))
    sys.exit(any(differing.values()))


if __name__ == "__main__":
    main()
