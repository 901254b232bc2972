"""Networks written to folders, ours and Hugging Face's, and folders compared byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from dspipe.model.checkpoint.folders import (
    Written,
    open_hugging_face,
    read_hugging_face,
    write_hugging_face,
    write_model,
)
from dspipe.model.transformer import Transformer
from dspipe.recipe import Export, Model
from tests.reference.networks import VOCABULARY

POSITIONS = 64


def write_ours(network: Transformer, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(network.state_dict(), folder / "model.safetensors", {"format": "pt"})
    return folder


def export(ours: Path, config: Model, folder: Path, **settings: Any) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    return write_hugging_face(
        ours, folder, config, VOCABULARY, POSITIONS, Export(**settings), lambda done, total: None
    )


def write_theirs(network: Transformer, folder: Path, **settings: Any) -> Path:
    """In float32 if nothing else is said."""
    ours = write_ours(network, folder.with_name(f"{folder.name}-ours"))
    export(ours, network.config, folder, **{"dtype": "float32", **settings})
    return folder


def read_theirs(folder: Path, multi_token: bool = True) -> tuple[Model, dict[str, Tensor]]:
    description, weights = open_hugging_face(folder, multi_token)
    return description.model, dict(read_hugging_face(description, weights))


def bring_back(folder: Path, ours: Path, shard_bytes: int = 1 << 30, multi_token: bool = True) -> Model:
    """Import a folder of theirs."""
    description, weights = open_hugging_face(folder, multi_token)
    ours.mkdir(parents=True, exist_ok=True)
    tensors = read_hugging_face(description, weights)
    write_model(ours, tensors, description.model, VOCABULARY, shard_bytes, lambda done, total: None)
    return description.model


def load_transformers(folder: Path, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Experts by loop: the grouped kernel of transformers wants sizes in multiples of 16 bytes."""
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, experts_implementation="eager", **options
    )
    return model, info


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def edit_tensors(folder: Path, file: str = "model.safetensors", **changes: Tensor | None) -> None:
    """Replace tensors of a file, or take them out."""
    tensors = load_file(folder / file)
    tensors |= {name: tensor for name, tensor in changes.items() if tensor is not None}
    for name in [name for name, tensor in changes.items() if tensor is None]:
        del tensors[name]
    save_file(tensors, folder / file, {"format": "pt"})


def close(a: Tensor, b: Tensor, tolerance: float) -> None:
    """Relative to the largest value: single elements near zero have no digits to compare."""
    assert (a - b).abs().max() <= tolerance * b.abs().max()


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(
        a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8)
    )
