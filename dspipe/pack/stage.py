"""sequences = the mixture as rows of tokens: encoded, a share infilled, packed part by part by best fit.

A part of the mixture is the window within which documents are fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.files import find_file
from dspipe.bpe.layout import PAD
from dspipe.pack.encoding import encode_part
from dspipe.pack.rows import write_rows
from dspipe.recipe import Pack, packed_lengths
from dspipe.shards import Artifact, Counts, Output, Piece, sum_counts
from dspipe.workers import Workers


@dataclass(frozen=True)
class Packing:
    number: int
    part: Path
    tokenizer: Path
    folder: Path
    settings: Pack


def run(settings: Pack, mixture: Artifact, tokenizer: Artifact, sequences: Output, workers: Workers) -> None:
    """Pack each part of the mixture; rows of L tokens go to sequences/L<length>/."""
    file = find_file(tokenizer.folder)
    tasks = [Packing(n, part, file, sequences.folder, settings) for n, part in enumerate(mixture.files)]
    pieces = workers.map(pack_part, tasks)
    lengths = packed_lengths(settings)
    parts = [piece.parts["sequences"][index] for index in range(len(lengths)) for piece in pieces]
    facts = {name: sum(piece.facts[name] for piece in pieces) for name in ("tokens", "infilled")}
    for length in lengths:
        rows = sum(part.rows for part in parts if part.file.startswith(f"L{length}/"))
        facts[f"L{length}"] = {"rows": rows, "padding": round(1 - facts["tokens"] / max(1, rows * length), 6)}
    line = [f"{facts['tokens']:,} tokens"] + [
        f"L{n} padding {100 * facts[f'L{n}']['padding']:.2f} %" for n in lengths
    ]
    sequences.close(parts, sum_counts(piece.counts for piece in pieces), facts={**facts, "line": line})


def pack_part(task: Packing) -> Piece:
    """Encode one part and write its rows, once for each length."""
    encoder = Encoder(task.tokenizer)
    encoded = encode_part(task.part, encoder, task.settings)
    pad, seed = encoder.special(PAD), task.settings.seed or 0
    parts = [
        write_rows(encoded, length, pad, seed, task.folder, f"L{length}/part-{task.number:05d}.arrow")
        for length in packed_lengths(task.settings)
    ]
    documents = len(encoded.ids)
    facts = {"tokens": len(encoded.tokens), "infilled": int(encoded.infilled.sum())}
    return Piece({"sequences": parts}, Counts(documents, documents), facts)
