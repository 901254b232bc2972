"""A folder of packed rows, or one file of them → the rows in order, fit for files of smaller token ids."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dspipe.commands.lookup import find_input
from dspipe.commands.packed import Rows, held_out_parts, is_held_out, read_rows, row_length
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact, Part, open_artifact, read_manifest


@dataclass(frozen=True)
class PackedRows:
    """Rows of one length.

    Attributes:
        tokenizer: the folder of the one that they were packed with, None where that is not at hand.
        size: how many tokens it has, without it the largest id in the rows and one.
    """

    folder: Path
    parts: list[Part]
    length: int
    tokenizer: Path | None
    size: int

    @property
    def count(self) -> int:
        return sum(part.rows for part in self.parts)

    def read(self) -> Iterator[Rows]:
        """All rows in order, some at a time, held to their checksums and to the tokenizer."""
        for part in self.parts:
            found = 0
            for rows in read_rows(self.folder, part):
                check_tokens(rows, part, self.size)
                found += len(rows.tokens)
                yield rows
            if found != part.rows:
                raise DspipeError(
                    f"{self.folder / part.file}: has {found:,} rows instead of {part.rows:,}; pack again "
                    "with --rebuild pack"
                )


def open_packed(source: Path) -> PackedRows | None:
    """Open rows of one length; None where no artifact of such is at the path or above it.

    Raises:
        RecipeError: the artifact holds something else, or rows of several lengths, or none.
    """
    path = Path(os.path.abspath(source))
    above = (path, *path.parents[:2])
    folder = next((place for place in above if place.is_dir() and read_manifest(place)), None)
    if folder is None:
        return None
    artifact = open_artifact(folder)
    if artifact.manifest.artifact != "sequences":
        return None
    parts = choose_parts(artifact, path.relative_to(folder).as_posix())
    lengths = sorted({row_length(part.file) or 0 for part in parts})
    if len(lengths) > 1:
        places = {part.file if is_held_out(part) else str(Path(part.file).parent) for part in parts}
        named = " or ".join(str(folder / place) for place in sorted(places))
        raise RecipeError(f"{source}: it has rows of several lengths; name one: {named}")
    if not parts:
        raise RecipeError(f"{source}: no packed rows there; give e.g. shards/smoke/sequences/L256")
    tokenizer = find_input(artifact.manifest.inputs, "tokenizer", folder.parent)
    place = None if tokenizer is None else tokenizer.folder
    return PackedRows(folder, parts, lengths[0], place, count_tokens(folder, parts, place))


def choose_parts(artifact: Artifact, below: str) -> list[Part]:
    """The parts in a folder of the artifact, or one of its files; of all of it, those to train on."""
    parts = artifact.manifest.parts
    if below != ".":
        known = [*parts, *held_out_parts(artifact)]
        parts = [part for part in known if part.file == below or part.file.startswith(f"{below}/")]
    return [part for part in parts if row_length(part.file)]


def count_tokens(folder: Path, parts: list[Part], tokenizer: Path | None) -> int:
    """How many tokens the tokenizer has, or without it the rows may have."""
    if tokenizer is not None:
        from dspipe.bpe.encoding.encoder import Encoder

        return Encoder(tokenizer).size
    return 1 + max((int(rows.tokens.max()) for part in parts for rows in read_rows(folder, part)), default=0)


def check_tokens(rows: Rows, part: Part, size: int) -> None:
    if rows.tokens.max(initial=0) >= size:
        row = int((rows.tokens >= size).any(axis=1).argmax())
        raise DspipeError(
            f"{part.file}:{rows.first + row}: has the token {int(rows.tokens[row].max())}, but the tokenizer "
            f"has {size:,} tokens; pack again with --rebuild pack"
        )


def narrow_tokens(rows: Rows, form: np.dtype[Any]) -> NDArray[Any]:
    """The tokens in another type of integer, which holds all of them; without a copy where it is as wide."""
    tokens = rows.tokens.view(form) if form.itemsize == rows.tokens.itemsize else rows.tokens.astype(form)
    return np.ascontiguousarray(tokens)
