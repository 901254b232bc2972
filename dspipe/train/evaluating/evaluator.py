"""A training and its held-out rows → evaluations on the way, of the weights and of their moving average.

Rows are those of the longest length that was trained on so far, always the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import Tensor

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.model.transformer import Transformer
from dspipe.recipe import RecipeError, Train
from dspipe.shards import Artifact, open_artifact
from dspipe.train.evaluating.evaluation import Evaluation, Scores, evaluate
from dspipe.train.evaluating.held_out import HeldOut, locate_rows, open_held_out
from dspipe.train.saving.average import Average


class Evaluator:
    """sequences: with held-out rows. tokenizer: its folder. entries: how many tokens there are."""

    def __init__(self, sequences: Artifact, tokenizer: Path, settings: Train, entries: int) -> None:
        self.sequences, self.tokenizer, self.settings, self.entries = sequences, tokenizer, settings, entries
        self._opened: dict[int, HeldOut] = {}
        self._bytes_V: Tensor | None = None

    def evaluate(
        self,
        network: Transformer,
        average: Average | None,
        renew: Callable[[Tensor], None],
        step: int,
        length: int,
        size: int,
    ) -> Evaluation | None:
        """After a step; length: of the rows, size: how many at a time; None where there are none."""
        if length not in self._opened:
            tokens = self.settings.evaluation_tokens
            self._opened[length] = open_held_out(self.sequences, length, tokens, self.entries)
        if not self._opened[length].labels:
            return None
        if self._bytes_V is None:
            self._bytes_V = count_bytes(self.tokenizer, len(network.head))
        arguments = self._opened[length], self.settings, size, self._bytes_V, step
        evaluation = evaluate(network, *arguments)
        if evaluation is None or average is None:
            return evaluation
        with average.in_place(renew):
            averaged = evaluate(network, *arguments)
        assert averaged is not None
        scores = {field.name: getattr(averaged, field.name) for field in fields(Scores)}
        return replace(evaluation, average=Scores(**scores))


def count_bytes(tokenizer: Path, rows: int) -> Tensor:
    """How many bytes each token of a vocabulary stands for, int64 `bytes_V`: none for marks, and for rows of
    the embedding that are no token.
    """
    encoder, sizes = Encoder(tokenizer), torch.zeros(rows, dtype=torch.int64)
    sizes[: encoder.size] = torch.from_numpy(encoder.sizes)
    return sizes


def choose_held_out(settings: Train, sequences: Artifact, length: int) -> Artifact:
    """Whose held-out rows to evaluate on; length: of those that the trained model is evaluated on.

    Raises:
        RecipeError: their tokens are those of another tokenizer, or none of those named has this length.
    """
    if settings.held_out is None:
        return sequences
    other = open_artifact(Path(settings.held_out))
    if find_tokenizer(other) != find_tokenizer(sequences):
        raise RecipeError(
            f"train.held_out: {other.folder} was packed with another tokenizer; pack both with the same one"
        )
    if not any(part.file == locate_rows(length) for part in other.manifest.beside):
        raise RecipeError(
            f"train.held_out: {other.folder} has no held-out rows of {length} tokens, the longest that are "
            "trained on; pack such rows there, or name another folder"
        )
    return other


def find_tokenizer(sequences: Artifact) -> str | None:
    """The fingerprint of the tokenizer that rows were packed with."""
    inputs = sequences.manifest.inputs
    return next((entry["fingerprint"] for entry in inputs if entry.get("artifact") == "tokenizer"), None)
