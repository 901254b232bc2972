"""A part of the mixture + an encoder → token ids of its documents, ended by eos, some infilled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.bpe.encoder import Encoder, Ids
from dspipe.bpe.layout import END, FIM_BEGIN, FIM_END, FIM_HOLE
from dspipe.pack.infill import choose_cuts, choose_infilled, split_text
from dspipe.recipe import Pack
from dspipe.shards import read_batches
from dspipe.text.hashing import Numbers, parse_ids


@dataclass(frozen=True)
class Encoded:
    """Documents of a part: all tokens, (t,); where each begins, (n + 1,); ids, (n, 2); infilled, (n,)."""

    tokens: Ids
    offsets: npt.NDArray[np.int64]
    ids: Numbers
    infilled: npt.NDArray[np.bool_]


def encode_part(file: Path, encoder: Encoder, settings: Pack) -> Encoded:
    """Encode a part of the mixture, a row group at a time."""
    batches = [encode_batch(batch, encoder, settings) for batch in read_batches(file, ["id", "text", "draw"])]
    lengths = np.concatenate([np.empty(0, np.int64), *(np.diff(batch.offsets) for batch in batches)])
    return Encoded(
        np.concatenate([np.empty(0, np.uint32), *(batch.tokens for batch in batches)]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([np.empty((0, 2), np.uint64), *(batch.ids for batch in batches)]),
        np.concatenate([np.empty(0, np.bool_), *(batch.infilled for batch in batches)]),
    )


def encode_batch(batch: pa.RecordBatch, encoder: Encoder, settings: Pack) -> Encoded:
    ids, draws = parse_ids(batch["id"]), batch["draw"].to_numpy().astype(np.int64)
    seed = settings.seed or 0
    infilled = choose_infilled(seed, settings.fim_rate, ids, draws)
    lengths = pc.utf8_length(batch["text"]).to_numpy().astype(np.int64)
    cuts = choose_cuts(seed, ids, draws, lengths)
    texts: list[str] = []
    for text, (first, second), turned in zip(
        batch["text"].to_pylist(), cuts.tolist(), infilled.tolist(), strict=True
    ):
        texts.extend(split_text(text, first, second) if turned else (text,))
    flat, bounds = encoder.encode(texts)
    return frame(flat, bounds, ids, infilled, encoder)


def frame(
    flat: Ids, bounds: npt.NDArray[np.int64], ids: Numbers, infilled: npt.NDArray[np.bool_], encoder: Encoder
) -> Encoded:
    """Put sentinels before the three parts of infilled documents and eos behind every document."""
    begin, hole, end, eos = (encoder.special(token) for token in (FIM_BEGIN, FIM_HOLE, FIM_END, END))
    first = np.cumsum(np.where(infilled, 3, 1)) - np.where(infilled, 3, 1)  # each document's first text
    places = np.concatenate(
        [bounds[first[infilled] + part] for part in range(3)] + [bounds[1:][first + 2 * infilled]]
    )
    marks = np.repeat([begin, hole, end, eos], [*([int(infilled.sum())] * 3), len(ids)])
    # at one place an eos comes before the sentinel of the next document: insert keeps the order of equal
    # places
    owner = np.concatenate([np.flatnonzero(infilled)] * 3 + [np.arange(len(ids))])
    rank = np.repeat([0, 1, 2, 3], [*([int(infilled.sum())] * 3), len(ids)])
    order = np.lexsort((rank, owner))
    tokens = np.insert(flat, places[order], marks[order].astype(np.uint32))
    lengths = bounds[1:][first + 2 * infilled] - bounds[first] + 1 + 3 * infilled
    return Encoded(tokens, np.concatenate([[0], np.cumsum(lengths)]), ids, infilled)
