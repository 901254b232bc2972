"""tokenizer = tokenizer.json and tokenizer_config.json, trained on the whole mixture."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dspipe.bpe.encoder import Encoder
from dspipe.recipe import Tokenizer as Settings
from dspipe.shards import Artifact, Counts, Output, read_batches, record_file, replacing, write_file
from dspipe.tokenizer.training import configuration, train_tokenizer
from dspipe.workers import Workers


def run(settings: Settings, mixture: Artifact, tokenizer: Output, workers: Workers) -> None:
    """Train, save, and say how large the vocabulary became."""

    def read_texts() -> Iterator[list[str]]:
        for number, file in enumerate(mixture.files):
            workers.report(number, len(mixture.files))
            for batch in read_batches(file, ["text"]):
                yield batch["text"].to_pylist()

    trained = train_tokenizer(settings, read_texts())
    with replacing(tokenizer.folder / "tokenizer.json") as temporary:
        trained.save(str(temporary), pretty=False)
    config = msgspec.json.format(msgspec.json.encode(configuration()))
    write_file(tokenizer.folder / "tokenizer_config.json", config + b"\n")
    encoder = Encoder(tokenizer.folder / "tokenizer.json")
    base = trained.get_vocab_size(with_added_tokens=False)
    line = f"{base:,} entries and {encoder.size - base} added tokens"
    if base < settings.vocab_size:
        line += f" (the text supports no more: {settings.vocab_size:,} were asked for)"
    parts = [
        record_file(tokenizer.folder, "tokenizer.json", encoder.size),
        record_file(tokenizer.folder, "tokenizer_config.json", 1),
    ]
    facts = {"vocabulary": encoder.size, "base": base, "model_rows": encoder.rows, "line": [line]}
    tokenizer.close(parts, Counts(mixture.rows, mixture.rows), facts=facts)
