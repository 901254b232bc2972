"""A tokenizer → its size, how many bytes a token holds by language and domain, and its commonest tokens."""

from __future__ import annotations

import os
from typing import Any

from dspipe.commands.report.folder import Run
from dspipe.recipe import DspipeError

COMMONEST = 40  # tokens that are shown


def describe_vocabulary(run: Run) -> dict[str, Any] | None:
    """Facts of the manifest and, where the texts of a run are around, measured figures."""
    tokenizer = run.artifacts.get("tokenizer")
    if tokenizer is None:
        return None
    facts = tokenizer.manifest.facts
    content: dict[str, Any] = {"facts": {name: facts[name] for name in facts if name != "line"}}
    try:
        return content | measure(run)
    except (DspipeError, OSError, ValueError, KeyError) as error:
        return content | {"not_measured": str(error)}


def measure(run: Run) -> dict[str, Any]:
    from dspipe.commands.vocabulary.compression import measure_compression
    from dspipe.commands.vocabulary.entries import (
        describe_scripts,
        describe_unused,
        open_vocabulary,
        read_uses,
    )
    from dspipe.commands.vocabulary.held_out import find_held_out
    from dspipe.commands.vocabulary.report import THIS

    folder = run.artifacts["tokenizer"].folder
    this = open_vocabulary(folder, len(os.sched_getaffinity(0)))
    held_out, uses = find_held_out(folder, None), read_uses(folder, this.encoder.size)
    content: dict[str, Any] = {"scripts": describe_scripts(this, uses)}
    if held_out is not None:
        measured = measure_compression(held_out, {THIS: this.encoder})
        content["measured_on"] = held_out.what
        content |= {
            kind: [flatten(row, kind, THIS) for row in measured[kind]] for kind in ("domains", "languages")
        }
    if uses is not None:
        content["unused"] = describe_unused(this, uses, 12)
        content["commonest"] = list_commonest(this.encoder.tokens, uses)
    return content


def flatten(row: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    figures = {key: row[key][name] for key in ("tokens", "bytes_per_token", "characters_per_token")}
    return {"name": row[kind[:-1]], "documents": row["documents"], "bytes": row["bytes"], **figures}


def list_commonest(tokens: list[bytes], uses: Any) -> list[dict[str, Any]]:
    import numpy as np

    from dspipe.commands.vocabulary.entries import show_token

    order = np.argsort(-uses, kind="stable")[:COMMONEST].tolist()
    return [{"token": show_token(tokens[n]), "uses": int(uses[n])} for n in order if uses[n]]
