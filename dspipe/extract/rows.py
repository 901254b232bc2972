"""Gathers extracted documents into record batches, and counts what could not be extracted, by reason.

Every text passes `clean_text` here, whatever its format, so that later stages never meet a control character
or an empty document.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

from dspipe.extract.files import SourceFile
from dspipe.extract.identity import identify
from dspipe.schema import DOCUMENTS
from dspipe.shards import Counts

REASONS = (
    "not-a-page",  # a record of another kind: request, metadata, warcinfo, revisit, …
    "status",  # an answer other than 200
    "not-html",
    "bad-encoding",  # bytes that are not UTF-8 where nothing else may stand
    "malformed",  # cannot be parsed; at a break in a file, one for all that follows it
    "truncated",  # the bytes end before the record does
    "too-large",
    "too-deep",  # HTML nested so that parsing or extraction would take minutes or gigabytes
    "empty",
)

ROWS_IN_BATCH = 1024
BYTES_IN_BATCH = 8 << 20
LONGEST_LABEL = 4096  # characters of a URL, a date, a licence: what is longer is an attack, and left out

# The C0 controls but tab and line feed, DEL, the C1 controls, which steer terminals as ESC does, and the
# halves of surrogate pairs, which UTF-8 cannot hold.
UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
UNWANTED_IN_LABEL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LANGUAGE = re.compile("[A-Za-z]{2,3}")


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


def clean_language(value: object) -> str | None:
    """A language code of two or three letters, in lower case; `filter` finds out the rest."""
    label = clean_label(value)
    return label.lower() if label and LANGUAGE.fullmatch(label) else None


class Rows:
    """The documents of a task until they are written: fill it with `add` and `drop`, empty it with `take`."""

    def __init__(self, max_characters: int) -> None:
        self.max_characters = max_characters
        self._dropped = dict.fromkeys(REASONS, 0)
        self._out = 0
        self._begin()

    def _begin(self) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS.names if name != "origin"}
        self._files: list[str] = []
        self._offsets: list[int] = []
        self._bytes = 0

    def add(
        self,
        file: SourceFile,
        offset: int,
        text: str,
        *,
        source_id: object = None,
        url: object = None,
        date: object = None,
        license: object = None,
        language: object = None,
    ) -> None:
        """Take one document, or count it as dropped when its text is empty or too long."""
        text = clean_text(text)
        if not text or len(text) > self.max_characters:
            return self.drop("too-large" if text else "empty")
        encoded = text.encode()
        row = {
            "id": identify(file.source, file.path, offset),
            "text": encoded,
            "source": file.source,
            "source_id": clean_label(source_id),
            "url": clean_label(url),
            "date": clean_label(date),
            "license": clean_label(license),
            "language": clean_language(language),
            "domain": file.domain,
        }
        for name, value in row.items():
            self._columns[name].append(value)
        self._files.append(file.path)
        self._offsets.append(offset)
        self._bytes += len(encoded)
        self._out += 1

    def drop(self, reason: str) -> None:
        """Count one record that gives no document."""
        self._dropped[reason] += 1

    @property
    def full(self) -> bool:
        """Whether it is time to `take` a batch."""
        return len(self._offsets) >= ROWS_IN_BATCH or self._bytes >= BYTES_IN_BATCH

    def take(self) -> pa.RecordBatch:
        """The rows gathered since the last call, as one batch of `schema.DOCUMENTS`."""
        arrays = [pa.array(values, DOCUMENTS.field(name).type) for name, values in self._columns.items()]
        files, offsets = pa.array(self._files, pa.string()), pa.array(self._offsets, pa.int64())
        arrays.append(pa.StructArray.from_arrays([files, offsets], ["file", "offset"]))
        self._begin()
        return pa.RecordBatch.from_arrays(arrays, schema=DOCUMENTS)

    @property
    def counts(self) -> Counts:
        dropped = {reason: number for reason, number in self._dropped.items() if number}
        return Counts(self._out + sum(dropped.values()), self._out, dropped=dropped)
