"""`sequences` → what `dspipe inspect` shows of it: its first rows, legibly, and what is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dspipe.commands.lookup import find_input
from dspipe.commands.packed import (
    Rows,
    describe_chunk,
    held_out_parts,
    open_batches,
    parts_by_length,
    read_rows,
    row_length,
)
from dspipe.commands.terminal import plain
from dspipe.commands.trace.tokens import decode
from dspipe.schema import sequences as schema_of
from dspipe.schema import validation
from dspipe.shards import Artifact, Part

if TYPE_CHECKING:
    from dspipe.bpe.encoding.encoder import Encoder

BEGINNING = 12  # tokens of a chunk that are shown as text


def describe_sequences(artifact: Artifact, most: int) -> dict[str, Any]:
    """Schema and first rows of each length, and of the held-out rows how many are of which domain."""
    encoder = open_encoder(artifact) if most else None
    content: dict[str, Any] = {}
    for length, parts in parts_by_length(artifact).items():
        content[f"parts L{length}"] = {
            "schema": name_types(schema_of(length)),
            "rows": sample_rows(artifact, parts, most, encoder),
        }
    for part in held_out_parts(artifact):
        content[part.file] = {
            "schema": name_types(validation(row_length(part.file) or 0)),
            "held out": count_held_out(artifact, part),
            "rows": sample_rows(artifact, [part], most, encoder),
        }
    return content


def open_encoder(artifact: Artifact) -> Encoder | None:
    """The tokenizer that the rows were packed with, if it is at hand."""
    from dspipe.bpe.encoding.encoder import Encoder

    tokenizer = find_input(artifact.manifest.inputs, "tokenizer", artifact.folder.parent)
    return Encoder(tokenizer.folder) if tokenizer else None


def name_types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def sample_rows(
    artifact: Artifact, parts: Sequence[Part], most: int, encoder: Encoder | None
) -> list[dict[str, Any]]:
    """The first rows of some parts."""
    found: list[dict[str, Any]] = []
    for part in parts:
        for rows in read_rows(artifact.folder, part) if len(found) < most else ():
            for row in range(min(most - len(found), len(rows.tokens))):
                found.append(describe_row(rows, row, part, encoder))
            if len(found) == most:
                return found
    return found


def describe_row(rows: Rows, row: int, part: Part, encoder: Encoder | None) -> dict[str, Any]:
    chunks, tokens = rows.chunks(row), rows.tokens[row]
    shown = [
        {
            **describe_chunk(chunk),
            "id": chunk["documents"],
            "begins": encoder
            and decode(encoder, tokens[chunk["first"] :][: min(chunk["lengths"], BEGINNING)]),
        }
        for chunk in chunks
    ]
    used = sum(chunk["lengths"] for chunk in chunks)
    return {"row": f"{part.file}:{rows.first + row}", "padding": len(tokens) - used, "documents": shown}


def count_held_out(artifact: Artifact, part: Part) -> dict[str, dict[str, int]]:
    """How many rows are held out, by domain and language."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in open_batches(artifact.folder, part):
        counts.update(zip(batch["domain"].to_pylist(), batch["language"].to_pylist(), strict=True))
    table: dict[str, dict[str, int]] = {}
    for (domain, language), rows in sorted(counts.items(), key=str):
        languages = table.setdefault(domain or "-", {})
        languages[language or "-"] = languages.get(language or "-", 0) + rows
    return table


def shorten(content: dict[str, Any]) -> dict[str, Any]:
    """The same for people: a document of a row is one line."""
    return {
        key: value | {"rows": [shorten_row(row) for row in value["rows"]]}
        if isinstance(value, dict) and "schema" in value
        else value
        for key, value in content.items()
    }


def shorten_row(row: dict[str, Any]) -> dict[str, Any]:
    lines = {
        f"{document['first token']:>6} {document['id'][:12]}…": ", ".join(
            [
                f"{document['tokens']} tokens",
                *([f"from its token {document['document token']}"] if document["document token"] else []),
                *(["fill-in-the-middle"] if document["fim"] else []),
                *([f"draw {document['draw']}"] if document["draw"] else []),
            ]
        )
        + (f": {plain(document['begins'])}" if document["begins"] else "")
        for document in row["documents"]
    }
    return {"row": row["row"], "padding": row["padding"], "documents": lines}
