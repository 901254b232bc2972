"""A run's mixture → a tokenizer of sentencepiece, as large as the one it is to stand beside."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from dspipe.commands.vocabulary.entries import Vocabulary, open_vocabulary
from dspipe.commands.vocabulary.held_out import find_input
from dspipe.recipe import RecipeError, Tokenizer

LIBRARY = "sentencepiece"  # the word for it
LEAST = 259


def train_library(folder: Path, this: Vocabulary) -> Vocabulary:
    """Train a BPE with byte fallback on the mixture that the tokenizer's folder was trained on.

    Raises:
        RecipeError: the mixture is not at hand.
    """
    from dspipe.tokenizer.sentences import train_sentencepiece

    mixture = find_input(folder, "mixture")
    if mixture is None:
        raise RecipeError(
            f"--beside {LIBRARY} trains on a run's mixture, and {folder} has none beside it; give the "
            "tokenizer of a run, e.g. shards/smoke/tokenizer, or the file of a tokenizer that is trained"
        )
    entries = len(this.entries) if this.file is None else this.file.entries.size
    settings = Tokenizer(vocab_size=max(LEAST, entries), trainer="sentencepiece", seed=0, placeholders=0)
    click.echo(f"training {entries:,} entries with sentencepiece …", err=True)
    with tempfile.TemporaryDirectory() as scratch:
        train_sentencepiece(settings, mixture.files, Path(scratch), lambda done, total: None)
        vocabulary = open_vocabulary(Path(scratch), 1)
        return vocabulary
