"""Artifacts on disk: a folder of parts and the manifest that says it is whole.

A file is written under a temporary name, synced and renamed, so a name that exists is complete. The manifest
is written last: its presence means done. While a stage works, a `Journal` keeps one small record for each
finished task, under the fingerprint it belongs to; a killed run starts again at the first task without a
record.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import xxhash
from msgspec import Struct

from dspipe.recipe import DspipeError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

MANIFEST = "manifest.json"
ROWS_IN_GROUP = 4096
BYTES_IN_GROUP = 8 << 20

Record = TypeVar("Record")


class Part(Struct, frozen=True):
    """A finished file: its path below the artifact's folder, rows, size in bytes, XXH3-64 of its bytes."""

    file: str
    rows: int
    bytes: int
    xxh3: str


class Counts(Struct, frozen=True, rename={"in_": "in"}):
    """Where every document went: in + added = out + Σ dropped, `added` being repeats."""

    in_: int
    out: int
    added: int = 0
    dropped: dict[str, int] = {}

    def __add__(self, other: Counts) -> Counts:
        reasons = {reason: 0 for reason in (*self.dropped, *other.dropped)}
        dropped = {reason: self.dropped.get(reason, 0) + other.dropped.get(reason, 0) for reason in reasons}
        return Counts(self.in_ + other.in_, self.out + other.out, self.added + other.added, dropped)

    def reconcile(self) -> bool:
        return self.in_ + self.added == self.out + sum(self.dropped.values())


class Piece(Struct, frozen=True):
    """What one task made: files by artifact, counts, and facts for the stage to add up."""

    parts: dict[str, list[Part]]
    counts: Counts
    facts: dict[str, Any] = {}


class Manifest(Struct, frozen=True):
    stage: str
    artifact: str
    version: int
    settings: dict[str, Any]
    fingerprint: str
    inputs: list[dict[str, Any]]
    parts: list[Part]
    beside: list[Part]  # files that are no part of the table, e.g. rejected.parquet
    counts: Counts
    facts: dict[str, Any]
    started: str
    seconds: float


class Header(Struct, frozen=True):
    """What is known of an artifact before it is made: the identity that parts in progress belong to."""

    stage: str
    version: int
    settings: dict[str, Any]
    fingerprint: str
    inputs: list[dict[str, Any]]


class Artifact:
    """A finished artifact, to be read."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @property
    def files(self) -> list[Path]:
        """The parts, in order."""
        return [self.folder / part.file for part in self.manifest.parts]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.manifest.parts)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in (*self.manifest.parts, *self.manifest.beside))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of an artifact folder, or None where nothing finished is there."""
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DspipeError(
            f"{path}: not a manifest of this version ({error}); rebuild the stage that wrote it"
        ) from None


def open_artifact(folder: Path) -> Artifact:
    """Open a finished artifact and check that every file in its manifest is there at its size."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise DspipeError(f"{folder}: no finished artifact is there; run the stage that writes it")
    for part in (*manifest.parts, *manifest.beside):
        if not is_whole(folder, part):
            path = folder / part.file
            found = (
                f"has {path.stat().st_size} bytes instead of {part.bytes}" if path.is_file() else "is missing"
            )
            raise DspipeError(f"{path}: {found}; make it again with --rebuild {manifest.stage}")
    return Artifact(folder, manifest)


class Output:
    """An artifact in the making: a folder to write parts into, closed once with everything in it."""

    def __init__(self, folder: Path, header: Header, name: str | None = None) -> None:
        self.folder = folder
        self.name = name or folder.name
        self.header = header
        made = read_manifest(folder)  # there already, of an artifact that lasts while others are made again
        self.closed = made if made and made.fingerprint == header.fingerprint else None
        self.begun = time.time()
        folder.mkdir(parents=True, exist_ok=True)

    def close(
        self,
        parts: list[Part],
        counts: Counts,
        beside: Iterable[Part] = (),
        facts: dict[str, Any] | None = None,
    ) -> None:
        """Write the manifest, which makes the artifact done; counts that do not add up are refused."""
        if not counts.reconcile():
            raise DspipeError(
                f"{self.folder}: the counts do not add up ({counts}); this is a fault in dspipe, report it"
            )
        self.closed = Manifest(
            **msgspec.structs.asdict(self.header),
            artifact=self.name,
            parts=parts,
            beside=list(beside),
            counts=counts,
            facts=facts or {},
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.begun)),
            seconds=round(time.time() - self.begun, 3),
        )
        write_file(self.folder / MANIFEST, msgspec.json.format(msgspec.json.encode(self.closed)) + b"\n")


class Journal:
    """Records of a stage's finished tasks, kept in `<run>/.progress/<stage>/` until the stage is done."""

    def __init__(self, folder: Path, run: Path | None = None) -> None:
        self.folder = folder
        self.run = run or folder.parent.parent  # where the artifacts are

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files, gone when the stage is done."""
        path = self.folder / "scratch"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def header(self) -> Header | None:
        """The identity of the work in progress, or None where there is none."""
        return self.read("stage", Header)

    def begin(self, header: Header) -> None:
        self.save("stage", header)

    def load(self, key: str, kind: type[Record]) -> Record | None:
        """The record of a finished task; None too where a file that it describes is no longer there."""
        record = self.read(key, kind)
        if isinstance(record, Piece) and not all(
            is_whole(self.run / artifact, part) for artifact, parts in record.parts.items() for part in parts
        ):
            return None
        return record

    def read(self, key: str, kind: type[Record]) -> Record | None:
        path = self.folder / f"{key}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            mend = f"remove it with dspipe clean {self.run}"
            raise DspipeError(f"{path}: not a record of this version ({error}); {mend}") from None

    def save(self, key: str, record: object) -> None:
        write_file(self.folder / f"{key}.json", msgspec.json.encode(record))

    def end(self) -> None:
        """Forget all at one stroke: a journal half deleted must never pass for one of other settings."""
        if self.folder.exists():
            gone = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.tmp")
            os.rename(self.folder, gone)
            remove_tree(gone)


def is_whole(folder: Path, part: Part) -> bool:
    path = folder / part.file
    return path.is_file() and path.stat().st_size == part.bytes


def remove_tree(path: Path) -> None:
    """Delete a folder of ours; what cannot be deleted is an error, for a stale file would pass for new."""
    if path.is_symlink():
        raise DspipeError(f"{path}: is a link, which dspipe does not follow to delete; remove it yourself")
    if path.exists():
        shutil.rmtree(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; on success the file is synced and takes the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    """Write an array in numpy's format; unlike `np.save`, a full disk is told as what it is."""
    import numpy as np

    array = np.ascontiguousarray(array)
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array.data)


def open_array(path: Path) -> np.ndarray[Any, Any]:
    """An array that was written, mapped and not to be written to; one without an element cannot be mapped."""
    import numpy as np

    try:
        array: np.ndarray[Any, Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    except ValueError:
        array = np.load(path)
    array.flags.writeable = False
    return array


def record_file(folder: Path, file: str, rows: int) -> Part:
    """Describe a finished file below an artifact's folder."""
    path = folder / file
    digest = xxhash.xxh3_64()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return Part(file, rows, path.stat().st_size, digest.hexdigest())


class TableWriter:
    """Writes record batches into one file, in row groups bounded in rows and bytes: readers stay small.

    Made by `writing_table`. The file begins with the first row; `part` is known when the block is left.
    """

    def __init__(self, path: Path, schema: pa.Schema, block: ExitStack) -> None:
        self.part: Part | None = None
        self.rows = 0
        self._path, self._schema, self._block = path, schema, block
        self._parquet: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0

    @property
    def begun(self) -> bool:
        return self._parquet is not None

    def begin(self) -> pq.ParquetWriter:
        """Begin the file, if need be without a row."""
        import pyarrow.parquet as pq

        if self._parquet is None:
            temporary = self._block.enter_context(replacing(self._path))
            writer = pq.ParquetWriter(temporary, self._schema, compression="zstd")
            self._parquet = self._block.enter_context(writer)
        return self._parquet

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._held.append(batch)
            self._held_rows += batch.num_rows
            self._held_bytes += batch.nbytes
        if self._held_rows >= ROWS_IN_GROUP or self._held_bytes >= BYTES_IN_GROUP:
            self.end_group()

    def end_group(self) -> None:
        """Write what is held as one row group."""
        import pyarrow as pa

        if self._held:
            table = pa.Table.from_batches(self._held, self._schema)
            self.begin().write_table(table, row_group_size=table.num_rows)
            self.rows += table.num_rows
            self._held, self._held_rows, self._held_bytes = [], 0, 0


@contextmanager
def writing_table(folder: Path, file: str, schema: pa.Schema) -> Iterator[TableWriter]:
    """Yield what writes one part; where not a row is written there is no file, and no part."""
    with ExitStack() as block:
        writer = TableWriter(folder / file, schema, block)
        yield writer
        writer.end_group()
    if writer.begun:
        writer.part = record_file(folder, file, writer.rows)


def write_parquet(folder: Path, file: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Part:
    """Write record batches as one part, which is there even without a row."""
    with writing_table(folder, file, schema) as writer:
        writer.begin()
        for batch in batches:
            writer.write(batch)
    assert writer.part is not None
    return writer.part


def read_batches(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The row groups of a Parquet part, one record batch each, in order."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, memory_map=True) as parquet:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns, use_threads=False)
            yield from table.combine_chunks().to_batches()


def read_rows(
    path: Path, column: str, rows: np.ndarray[Any, Any]
) -> Iterator[tuple[np.ndarray[Any, Any], pa.Array]]:
    """Yield (some of the rows, their values in a column); row groups that have none of them are not read.

    rows: their numbers, ascending.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    with pq.ParquetFile(path, memory_map=True) as parquet:
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            begin, end = rows.searchsorted([first, first + count])
            if end > begin:
                values = parquet.read_row_group(group, [column], use_threads=False)[column]
                yield rows[begin:end], values.combine_chunks().take(pa.array(rows[begin:end] - first))
            first += count


def concatenate(folder: Path, file: str, schema: pa.Schema, pieces: Iterable[Path]) -> Part:
    """Join Parquet pieces into one file, in order, a row group at a time."""
    return write_parquet(folder, file, schema, (batch for piece in pieces for batch in read_batches(piece)))


def sum_counts(counts: Iterable[Counts]) -> Counts:
    return sum(counts, Counts(0, 0))


def remove_leftovers(folder: Path) -> int:
    """Delete the temporary files and folders that a killed run left below `folder`; return their number."""
    leftovers = [path for path in folder.rglob(".*.tmp") if not path.is_symlink()]
    for path in leftovers:
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)
