"""hf = config.json, model.safetensors and the tokenizer, under the names that others load.

Simple so far: one file of weights, in bfloat16 or float32. Multi-token prediction goes along as the layers
after the last, which `transformers` passes over.
"""

from __future__ import annotations

import msgspec
import torch
from safetensors.torch import load_file, save_file

from dspipe.bpe.files import list_files
from dspipe.model.checkpoint import cast_weights, hugging_face_config, to_hugging_face
from dspipe.recipe import Export, Model
from dspipe.shards import Artifact, Counts, Output, record_file, replacing, write_file
from dspipe.workers import Workers


def run(settings: Export, model: Artifact, hf: Output, workers: Workers) -> None:
    """Rename, cast, write."""
    config = msgspec.convert(model.manifest.settings["model"], Model)
    ours = load_file(model.folder / "model.safetensors")
    cast = cast_weights(to_hugging_face(ours, config), getattr(torch, settings.dtype))
    with replacing(hf.folder / "model.safetensors") as temporary:
        save_file({name: tensor.contiguous() for name, tensor in cast.items()}, temporary, {"format": "pt"})
    facts = model.manifest.facts
    description = hugging_face_config(config, facts["vocabulary"], facts["sequence_length"], settings.dtype)
    write_file(hf.folder / "config.json", msgspec.json.format(msgspec.json.encode(description)) + b"\n")
    copied = list_files(model.folder)
    for name in copied:
        write_file(hf.folder / name, (model.folder / name).read_bytes())
    files = ("config.json", "model.safetensors", *copied)
    parts = [
        record_file(hf.folder, name, len(cast) if name.endswith(".safetensors") else 1) for name in files
    ]
    numbers = sum(tensor.numel() for tensor in cast.values())
    line = [f"{numbers:,} numbers in {len(cast)} tensors, {settings.dtype}"]
    hf.close(parts, Counts(len(cast), len(cast)), facts={"line": line})
