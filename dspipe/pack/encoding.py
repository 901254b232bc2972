"""A part of the mixture → a file of its tokens and one of its documents, from which rows are laid.

Documents are encoded once for all lengths of rows: a share is held out, a share infilled, marks are put
around them, and in those to train on some tokens are split.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.encoding.engine import Ids
from dspipe.pack.infill import (
    NO_TOKEN,
    PADDING,
    PLAIN,
    PSM,
    SPM,
    Forms,
    choose_cuts,
    choose_forms,
    frame_documents,
    place_cuts,
)
from dspipe.pack.splitting import Splits, find_splits, split_tokens
from dspipe.recipe import Pack, RecipeError
from dspipe.shards import open_array, read_batches, write_array
from dspipe.text.arrow import Offsets, list_strings, text_buffers
from dspipe.text.hashing import draw, draw_shares, parse_ids
from dspipe.text.kernel import compiling_once

COLUMNS = ["id", "text", "language", "domain", "draw"]
DOCUMENT = np.dtype(
    [
        ("id", np.uint64, 2),
        ("begin", np.int64),  # its first token among the part's
        ("length", np.int32),  # in tokens
        ("draw", np.int32),
        ("form", np.int8),  # PLAIN, PSM or SPM
        ("group", np.int32),  # TRAINING, REPEAT, or which of the part's groups of held-out documents
    ]
)
TRAINING, REPEAT = -1, -2

Group = tuple[str | None, str | None, bool]  # of held-out documents: domain, language, infilled


@dataclass(frozen=True)
class Encoding:
    """The task for one part of the mixture; its files are tokens-N.npy and documents-N.npy in `folder`."""

    number: int
    part: Path
    tokenizer: Path
    folder: Path
    settings: Pack


class Summary(Struct, frozen=True):
    """What became of a part: all its documents; of those to train on, tokens, infilled ones and splits."""

    documents: int
    tokens: int
    psm: int
    spm: int
    splits: int
    validation: int
    repeats: int  # of held-out documents, which go nowhere
    groups: list[Group]
    pad: int  # the token of padding


@dataclass(frozen=True)
class Encoded:
    """Tokens one after the other, (t,), and the documents that they make, (n,) of `DOCUMENT`."""

    tokens: Ids
    documents: npt.NDArray[np.void]


def encode_part(task: Encoding) -> Summary:
    """Encode a part of the mixture, a row group at a time, and write both files."""
    coder = Coder(*open_tokenizer(task.tokenizer, task.tokenizer.stat().st_mtime_ns), task.settings)
    with compiling_once():
        coder.encode(make_empty())
    made = [coder.encode(batch) for batch in read_batches(task.part, COLUMNS)]
    tokens = np.concatenate([np.empty(0, np.uint32), *(batch.tokens for batch in made)])
    documents = np.concatenate([np.empty(0, DOCUMENT), *(batch.documents for batch in made)])
    documents["begin"] = np.cumsum(documents["length"], dtype=np.int64) - documents["length"]
    write_array(task.folder / f"tokens-{task.number:05d}.npy", tokens)
    write_array(task.folder / f"documents-{task.number:05d}.npy", documents)
    training = documents[documents["group"] == TRAINING]
    return Summary(
        len(documents),
        int(training["length"].sum(dtype=np.int64)),
        int((training["form"] == PSM).sum()),
        int((training["form"] == SPM).sum()),
        coder.splits_made,
        int((documents["group"] >= 0).sum()),
        int((documents["group"] == REPEAT).sum()),
        list(coder.groups),
        int(coder.marks[PADDING]),
    )


def open_encoded(folder: Path, number: int) -> Encoded:
    return Encoded(
        open_array(folder / f"tokens-{number:05d}.npy"), open_array(folder / f"documents-{number:05d}.npy")
    )


@lru_cache(maxsize=1)  # it takes as long as to encode some megabytes
def open_tokenizer(file: Path, changed: int) -> tuple[Encoder, Splits]:
    """The encoder of a file, last changed at that time, and what is split: kept for the next part."""
    encoder = Encoder(file)
    return encoder, find_splits(encoder)


class Coder:
    """Encodes batches of the mixture as the settings say.

    Attributes:
        groups: of held-out documents, in the order in which they were met. splits_made: tokens split so far.
        marks: as `find_marks` gives them.
    """

    def __init__(self, encoder: Encoder, splits: Splits, settings: Pack) -> None:
        self.groups: dict[Group, int] = {}
        self.splits_made = 0
        self._encoder, self._settings = encoder, settings
        self.marks = find_marks(encoder, settings)
        self._splits = splits

    def encode(self, batch: pa.RecordBatch) -> Encoded:
        settings, seed = self._settings, self._settings.seed or 0
        documents = np.zeros(len(batch), DOCUMENT)
        ids, draws = parse_ids(batch["id"]), batch["draw"].to_numpy().astype(np.int64)
        forms = choose_forms(seed, settings.fim_rate, settings.spm_rate, batch["domain"], ids, draws)
        held = draw_shares(seed, "validation", ids) < settings.validation
        lengths = pc.fill_null(pc.utf8_length(batch["text"]), 0).to_numpy(zero_copy_only=False)
        cuts = choose_cuts(seed, ids, draws, lengths.astype(np.int64))
        tokens, offsets = encode_texts(batch["text"], forms, cuts, self._encoder, self.marks)
        keys = draw(seed, "split", ids, draws)
        tokens, offsets, made = split_tokens(tokens, offsets, ~held, keys, settings.split_rate, self._splits)
        self.splits_made += made
        documents["id"], documents["draw"], documents["form"] = ids, draws, forms
        documents["length"] = np.diff(offsets)
        documents["group"] = self._find_groups(batch, held, draws, forms)
        return Encoded(tokens, documents)

    def _find_groups(
        self, batch: pa.RecordBatch, held: npt.NDArray[np.bool_], draws: npt.NDArray[np.int64], forms: Forms
    ) -> npt.NDArray[np.int32]:
        group = np.where(held, REPEAT, TRAINING).astype(np.int32)
        places = np.flatnonzero(held & (draws == 0))
        domains, languages = (list_strings(batch[name].take(places)) for name in ("domain", "language"))
        for place, domain, language in zip(places, domains, languages, strict=True):
            key = (domain, language, bool(forms[place]))
            group[place] = self.groups.setdefault(key, len(self.groups))
        return group


def find_marks(encoder: Encoder, settings: Pack) -> Ids:
    """The ids of all marks, by `BEGIN_FIM` and so on, the last for padding; `NO_TOKEN` for one not written.

    Raises:
        RecipeError: the tokenizer has no such token, or is to infill and puts a space before every text.
    """
    rates = settings.fim_rate.values() if isinstance(settings.fim_rate, dict) else [settings.fim_rate]
    infilled = any(rate > 0 for rate in rates)
    wanted = dict.fromkeys(("fim_begin", "fim_hole", "fim_end"), infilled)
    wanted |= {"begin": settings.bos, "end": settings.eos, "pad": True}
    for key, needed in wanted.items():
        if needed and (name := getattr(settings.marks, key)) not in encoder.added:
            raise RecipeError(f"pack.marks.{key}: the tokenizer has no {name}; name the token that it has")
    if infilled and encoder.decode_bytes(encoder.encode(["a"])[0]) != b"a":
        mend = "so parts cannot be encoded on their own; set it to 0, or take another tokenizer"
        raise RecipeError(f"pack.fim_rate: the tokenizer puts a space before every text, {mend}")
    ids = [
        encoder.special(getattr(settings.marks, key)) if need else NO_TOKEN for key, need in wanted.items()
    ]
    return np.array(ids, np.uint32)


def encode_texts(
    texts: pa.Array, forms: Forms, cuts: npt.NDArray[np.int64], encoder: Encoder, marks: Ids
) -> tuple[Ids, Offsets]:
    """Tokens of documents in their marks, cut and put in order by `forms`; where each begins, (n + 1,).

    `cuts` (n, 2) are in code points; `marks` as `find_marks` gives them.
    """
    text, offsets = text_buffers(texts)
    turned = int((forms != PLAIN).sum())
    parts = np.empty(offsets.size + 2 * turned, np.int64)
    place_cuts(text, offsets, forms, cuts, parts)
    tokens, bounds = encoder.encode_bytes(text, parts)
    framed = np.empty(tokens.size + 3 * turned + 2 * forms.size, np.uint32)
    starts = np.zeros(forms.size + 1, np.int64)
    frame_documents(tokens, bounds, forms, marks, framed, starts)
    return framed[: starts[-1]], starts


def make_empty() -> pa.RecordBatch:
    """A batch without documents, to compile kernels with."""
    types = {name: pa.int32() if name == "draw" else pa.large_string() for name in COLUMNS}
    return pa.RecordBatch.from_pylist([], pa.schema(types))
