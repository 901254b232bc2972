"""A tokenizer's entries → those that no text yields, those that the mixture does not have, and scripts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dspipe.commands.vocabulary.scripts import name_script

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dspipe.bpe.encoding.encoder import Encoder
    from dspipe.bpe.files import TokenizerFile
    from dspipe.text.arrow import Bytes, Offsets

USAGE = "usage.parquet"
LONGEST = 5  # entries of a script that are listed
LEAST_ENTRIES = 20  # of a script whose longest entries are listed
BEFORE = ("", "\n", "a", "0")  # what an entry may need before it, where a library puts a space before texts


class Vocabulary(NamedTuple):
    """A tokenizer and its file: `entries` are the ids of the vocabulary proper without added tokens.

    merges: (left id, right id) of each, where the file has them. pieces: the texts of a sentencepiece
    model's entries, without those that are bytes.
    """

    path: Path
    encoder: Encoder
    file: TokenizerFile | None
    entries: list[int]
    merges: list[tuple[int, int]]
    pieces: dict[int, str] | None = None


def open_vocabulary(path: Path, threads: int) -> Vocabulary:
    """Read a tokenizer.json, a .model, or the folder of one."""
    from dspipe.bpe.encoding.encoder import Encoder
    from dspipe.bpe.files import find_file, read_tokenizer

    encoder, file = Encoder(path, threads), find_file(path)
    marks = set(encoder.added.values())
    if file.suffix != ".json":
        entries = [number for number in range(encoder.size) if number not in marks]
        return Vocabulary(path, encoder, None, entries, [], read_pieces(file, entries))
    read, merges = read_tokenizer(file), list[tuple[int, int]]()
    if read.merges is not None:
        merges = list(zip(read.merges.left.tolist(), read.merges.right.tolist(), strict=True))
    return Vocabulary(path, encoder, read, [n for n in read.entries.tolist() if n not in marks], merges)


def find_unreachable(vocabulary: Vocabulary, uses: NDArray[np.int64] | None = None) -> tuple[list[int], int]:
    """Entries that no text yields, and how many could not be tested.

    An entry is one whose text is encoded as something else, and that the mixture does not have. A part of a
    character is no text by itself: merges alone must make it, and where a library does all the work it is
    not tested. sentencepiece's bytes are for what has no entry, and are not tested either.
    """
    if vocabulary.pieces is not None:
        numbers, texts = list(vocabulary.pieces), list(vocabulary.pieces.values())
        suspects = fail_everywhere(vocabulary.encoder, numbers, texts)
        untested = len(vocabulary.entries) - len(numbers)
    elif vocabulary.file is None or vocabulary.file.merges is None or not vocabulary.merges:
        suspects, untested = find_unreachable_by_library(vocabulary)
    else:
        suspects, untested = find_unmerged(vocabulary), 0
    return [number for number in suspects if uses is None or uses[number] == 0], untested


def find_unmerged(vocabulary: Vocabulary) -> list[int]:
    assert vocabulary.file is not None
    tokens = vocabulary.encoder.tokens
    whole = [number for number in vocabulary.entries if is_text(tokens[number])]
    parts = [number for number in vocabulary.entries if tokens[number] and not is_text(tokens[number])]
    found = fail(vocabulary.encoder.encode([tokens[number].decode() for number in whole]), whole)
    if vocabulary.encoder.in_kernel and parts:
        ids, bounds = vocabulary.encoder.encode_pieces(*join([tokens[number] for number in parts]))
        found += fail((ids, bounds), parts)
    return sorted(found)


def find_unreachable_by_library(vocabulary: Vocabulary) -> tuple[list[int], int]:
    """Of what a library encodes; entries that only go on a word have no text of their own (WordPiece)."""
    assert vocabulary.file is not None
    encoder = vocabulary.encoder
    inside = json.loads(vocabulary.file.content)["model"].get("continuing_subword_prefix")
    texts = {number: encoder.decode([number]) for number in vocabulary.entries}
    tested = [
        number
        for number, text in texts.items()
        if text and "\ufffd" not in text and not (inside and text.startswith(inside))
    ]
    return fail_everywhere(encoder, tested, [texts[number] for number in tested]), len(texts) - len(tested)


def read_pieces(file: Path, entries: list[int]) -> dict[int, str]:
    from sentencepiece import SentencePieceProcessor

    model: Any = SentencePieceProcessor(model_file=str(file))
    tested = [number for number in entries if not (model.is_byte(number) or model.is_unused(number))]
    return {number: model.id_to_piece(number).replace("▁", " ") for number in tested}


def fail_everywhere(encoder: Encoder, numbers: list[int], texts: list[str]) -> list[int]:
    """Those of the entries that no text ends with which ends with theirs, a space before it or not."""
    left = dict(zip(numbers, texts, strict=True))
    for before in BEFORE:
        for cut in (0, 1):
            some = [number for number, text in left.items() if cut == 0 or text.startswith(" ")]
            ids, bounds = encoder.encode([before + left[number][cut:] for number in some])
            common = int(encoder.count([before])[0]) if before else 0
            for number, begin, end in zip(some, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
                if end > begin and ids[end - 1] == number and end - begin <= common + 1:
                    del left[number]
    return list(left)


def fail(encoded: tuple[Any, Any], numbers: list[int]) -> list[int]:
    """Those of the entries whose encoding is not themselves."""
    import numpy as np

    ids, bounds = encoded
    own = np.array(numbers, np.int64)
    right = np.diff(bounds) == 1
    right[right] = ids[bounds[:-1][right]] == own[right]
    failed: list[int] = own[~right].tolist()
    return failed


def join(tokens: list[bytes]) -> tuple[Bytes, Offsets]:
    import numpy as np

    return np.frombuffer(b"".join(tokens), np.uint8), np.cumsum([0, *map(len, tokens)])


def is_text(token: bytes) -> bool:
    try:
        return bool(token.decode())
    except UnicodeDecodeError:
        return False


def read_uses(folder: Path, size: int) -> NDArray[np.int64] | None:
    """How often each id occurs in the mixture, if the tokenizer's folder has it."""
    import numpy as np
    import pyarrow.parquet as pq

    if not (folder / USAGE).is_file():
        return None
    table = pq.read_table(folder / USAGE, columns=["id", "uses"])
    ids, uses = table["id"].to_numpy(), np.zeros(size, np.int64)
    if table.num_rows != size or int(ids.max(initial=0)) >= size:  # of another tokenizer
        return None
    uses[ids] = table["uses"].to_numpy()
    return uses


def describe_unused(vocabulary: Vocabulary, uses: NDArray[np.int64], most: int) -> dict[str, Any]:
    """Entries that the mixture never yields.

    Some are parts of longer ones that it has, and were needed to make them; bytes are there for what may
    come, and some of them are in no UTF-8.
    """
    tokens, entries = vocabulary.encoder.tokens, vocabulary.entries
    unused = [number for number in entries if uses[number] == 0]
    parts = {part for merge in vocabulary.merges for part in merge}
    longer = [number for number in unused if len(tokens[number]) > 1]
    longer.sort(key=lambda number: (-len(tokens[number]), number))
    return {
        "entries": len(unused),
        "share": round(len(unused) / max(1, len(entries)), 4),
        "single_bytes": len(unused) - len(longer),
        "parts_of_others": sum(number in parts for number in longer),
        "some": [show_token(tokens[number]) for number in longer[:most]],
    }


def describe_scripts(vocabulary: Vocabulary, uses: NDArray[np.int64] | None) -> dict[str, dict[str, Any]]:
    """For each script how many entries it has, and the longest of them, which show what is junk."""
    tokens = vocabulary.encoder.tokens
    scripts: dict[str, list[int]] = {}
    for number in vocabulary.entries:
        scripts.setdefault(name_script(tokens[number]), []).append(number)
    order = Counter({script: len(numbers) for script, numbers in scripts.items()}).most_common()
    return {
        script: {
            "entries": count,
            "share": round(count / len(vocabulary.entries), 4),
            "uses": None if uses is None else int(uses[scripts[script]].sum()),
            "longest": list_longest(scripts[script], tokens, uses) if count >= LEAST_ENTRIES else [],
        }
        for script, count in order
    }


def list_longest(
    numbers: list[int], tokens: list[bytes], uses: NDArray[np.int64] | None
) -> list[dict[str, Any]]:
    longest = sorted(numbers, key=lambda number: (-len(tokens[number].decode("utf-8", "replace")), number))
    return [
        {
            "id": number,
            "token": show_token(tokens[number]),
            "uses": None if uses is None else int(uses[number]),
        }
        for number in longest[:LONGEST]
    ]


def show_token(token: bytes) -> str:
    """A token as text, with bytes that are not as \\x…"""
    return token.decode("utf-8", "backslashreplace")
