"""hf = config.json, weights and the tokenizer, under the names that others load.

Multi-token prediction goes along as the layers after the last, which `transformers` passes over.
"""

from __future__ import annotations

from dspipe.model.checkpoint.folders import export_model
from dspipe.recipe import Export
from dspipe.shards import Artifact, Counts, Output
from dspipe.workers import Workers


def run(settings: Export, model: Artifact, hf: Output, workers: Workers) -> None:
    """Rename, cast, write."""
    written = export_model(model, hf.folder, settings, workers.report)
    line = [f"{written.numbers:,} numbers in {written.tensors} tensors, {settings.dtype}"]
    hf.close(written.parts, Counts(written.tensors, written.tensors), facts={"line": line})
