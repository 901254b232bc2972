"""Documents of Parquet files → one JSON line: in how many of them our ids are not those of `tokenizers`.

    python benchmarks/exact_ids.py TOKENIZER.json 'shards/medium/documents/part-*.parquet'
    python benchmarks/exact_ids.py --special TOKENIZER.json 'shards/medium/documents/part-*.parquet'

Without `--special` the library's tokenizer has no added tokens, as ours does not find them either. Every
document is decoded, too, and must be its text again.
"""

from __future__ import annotations

import argparse
import glob
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.encoding.library import forget_added

ROWS = 500


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--special", action="store_true")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("files", help="a glob")
    options = parser.parse_args()
    encoder = Encoder(options.tokenizer, special=options.special)
    description = options.tokenizer.read_text()
    theirs = Tokenizer.from_str(description if options.special else forget_added(json.loads(description)))
    counts = dict.fromkeys(("documents", "bytes", "tokens", "other_ids", "other_text"), 0)
    seconds = {"ours": 0.0, "tokenizers": 0.0}
    for file in sorted(glob.glob(options.files)):
        for batch in pq.ParquetFile(file).iter_batches(ROWS, columns=["text"]):
            texts = batch["text"].to_pylist()
            begin = time.perf_counter()
            ids, bounds = encoder.encode(batch["text"])
            middle = time.perf_counter()
            expected = [one.ids for one in theirs.encode_batch_fast(texts, add_special_tokens=False)]
            seconds["ours"] += middle - begin
            seconds["tokenizers"] += time.perf_counter() - middle
            for number, text in enumerate(texts):
                found = ids[bounds[number] : bounds[number + 1]]
                counts["other_ids"] += not np.array_equal(found, expected[number])
                counts["other_text"] += encoder.decode(found) != text
                counts["bytes"] += len(text.encode())
            counts["documents"] += len(texts)
            counts["tokens"] += ids.size
    print(json.dumps({"tokenizer": str(options.tokenizer), "special": options.special, **counts, **seconds}))
    sys.exit(bool(counts["other_ids"] or counts["other_text"]))


if __name__ == "__main__":
    main()
