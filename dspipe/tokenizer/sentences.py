"""Texts → tokenizer.model: a BPE with byte fallback, or a unigram model, trained by sentencepiece.

It is here for comparison, and for those who want it. The model is lossless but for one character: text is not
normalised, no space is put before it, white space is kept and may be a token of its own, and a character
without an entry is spelled in bytes. U+2581 is what sentencepiece writes for a space, so it is read back as
one. Digits stand alone, for the library cannot cut numbers in threes; an entry has at most 16 characters.

Special and added tokens are control symbols, which no text ever yields. Ids differ from those of
`dspipe.bpe.layout` behind the special tokens: `<unk>`, which sentencepiece insists on, then the added tokens,
then bytes, then the entries. There is no tokenizer_config.json, for `transformers` 5 reads no .model without
protobuf, which dspipe does not bring; sentencepiece itself and dspipe read it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dspipe.bpe.files import MODEL
from dspipe.bpe.layout import list_tokens, model_rows
from dspipe.recipe import BEGIN, END, PAD, DspipeError, RecipeError
from dspipe.recipe import Tokenizer as Settings
from dspipe.shards import read_batches, write_file
from dspipe.text.hashing import draw, parse_ids

UNKNOWN = "<unk>"
SAMPLE_BYTES = 100_000_000  # of text, which sentencepiece holds whole, and much more while it trains
DOCUMENT_BYTES = 1_000_000  # of one document, in a sample
SENTENCE = 4096  # characters
COVERAGES = (0.9995, 0.98)  # of the characters by entries of their own: the library's default, and its least
THREADS = 4  # on however many cores: the order in which a unigram model's probabilities are summed
RESERVED = "▅"  # a sentence that has it is left out by sentencepiece; a NUL only parts what stands beside it

# up to the last line break that fits, else up to the last space, else as much as fits
SENTENCES = re.compile(rf"(?s).{{1,{SENTENCE}}}(?=\n|\Z)|.{{1,{SENTENCE}}}(?= )|.{{1,{SENTENCE}}}")
TOO_FEW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")


class Sample(NamedTuple):
    """What is trained on: documents whose draw is at most `highest`, or all of them; and the bytes in it."""

    highest: int | None
    taken: int
    whole: int


def train_sentencepiece(
    settings: Settings, files: Sequence[Path], folder: Path, report: Callable[[int, int], None]
) -> dict[str, Any]:
    """Train on the mixture's files, write `tokenizer.model` into the folder, and return the stage's facts.

    A mixture of more than `SAMPLE_BYTES` is sampled by id and draw. Where the text does not support the
    vocabulary asked for, it is smaller.

    Raises:
        RecipeError: where the characters of the text alone are more than the vocabulary.
    """
    seed = settings.seed or 0
    sample = measure_sample(files)
    content = train_model(settings, lambda: read_sentences(files, sample.highest, seed, report))
    write_file(folder / MODEL, content)
    size, added = count_pieces(content), len(list_tokens(settings)[1])
    line = f"{size - added:,} entries and {added} added tokens, by sentencepiece"
    if sample.highest is not None:
        line += f" from a sample of {sample.taken / 1e6:,.0f} of {sample.whole / 1e6:,.0f} MB"
    if size - added < settings.vocab_size:
        line += f" (the text supports no more: {settings.vocab_size:,} were asked for)"
    return {"vocabulary": size, "base": size - added, "model_rows": model_rows(size), "line": [line]}


def measure_sample(files: Sequence[Path]) -> Sample:
    """Find the share of the documents that comes to `SAMPLE_BYTES`, each counted up to `DOCUMENT_BYTES`."""
    whole = beginnings = 0
    for file in files:
        for batch in read_batches(file, ["text"]):
            lengths = pc.fill_null(pc.binary_length(batch["text"]), 0)
            whole += pc.sum(lengths).as_py() or 0
            beginnings += pc.sum(pc.min_element_wise(lengths, DOCUMENT_BYTES)).as_py() or 0
    if whole <= SAMPLE_BYTES:
        return Sample(None, whole, whole)
    taken = min(SAMPLE_BYTES, beginnings)
    return Sample((taken << 64) // beginnings - 1, taken, whole)


def read_sentences(
    files: Sequence[Path], highest: int | None, seed: int, report: Callable[[int, int], None]
) -> Iterator[str]:
    """Yield the texts of the sample in pieces that sentencepiece takes whole."""
    for number, file in enumerate(files):
        report(number, len(files))
        for batch in read_batches(file, ["id", "text", "draw"]):
            for text in read_texts(batch, highest, seed):
                yield from cut_sentences(text)


def read_texts(batch: pa.RecordBatch, highest: int | None, seed: int) -> Iterator[str]:
    """Yield the texts of a batch that are in the sample; broken UTF-8 is read with replacements."""
    texts, longest = batch["text"].cast(pa.large_binary()), None
    if highest is not None:
        draws = draw(seed, "sentencepiece", parse_ids(batch["id"]), batch["draw"].to_numpy())
        texts, longest = texts.filter(pa.array(draws <= highest)), DOCUMENT_BYTES
    for value in texts.drop_null().to_pylist():
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        yield decoder.decode(value[:longest], final=longest is None or len(value) <= longest)


def cut_sentences(text: str) -> list[str]:
    """Cut a text, at line ends where it can be, into what sentencepiece neither skips nor shortens.

    It takes line breaks off the end of a sentence, so that ";\\n" at the end of a file would never be learnt:
    a space behind them holds them.
    """
    pieces = SENTENCES.findall(text.replace(RESERVED, "\0"))
    return [piece + " " if piece[-1] in "\r\n" else piece for piece in pieces]


def train_model(settings: Settings, read: Callable[[], Iterator[str]]) -> bytes:
    """Train, again with fewer characters that have entries of their own where the vocabulary is too small."""
    wanted = ""
    for coverage in COVERAGES:
        try:
            return run_trainer(settings, read(), coverage)
        except RuntimeError as error:
            found = TOO_FEW.search(str(error))
            if not found:
                raise DspipeError(f"sentencepiece could not train the tokenizer: {error}") from None
            wanted = found[1]
    least = int(wanted) - len(list_tokens(settings)[1])
    raise RecipeError(
        f"tokenizer.vocab_size: {settings.vocab_size:,} is too few for sentencepiece, which gives characters "
        f"entries of their own, and this text has many; give at least {least:,}"
    )


def run_trainer(settings: Settings, sentences: Iterator[str], coverage: float) -> bytes:
    from sentencepiece import SentencePieceTrainer

    size = settings.vocab_size + len(list_tokens(settings)[1])
    model = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=add_space(sentences),
        model_writer=model,
        model_type=settings.model,
        vocab_size=size,
        hard_vocab_limit=False,
        seed_sentencepiece_size=max(1_000_000, 8 * size),
        character_coverage=coverage,
        byte_fallback=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        split_digits=True,
        max_sentence_length=4 * SENTENCE + 1,
        num_threads=THREADS,
        minloglevel=2,
        **name_symbols(settings),
    )
    return model.getvalue()


def add_space(sentences: Iterator[str]) -> Iterator[str]:
    """The sentences behind a space, for sentencepiece does not train on nothing."""
    yield " "
    yield from sentences


def name_symbols(settings: Settings) -> dict[str, Any]:
    """The tokens that are no text, as sentencepiece is told of them: it numbers control symbols in order."""
    first, added = list_tokens(settings)
    if UNKNOWN not in first:
        first.append(UNKNOWN)
    roles = {
        role: token
        for role, token in {"unk": UNKNOWN, "bos": BEGIN, "eos": END, "pad": PAD}.items()
        if token in first
    }
    control = [token for token in (*first, *added) if token not in roles.values()]
    return {
        **{f"{role}_id": -1 for role in ("bos", "eos", "pad")},
        **{f"{role}_id": first.index(token) for role, token in roles.items()},
        **{f"{role}_piece": token for role, token in roles.items()},
        "control_symbols": control,
    }


def count_pieces(content: bytes) -> int:
    from sentencepiece import SentencePieceProcessor

    return int(SentencePieceProcessor(model_proto=content).get_piece_size())
