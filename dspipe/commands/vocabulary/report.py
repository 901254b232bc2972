"""A tokenizer → what it is, how it compresses, whom it serves, and which of its entries are wasted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dspipe.commands.vocabulary.compression import measure_compression
from dspipe.commands.vocabulary.entries import (
    Vocabulary,
    describe_scripts,
    describe_unused,
    find_unreachable,
    open_vocabulary,
    read_uses,
    show_token,
)
from dspipe.commands.vocabulary.held_out import find_held_out
from dspipe.commands.vocabulary.others import LIBRARY, train_library
from dspipe.shards import read_manifest

if TYPE_CHECKING:
    from dspipe.bpe.encoding.encoder import Encoder

THIS = "this"
KERNELS = "kernels of dspipe"
FACTS = ("documents", "bytes", "tokens", "pieces", "distinct_pieces", "sample")  # of a manifest
NOTHING = "no run is around and no --data given: there is no text to measure on"
EXAMPLES = {
    "numbers": "In 2026 it cost 12345.67, or 1/3 of 9999999.",
    "indentation": "def f(x):\n    if x:\n\t\treturn [x]\n\n\nf( 1 )",
    "Chinese": "水壶在炉子上唱歌，他说：“茶好了。”",
    "Japanese": "やかんが鳴っている。カップを二つ出した。",
    "Korean": "주전자가 노래한다.",
    "address": "https://kettle.example/tea?cups=2#now",
    "signs": "👩‍🍳 → ☕… (–5 °C)",
}


def show_vocabulary(
    path: Path, beside: Sequence[Path | str], data: str | None, most: int, as_json: bool
) -> None:
    """Print the report, with `most` examples of what is listed."""
    from dspipe.commands.terminal import print_json
    from dspipe.commands.vocabulary.printing import print_report

    content = describe_vocabulary(path, beside, data, most)
    print_json(content) if as_json else print_report(content)


def describe_vocabulary(
    path: Path, beside: Sequence[Path | str], data: str | None, most: int
) -> dict[str, Any]:
    """The report as tables; `beside`: files and folders of tokenizers, or the word that has one trained."""
    folder = path if path.is_dir() else path.parent
    threads = len(os.sched_getaffinity(0))
    this = open_vocabulary(path, threads)
    vocabularies = {THIS: this}
    for other in dict.fromkeys(map(str, beside)):
        vocabularies[other] = (
            train_library(folder, this) if other == LIBRARY else open_vocabulary(Path(other), threads)
        )
    encoders = {name: vocabulary.encoder for name, vocabulary in vocabularies.items()}
    uses = read_uses(folder, this.encoder.size)
    held_out = find_held_out(folder, data)
    content: dict[str, Any] = {"tokenizer": describe_layout(this, folder)}
    if len(vocabularies) > 1:
        content["beside"] = {
            name: {"ids": one.encoder.size, "encoded_by": one.encoder.note or KERNELS}
            for name, one in vocabularies.items()
            if name != THIS
        }
    content["compression"] = (
        {"measured_on": held_out.what, **measure_compression(held_out, encoders)}
        if held_out
        else {"measured_on": NOTHING}
    )
    content["unreachable"] = {
        name: describe_unreachable(one, uses if name == THIS else None, most)
        for name, one in vocabularies.items()
    }
    if uses is not None:
        content["never used on the mixture"] = describe_unused(this, uses, most)
    content["scripts"] = describe_scripts(this, uses)
    content["examples"] = {name: cut_example(this.encoder, text) for name, text in EXAMPLES.items()}
    return content


def describe_layout(vocabulary: Vocabulary, folder: Path) -> dict[str, Any]:
    from dspipe.bpe.files import find_file
    from dspipe.bpe.pieces.patterns import recognise_pattern

    encoder, entries = vocabulary.encoder, vocabulary.entries
    layout: dict[str, Any] = {
        "file": str(find_file(vocabulary.path)),
        "ids": encoder.size,
        "entries": len(entries),
        "single_bytes": sum(len(encoder.tokens[number]) == 1 for number in entries),
        "merges": len(vocabulary.merges),
        "added_tokens": encoder.size - len(entries),
        "model_rows": encoder.rows,
    }
    if vocabulary.file is not None:
        layout["pattern"] = recognise_pattern(vocabulary.file.pre_tokenizer) or "one of its own"
    layout["encoded_by"] = encoder.note or KERNELS
    manifest = read_manifest(folder)
    if manifest is not None and manifest.artifact == "tokenizer":
        layout["trained_on"] = {name: manifest.facts[name] for name in FACTS if name in manifest.facts}
        layout["made"] = {"started": manifest.started, "fingerprint": manifest.fingerprint}
        layout["settings"] = {
            name: value for name, value in manifest.settings.items() if value not in (None, {})
        }
    return layout


def describe_unreachable(vocabulary: Vocabulary, uses: Any, most: int) -> dict[str, Any]:
    found, untested = find_unreachable(vocabulary, uses)
    tokens = vocabulary.encoder.tokens
    return {
        "entries": len(found),
        "not_tested": untested,
        "some": [show_token(tokens[number]) for number in found[:most]],
    }


def cut_example(encoder: Encoder, text: str) -> dict[str, Any]:
    """A text's tokens; a token that is part of a character stands as its bytes."""
    ids, _ = encoder.encode([text])
    return {"tokens": len(ids), "pieces": [show_token(encoder.tokens[number]) for number in ids.tolist()]}
