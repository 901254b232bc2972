"""tokenizer = tokenizer.json and tokenizer_config.json, trained on the mixture or a sample by language.

Or tokenizer.model, where the recipe asks for sentencepiece.
"""

from __future__ import annotations

from dspipe.bpe.files import list_files
from dspipe.recipe import Tokenizer as Settings
from dspipe.shards import Artifact, Counts, Output, record_file
from dspipe.tokenizer.sentences import train_sentencepiece
from dspipe.tokenizer.training import train_bpe
from dspipe.tokenizer.usage import FILE as USAGE
from dspipe.workers import Workers


def run(settings: Settings, mixture: Artifact, tokenizer: Output, workers: Workers) -> None:
    """Train, save, and say how large the vocabulary became."""
    if settings.trainer == "sentencepiece":
        facts = train_sentencepiece(settings, mixture.files, tokenizer.folder, workers.report)
    else:
        facts = train_bpe(settings, mixture.files, tokenizer.folder, workers)
    parts = [
        record_file(tokenizer.folder, name, facts["vocabulary"] if number == 0 else 1)
        for number, name in enumerate(list_files(tokenizer.folder))
    ]
    beside = [record_file(tokenizer.folder, USAGE, facts["vocabulary"])] if "tokens" in facts else []
    documents = facts.get("documents", mixture.rows)
    left_out = {"not-sampled": mixture.rows - documents} if documents < mixture.rows else {}
    tokenizer.close(parts, Counts(mixture.rows, documents, dropped=left_out), beside, facts)
