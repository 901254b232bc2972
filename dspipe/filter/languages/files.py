"""The recipe → the file of the model that tells languages, checked and described before any work starts.

Nothing heavy is imported here: a run that finds all done asks this, too.
"""

from __future__ import annotations

import mmap
import struct
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dspipe.filter.lists.entries import describe_file
from dspipe.recipe import DspipeError, Filter, RecipeError

MAGIC = (793712314).to_bytes(4, "little")  # what a fastText model begins with
WORDS, WORDS_AT = struct.Struct("<i"), 64  # how many there are in its dictionary
FIRST_WORD = 92  # each ends with a zero byte,
AFTER_WORD, LABEL = struct.Struct("<qb"), 1  # how often it was seen, and whether it is a label


def describe_language_model(settings: Filter) -> dict[str, Any]:
    """The model that languages depend on, for the fingerprint of what is made with it.

    Raises:
        RecipeError: the recipe's model, or what reads it, is not there, or it is none.
    """
    path = find_model(settings)
    if path is None:
        path = find_packed_model()
    else:
        list_labels(path)
    return describe_file("language_model", path)


def find_packed_model() -> Path:
    """The model's file, found without importing the package."""
    spec = find_spec("py3langid")
    path = Path(spec.origin).parent / "data" / "model.npz.xz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DspipeError(
            "py3langid 0.4 or newer with its model is not installed; pip install 'py3langid>=0.4'"
        )
    return path


def find_model(settings: Filter) -> Path | None:
    """The file that the recipe names, which begins as a fastText model does; None where it names none.

    Raises:
        RecipeError: there is no such file, or nothing that reads it.
    """
    if settings.language_model is None:
        return None
    path = Path(settings.language_model)
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except OSError as error:
        raise RecipeError(
            f"filter.language_model: {path} cannot be read: {error.strerror}; name a fastText model"
        ) from None
    if begins != MAGIC:
        raise RecipeError(refuse(path))
    if find_spec("fasttext") is None:
        raise RecipeError(
            "filter.language_model: nothing that reads fastText models is installed; "
            "pip install 'dspipe[fasttext]', or leave it out for py3langid's model"
        )
    return path


@cache
def list_labels(path: Path) -> list[str]:
    """The labels of a model, which are words of its dictionary.

    fastText reads the dictionary of a file that is cut off until memory is full, so this comes first.

    Raises:
        RecipeError: the dictionary is not there in full, or has no labels.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            (words,) = WORDS.unpack_from(content, WORDS_AT)
            labels, position = [], FIRST_WORD
            for _ in range(words):
                end = content.find(b"\0", position)
                _, kind = AFTER_WORD.unpack_from(content, end + 1 if end >= 0 else len(content))
                if kind == LABEL:
                    labels.append(content[position:end].decode("utf-8", "replace"))
                position = end + 1 + AFTER_WORD.size
    except (ValueError, struct.error):
        raise RecipeError(refuse(path)) from None
    if not labels:
        raise RecipeError(f"filter.language_model: {path} has no labels; name a model that tells languages")
    return labels


def refuse(path: Path) -> str:
    return f"filter.language_model: {path} is no fastText model; name a .bin or .ftz file of one"
