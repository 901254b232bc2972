"""Gathers extracted documents into record batches, and counts what could not be extracted, by reason.

Every text passes `clean_text` here, whatever its format, so that later stages never meet a control character
or an empty document.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from dspipe.extract.identity import identify
from dspipe.extract.reasons import REASONS
from dspipe.extract.sources.file import SourceFile
from dspipe.schema import DOCUMENTS, UNUSED
from dspipe.shards import Counts

ROWS_IN_BATCH = 1024
BYTES_IN_BATCH = 8 << 20
MOST_LISTED = 100_000  # records of one reason in one part: what is dropped beyond is counted only
LONGEST_LABEL = 4096  # characters of a URL, a date, a licence: what is longer is an attack, and left out

# The C0 controls but tab and line feed, DEL, the C1 controls, which steer terminals as ESC does, and the
# halves of surrogate pairs, which UTF-8 cannot hold.
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
UNWANTED_IN_LABEL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LANGUAGE = re.compile("[A-Za-z]{2,3}")
LARGEST_SCORE = 3.4e38  # that float32 holds


def clean_text(text: str) -> str:
    """The text with line feeds for line ends, no other control characters, and no space around it."""
    if UNWANTED.search(text):
        text = UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n"))
    return text.strip()


def clean_label(value: object) -> str | None:
    """A column other than the text, from whatever a source holds there: numbers are written out."""
    if isinstance(value, memoryview):
        value = str(value, "utf-8", "replace") if len(value) <= 4 * LONGEST_LABEL else None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    label = str(value)
    return UNWANTED_IN_LABEL.sub("", label).strip() or None if len(label) <= LONGEST_LABEL else None


def clean_title(value: object) -> str | None:
    """A title on one line: what its source has on several is joined by spaces."""
    return clean_label(" ".join(value.split())) if isinstance(value, str) else clean_label(value)


def clean_language(value: object) -> str | None:
    """A language code of two or three letters, in lower case; `filter` finds out the rest."""
    label = clean_label(value)
    return label.lower() if label and LANGUAGE.fullmatch(label) else None


def clean_score(value: object) -> float | None:
    """A number, written as one or as text; None where there is none, or it is not finite as float32."""
    if isinstance(value, memoryview | str):
        label = clean_label(value)
        try:
            value = float(label) if label else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= LARGEST_SCORE else None  # NaN is not less than anything


class Rows:
    """The documents of a span until they are written, and the records that gave none.

    A reader fills it with `add` and `drop`; whoever drives the reader empties it with `take`.
    """

    def __init__(self, max_characters: int, skipped: frozenset[int] = frozenset()) -> None:
        self.max_characters = max_characters
        self.skipped = skipped  # offsets of records that killed a worker: to be dropped as "crashed", unread
        self._dropped = dict.fromkeys(REASONS, 0)
        self._out = 0
        self._begin()

    def _begin(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS.names if name != "origin"}
        self._files: list[str] = []
        self._offsets: list[int] = []
        self._unused: dict[str, list[Any]] = {name: [] for name in UNUSED.names}
        self._bytes = 0

    def add(
        self,
        file: SourceFile,
        offset: int,
        text: str,
        *,
        source_id: object = None,
        url: object = None,
        title: object = None,
        date: object = None,
        license: object = None,
        language: object = None,
        quality: object = None,
        digest: object = None,
    ) -> None:
        """Take one document, or count it as dropped when its text is empty or too long."""
        text = clean_text(text)
        if not text or len(text) > self.max_characters:
            return self.drop("too-large" if text else "empty", file, offset, url)
        encoded = text.encode()
        row = {
            "id": identify(file.source, file.path, offset),
            "text": encoded,
            "source": file.source,
            "source_id": clean_label(source_id),
            "url": clean_label(url),
            "title": clean_title(title),
            "date": clean_label(date),
            "license": clean_label(license),
            "language": clean_language(language),
            "domain": file.domain,
            "quality": clean_score(quality),
            "digest": clean_label(digest),
        }
        for name, value in row.items():
            self._columns[name].append(value)
        self._files.append(file.path)
        self._offsets.append(offset)
        self._bytes += len(encoded)
        self._out += 1

    def drop(self, reason: str, file: SourceFile, offset: int, url: object = None) -> None:
        """Count one record that gives no document, and list it, as far as a list makes sense."""
        self._dropped[reason] += 1
        if self._dropped[reason] <= MOST_LISTED:
            row = {
                "reason": reason,
                "source": file.source,
                "file": file.path,
                "offset": offset,
                "url": clean_label(url),
            }
            for name, value in row.items():
                self._unused[name].append(value)

    @property
    def full(self) -> bool:
        """Whether it is time to `take` a batch."""
        rows = len(self._offsets) + len(self._unused["offset"])
        return rows >= ROWS_IN_BATCH or self._bytes >= BYTES_IN_BATCH

    def take(self) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """What was gathered since the last call: batches of `schema.DOCUMENTS` and of `schema.UNUSED`."""
        self._columns["origin"] = make_origins(self._files, self._offsets)
        documents = make_batch(self._columns, DOCUMENTS)
        unused = make_batch(self._unused, UNUSED)
        self._begin()
        return documents, unused

    @property
    def counts(self) -> Counts:
        dropped = {reason: number for reason, number in self._dropped.items() if number}
        return Counts(self._out + sum(dropped.values()), self._out, dropped=dropped)


def make_origins(files: list[str], offsets: list[int]) -> pa.StructArray:
    arrays = [pa.array(files, pa.string()), pa.array(offsets, pa.int64())]
    return pa.StructArray.from_arrays(arrays, ["file", "offset"])


def make_batch(columns: dict[str, Any], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(columns[f.name], f.type) for f in schema], schema=schema)
