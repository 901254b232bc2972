"""Merges ↔ tokenizer.json and tokenizer_config.json, as `tokenizers` and `transformers` write and read them.

In these files a token is a string: each of its bytes is one character, itself where it can be printed, else
one from U+0100 on. What is read here is taken apart far enough for the kernels to encode with; where a file
asks for something else, `note` says what, and the library does the work.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from dspipe.bpe.pieces.patterns import describe_pattern, recognise_pattern, simplify_steps
from dspipe.recipe import BEGIN, END, PAD, DspipeError, RecipeError
from dspipe.shards import write_file

TOKENIZER, CONFIGURATION, MODEL = "tokenizer.json", "tokenizer_config.json", "tokenizer.model"
PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
HIDDEN = tuple(byte for byte in range(256) if byte not in PRINTED)
ALPHABET = PRINTED + HIDDEN  # the bytes in the order of their ids
CHARACTERS = dict(
    zip(ALPHABET, [*map(chr, PRINTED), *(chr(256 + n) for n in range(len(HIDDEN)))], strict=True)
)
MOST_TOKENS = 1 << 21  # what the kernels can number
DECODER = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}


class AddedToken(Struct, frozen=True):
    """A token that is found in the text before anything else, with its flags in the file."""

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    special: bool = False


class MergeList(NamedTuple):
    """Merges by id, in the order in which they are tried, each (m,); and the ids of the bytes, (256,)."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    merged: NDArray[np.int64]
    bytes: NDArray[np.int64]


@dataclass(frozen=True)
class TokenizerFile:
    """What a tokenizer.json says.

    Attributes:
        text, offsets: the bytes that each id stands for, text[offsets[i] : offsets[i + 1]]. known: (size,)
            which ids there are. entries: the ids of the vocabulary proper.
        merges: None where the library must encode, and then `note` says why. pre_tokenizer: how it cuts text,
            as the file says it. ignore_merges: whether a piece that is an entry is taken as it stands.
        content: the file.
    """

    file: Path
    text: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    known: NDArray[np.bool_]
    entries: NDArray[np.int64]
    added: tuple[AddedToken, ...]
    merges: MergeList | None
    pre_tokenizer: dict[str, Any]
    ignore_merges: bool
    note: str | None
    content: bytes


class Description(Struct):
    model: Raw
    added_tokens: list[AddedToken] = []
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None
    decoder: dict[str, Any] | None = None


class Model(Struct):
    """The entries of a model that say whether it is byte-level BPE, and then all that it is."""

    type: str | None = None
    vocab: Raw = Raw(b"{}")
    merges: list[str | tuple[str, str]] | None = None
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    ignore_merges: bool = False


def write_tokenizer(
    folder: Path,
    left: NDArray[Any],
    right: NDArray[Any],
    pattern: str | list[str],
    specials: Sequence[str],
    added: Sequence[str],
) -> None:
    """Write both files of a trained vocabulary.

    Ids are those of the trainer: specials, the bytes in the order of `ALPHABET`, one for each merge (`left`
    and `right` are ids), then the added tokens that are not specials.
    """
    tokens = [*specials, *(CHARACTERS[byte] for byte in ALPHABET)]
    merges = []
    for first, second in zip(left.tolist(), right.tolist(), strict=True):
        merges.append([tokens[first], tokens[second]])
        tokens.append(tokens[first] + tokens[second])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if len(vocabulary) < len(tokens):
        twice = next(token for number, token in enumerate(tokens) if vocabulary[token] != number)
        raise RecipeError(
            f"tokenizer.specials: {twice} is also made by merges of the text; give it another name"
        )
    marks = [*specials, *(token for token in dict.fromkeys(added) if token not in specials)]
    description = describe_tokenizer(marks, vocabulary, merges, describe_pattern(pattern))
    content = json.dumps(description, ensure_ascii=False, separators=(",", ":")).encode()
    write_file(folder / TOKENIZER, content)
    configuration = msgspec.json.format(msgspec.json.encode(configure(marks)))
    write_file(folder / CONFIGURATION, configuration + b"\n")


def describe_tokenizer(
    marks: list[str], vocabulary: dict[str, int], merges: list[list[str]], splits: dict[str, Any]
) -> dict[str, Any]:
    """What `tokenizers` would save, in its order."""
    following = len(vocabulary)
    added = []
    for mark in marks:
        number = vocabulary.get(mark, following)
        following += number == following
        added.append(AddedToken(number, mark, normalized=False, special=True))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [msgspec.to_builtins(token) for token in sorted(added, key=lambda token: token.id)],
        "normalizer": None,
        "pre_tokenizer": splits,
        "post_processor": {**DECODER, "trim_offsets": False},
        "decoder": DECODER,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": merges,
        },
    }


def configure(marks: list[str]) -> dict[str, Any]:
    """tokenizer_config.json, for `transformers`."""
    roles = {"bos_token": BEGIN, "eos_token": END, "pad_token": PAD}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{role: token for role, token in roles.items() if token in marks},
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1 << 30,
    }


def find_file(file: Path) -> Path:
    """A tokenizer's file: itself, or the one in its folder."""
    if not file.is_dir():
        return file
    models = sorted(file.glob("*.model"))
    return file / TOKENIZER if (file / TOKENIZER).is_file() or not models else models[0]


def list_files(folder: Path) -> list[str]:
    """The names of a tokenizer's files in a folder."""
    return [name for name in (TOKENIZER, CONFIGURATION, MODEL) if (folder / name).is_file()]


def read_tokenizer(file: Path) -> TokenizerFile:
    """Read a tokenizer.json; DspipeError where it is none."""
    try:
        return take_apart(file, file.read_bytes())
    except (OSError, ValueError, TypeError, AttributeError, LookupError, msgspec.MsgspecError) as error:
        raise DspipeError(f"{file}: not a tokenizer.json that dspipe reads ({error})") from None


def take_apart(file: Path, content: bytes) -> TokenizerFile:
    """The same, but what is wrong is told by whatever error it causes."""
    description = msgspec.json.decode(content, type=Description)
    model = msgspec.json.decode(description.model, type=Model)
    vocabulary = read_vocabulary(model)
    added = tuple(token for token in description.added_tokens if token.content)
    if not vocabulary and not added:
        raise ValueError("it has no vocabulary")
    strings = list_strings(vocabulary, added)
    text, offsets = join_bytes(["" if string is None else string for string in strings])
    note = explain(description, model, vocabulary)
    merges = None if note else read_merges(model.merges or [], vocabulary)
    if note is None and merges is None:
        note = "a merge gives no entry of its vocabulary"
    return TokenizerFile(
        file,
        text,
        offsets,
        np.array([string is not None for string in strings]),
        np.fromiter(vocabulary.values(), np.int64, len(vocabulary)),
        added,
        merges,
        description.pre_tokenizer or {},
        model.ignore_merges,
        None if note is None else explain_library(file, note),
        content,
    )


def read_vocabulary(model: Model) -> dict[str, int]:
    """Entries and ids, of a unigram model, too, which lists them with their probabilities."""
    vocabulary = msgspec.json.decode(model.vocab, type=dict[str, int] | list[tuple[str, float]])
    if isinstance(vocabulary, list):
        return {entry: number for number, (entry, _) in enumerate(vocabulary)}
    return vocabulary


def explain_library(file: Path, reason: str) -> str:
    """Say that the library encodes with a file, and why."""
    return f"{file}: {reason}, so `tokenizers` encodes, which is slower"


def explain(description: Description, model: Model, vocabulary: dict[str, int]) -> str | None:
    """What in a file the kernels do not do, or None."""
    if model.merges is None or model.type not in ("BPE", None):
        return f"its model is {model.type}"
    if description.normalizer and list_steps(description.normalizer, "normalizers"):
        kinds = [step.get("type") for step in list_steps(description.normalizer, "normalizers")]
        return f"it normalizes text ({', '.join(map(str, kinds))})"
    if model.dropout:
        return "it drops merges at random"
    if model.continuing_subword_prefix or model.end_of_word_suffix:
        return "its tokens are marked as parts of words"
    if not all(character in vocabulary for character in CHARACTERS.values()):
        return "it has no token for some of the bytes"
    if len(set(vocabulary.values())) < len(vocabulary):
        return "some of its entries have the same id"
    if len({token.content for token in description.added_tokens}) < len(description.added_tokens):
        return "some of its added tokens are there twice"
    if len(vocabulary) > MOST_TOKENS or max(vocabulary.values()) >= 2 * MOST_TOKENS:
        return f"it has more than {MOST_TOKENS:,} tokens"
    if not only_cuts(description.pre_tokenizer):
        return "it cuts text in another way than by regular expressions, one after the other"
    if not description.decoder or description.decoder.get("type") != "ByteLevel":
        return "it does not decode from bytes"
    return None


def list_steps(part: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The steps of a part of the file, which is a sequence or one step."""
    if part.get("type") != "Sequence":
        return [part]
    return [step for inner in part.get(key, []) for step in list_steps(inner, key)]


def read_merges(merges: list[Any], vocabulary: dict[str, int]) -> MergeList | None:
    """Merges as ids, of both forms of the file: "a b" and ["a", "b"]."""
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    try:
        columns = (
            [vocabulary[first] for first, _ in pairs],
            [vocabulary[second] for _, second in pairs],
            [vocabulary[first + second] for first, second in pairs],
            [vocabulary[CHARACTERS[byte]] for byte in range(256)],
        )
    except (KeyError, ValueError):
        return None
    return MergeList(*(np.array(column, np.int64) for column in columns))


def list_strings(vocabulary: dict[str, int], added: tuple[AddedToken, ...]) -> list[str | None]:
    """The string of each id, None where there is none."""
    numbers = [*vocabulary.values(), *(token.id for token in added)]
    most = max(numbers)
    if min(numbers) < 0:
        raise ValueError(f"an id is {min(numbers)}")
    if most > 2 * (len(vocabulary) + len(added)) + 2 * MOST_TOKENS:
        raise ValueError(f"with the id {most:,} it has more ids than dspipe can list")
    strings: list[str | None] = [None] * (1 + most)
    for entry, number in vocabulary.items():
        strings[number] = entry
    for token in added:
        strings[token.id] = token.content
    return strings


def join_bytes(strings: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes that strings stand for, one after the other, and where each begins.

    As in `tokenizers`, a string in which a character stands for no byte stands for itself.
    """
    values = np.full(max(map(ord, CHARACTERS.values())) + 2, 256, np.uint16)
    values[[ord(character) for character in CHARACTERS.values()]] = list(CHARACTERS)
    points = np.frombuffer("".join(strings).encode("utf-32-le"), np.uint32)
    found = values[np.minimum(points, values.size - 1)]
    lengths = np.fromiter(map(len, strings), np.int64, len(strings))
    ends = np.cumsum(lengths)
    text = found.astype(np.uint8).tobytes()
    parts, done = [], 0
    for number in np.unique(np.searchsorted(ends, np.flatnonzero(found == 256), "right")).tolist():
        own = strings[number].encode()
        parts += [text[done : ends[number] - lengths[number]], own]
        done, lengths[number] = int(ends[number]), len(own)
    joined = b"".join([*parts, text[done:]])
    return np.frombuffer(joined, np.uint8), np.concatenate([[0], np.cumsum(lengths)])


def only_cuts(part: dict[str, Any] | None) -> bool:
    """Whether a pre-tokenizer cuts text and changes nothing, until bytes become characters at the end."""
    if recognise_pattern(part) is not None:
        return True
    *steps, last = simplify_steps(part) or [None]
    return last == "bytes" and all(isinstance(step, str) or step.get("type") == "Digits" for step in steps)
