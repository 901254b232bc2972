"""A tokenizer's run, or files → texts that it was not trained on, some of each domain and language."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact, open_artifact, read_batches, read_manifest, read_rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

COLUMNS = ("text", "language", "domain", "source_id")
DOCUMENTS = 500  # of each domain and language, at most
BYTES = 2_000_000  # of each domain and language, about
DOCUMENT_BYTES = 100_000  # of one document
FILE_BYTES = 200_000_000  # of `--data`, about
LONGEST_LINE = 64 << 20  # of JSON
UNSEEN = "documents of the run that are not in its mixture"
SEEN = "documents of the mixture, on which it was trained: the run has left none out"


@dataclass(frozen=True)
class HeldOut:
    """A table with the columns above; what it is of; whether texts may be parallel, with keys in common."""

    table: pa.Table
    what: str
    parallel: bool = False


class Chosen(NamedTuple):
    """Documents that are read, each (n,): number of the group, draw (uint64), number of the file, row."""

    group: NDArray[Any]
    draw: NDArray[Any]
    file: NDArray[Any]
    row: NDArray[Any]


def find_held_out(folder: Path, data: str | None) -> HeldOut | None:
    """Texts that `data` names, or of the run that the tokenizer's folder is part of; None: no run is around.

    Of a run, documents are drawn that dedup kept and mix left out, or else some of the mixture.
    """
    import numpy as np

    if data is not None:
        return HeldOut(read_files(data), f"{data}", parallel=True)
    mixture = find_input(folder, "mixture")
    if mixture is None:
        return None
    distinct = find_input(mixture.folder, "distinct")
    if distinct is not None:
        unseen = read_some(distinct, read_keys(mixture))
        if unseen.num_rows:
            return HeldOut(unseen, UNSEEN)
    return HeldOut(read_some(mixture, np.empty(0, np.uint64)), SEEN)


def find_input(folder: Path, name: str) -> Artifact | None:
    """What an artifact was made of: beside it or, as `[use]` may have it, in a run beside its own.

    What lies beside a folder that does not say what it was made of is taken for it.
    """
    manifest = read_manifest(folder)
    inputs = [] if manifest is None else [one for one in manifest.inputs if one.get("artifact") == name]
    for run in (folder.parent, *sorted(folder.resolve().parent.parent.iterdir())):
        with suppress(DspipeError, OSError):  # a run that is broken, or no run, is passed over
            found = read_manifest(run / name)
            if found is not None and (not inputs or found.fingerprint == inputs[0]["fingerprint"]):
                return open_artifact(run / name)
        if not inputs:
            break
    return None


def read_keys(artifact: Artifact) -> NDArray[np.uint64]:
    """The first halves of the documents' ids, which are hashes, sorted: eight bytes each in memory."""
    import numpy as np

    from dspipe.text.hashing import parse_ids

    halves = [parse_ids(batch["id"])[:, 0] for file in artifact.files for batch in read_batches(file, ["id"])]
    return np.unique(np.concatenate(halves)) if halves else np.empty(0, np.uint64)


def read_some(artifact: Artifact, without: NDArray[np.uint64]) -> pa.Table:
    """Some documents of each domain and language, drawn by their ids, without those of the keys given."""
    import numpy as np
    import pyarrow as pa

    chosen = choose_documents(artifact, without)
    found = make_table([])
    for number, file in enumerate(artifact.files):
        mine = np.flatnonzero(chosen.file == number)
        mine = mine[np.argsort(chosen.row[mine])]
        if mine.size:
            columns = {
                name: pa.chunked_array([part for _, part in read_rows(file, name, chosen.row[mine])])
                for name in COLUMNS
            }
            columns["text"] = shorten_texts(columns["text"])
            columns |= {"group": pa.array(chosen.group[mine]), "draw": pa.array(chosen.draw[mine])}
            found = cut_groups(pa.concat_tables([found, make_table([pa.table(columns)])]))
    return found.select(list(COLUMNS))


def choose_documents(artifact: Artifact, without: NDArray[np.uint64]) -> Chosen:
    """The `DOCUMENTS` of each domain and language with the smallest draws; a repeated one counts once."""
    import numpy as np

    from dspipe.text.hashing import draw, parse_ids

    names: dict[Any, int] = {}
    best = Chosen(np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    for number, file in enumerate(artifact.files):
        first = 0
        for batch in read_batches(file, ["id", "language", "domain"]):
            ids = parse_ids(batch["id"])
            rows = np.flatnonzero(~np.isin(ids[:, 0], without, kind="sort"))
            groups = number_groups(batch, names)[rows]
            found = Chosen(
                groups, draw(0, "inspect", ids[rows]), np.full(rows.size, number, np.int64), rows + first
            )
            best = keep_smallest(Chosen(*(np.concatenate(pair) for pair in zip(best, found, strict=True))))
            first += batch.num_rows
    return best


def number_groups(batch: pa.RecordBatch, names: dict[Any, int]) -> NDArray[np.int64]:
    """The number of each row's domain and language; new ones are added to `names`."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    labels = [pc.fill_null(batch[name].cast(pa.binary()), b"") for name in ("domain", "language")]
    coded = pc.binary_join_element_wise(*labels, b"\0").dictionary_encode()
    numbers = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
    taken: NDArray[np.int64] = np.array(numbers, np.int64)[coded.indices.to_numpy()]
    return taken


def keep_smallest(found: Chosen) -> Chosen:
    import numpy as np

    order = np.lexsort((found.row, found.file, found.draw, found.group))
    group, draw = found.group[order], found.draw[order]
    fresh = np.ones(order.size, np.bool_)
    fresh[1:] = (group[1:] != group[:-1]) | (draw[1:] != draw[:-1])
    order, group = order[fresh], group[fresh]
    rank = np.arange(order.size) - np.searchsorted(group, group)
    return Chosen(*(column[order[rank < DOCUMENTS]] for column in found))


def shorten_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """The beginnings of long texts, and the others as they are."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    long = pc.fill_null(pc.greater(pc.binary_length(texts), DOCUMENT_BYTES), False)
    if not pc.any(long).as_py():
        return texts
    cut = [
        value[:DOCUMENT_BYTES].decode("utf-8", "ignore")
        for value in texts.filter(long).cast(pa.large_binary()).to_pylist()
    ]
    return pa.chunked_array(
        [pc.replace_with_mask(texts.combine_chunks(), np.asarray(long), pa.array(cut, texts.type))]
    )


def cut_groups(table: pa.Table) -> pa.Table:
    """Of each group the documents with the smallest draws that have about `BYTES` together."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    group, draw = table["group"].to_numpy(), table["draw"].to_numpy()
    sizes = pc.fill_null(pc.binary_length(table["text"]), 0).to_numpy().astype(np.int64)
    order = np.lexsort((draw, group))
    before = np.cumsum(sizes[order]) - sizes[order]
    before -= before[np.searchsorted(group[order], group[order])]
    return table.take(pa.array(order[before < BYTES]))


def make_table(tables: list[pa.Table]) -> pa.Table:
    """Tables as one, with columns of known types even where there are no rows."""
    import pyarrow as pa

    fields = [("text", pa.large_string()), *((name, pa.string()) for name in COLUMNS[1:])]
    schema = pa.schema([*fields, ("group", pa.int64()), ("draw", pa.uint64())])
    return pa.concat_tables(
        [schema.empty_table(), *(table.select(schema.names).cast(schema) for table in tables)]
    )


def read_files(pattern: str) -> pa.Table:
    """Parquet or JSON lines with a column `text`; columns that are not there are null.

    Raises:
        RecipeError: nothing matches, or what does has no text.
    """
    import pyarrow as pa

    files = sorted(glob.glob(pattern, recursive=True))
    if len(files) == 1 and Path(files[0]).is_dir():
        files = sorted(map(str, Path(files[0]).glob("part-*.parquet")))
    if not files:
        raise RecipeError(f"--data {pattern}: no file matches")
    tables, size = [], 0
    try:
        for batch in read_records(files):
            tables.append(pa.Table.from_batches([batch]))
            size += batch.nbytes
            if size >= FILE_BYTES:
                break
        table = pa.concat_tables(tables, promote_options="permissive")
        columns = {"text": table["text"].cast(pa.large_string())}
        for name in COLUMNS[1:]:
            there = name in table.column_names
            columns[name] = table[name].cast(pa.string()) if there else pa.nulls(table.num_rows, pa.string())
    except (pa.ArrowException, KeyError, OSError) as error:
        message = str(error).splitlines()[0]
        raise RecipeError(f"--data {pattern}: not Parquet or JSON lines with a text ({message})") from None
    return pa.table(columns)


def read_records(files: list[str]) -> Iterator[pa.RecordBatch]:
    """Not by `pyarrow.dataset`, which reads a last line without a line break as nulls."""
    import pyarrow as pa
    import pyarrow.json as json
    import pyarrow.parquet as pq

    for file in files:
        if ".json" in Path(file).name:
            options = json.ReadOptions(block_size=LONGEST_LINE)
            batches: Iterator[pa.RecordBatch] = json.open_json(pa.input_stream(file), read_options=options)
        else:
            batches = pq.ParquetFile(file).iter_batches(columns=list(COLUMNS))  # those that are there
        for batch in batches:
            yield batch.select([name for name in COLUMNS if name == "text" or name in batch.schema.names])
