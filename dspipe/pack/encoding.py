"""A part of the mixture + an encoder → token ids of its documents, ended by eos, some infilled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.encoding.engine import Ids
from dspipe.bpe.layout import END, FIM_BEGIN, FIM_END, FIM_HOLE
from dspipe.pack.infill import choose_cuts, choose_infilled, frame_documents, place_cuts
from dspipe.recipe import Pack
from dspipe.shards import read_batches
from dspipe.text.arrow import Offsets, text_buffers
from dspipe.text.hashing import Numbers, parse_ids
from dspipe.text.kernel import compiling_once


@dataclass(frozen=True)
class Encoded:
    """Documents of a part: all tokens, (t,); where each begins, (n + 1,); ids, (n, 2); infilled, (n,)."""

    tokens: Ids
    offsets: npt.NDArray[np.int64]
    ids: Numbers
    infilled: npt.NDArray[np.bool_]


def encode_part(file: Path, encoder: Encoder, settings: Pack) -> Encoded:
    """Encode a part of the mixture, a row group at a time."""
    with compiling_once():
        infill_batch(
            pa.array([], pa.large_string()), np.empty(0, np.bool_), np.empty((0, 2), np.int64), encoder
        )
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
    lengths = pc.fill_null(pc.utf8_length(batch["text"]), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    cuts = choose_cuts(seed, ids, draws, lengths)
    return Encoded(*infill_batch(batch["text"], infilled, cuts, encoder), ids, infilled)


def infill_batch(
    texts: pa.Array, infilled: npt.NDArray[np.bool_], cuts: npt.NDArray[np.int64], encoder: Encoder
) -> tuple[Ids, Offsets]:
    """Tokens of documents, cut and put in order where `infilled`, and where each begins, (n + 1,).

    `cuts` (n, 2) are in code points. There are sentinels before the three parts of infilled documents and eos
    behind every document.
    """
    text, offsets = text_buffers(texts)
    parts = np.empty(offsets.size + 2 * int(infilled.sum()), np.int64)
    place_cuts(text, offsets, infilled, cuts, parts)
    tokens, bounds = encoder.encode_bytes(text, parts)
    sentinels = (FIM_BEGIN, FIM_HOLE, FIM_END) if infilled.any() else (END, END, END)
    marks = np.array([encoder.special(mark) for mark in (*sentinels, END)], np.uint32)
    framed = np.empty(tokens.size + 3 * int(infilled.sum()) + infilled.size, np.uint32)
    starts = np.zeros(infilled.size + 1, np.int64)
    frame_documents(tokens, bounds, infilled, marks, framed, starts)
    return framed, starts
