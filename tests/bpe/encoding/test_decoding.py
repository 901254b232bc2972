"""Any ids decode to what `tokenizers` makes of them, all at once or one after the other."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import DspipeError
from tests.bpe.encoding.support import make_texts, save, train


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    tokenizer = Tokenizer.from_str(json.dumps(train(make_texts(100))))
    tokenizer.add_special_tokens(["<｜mark｜>", "é", "Ġx"])  # two of them read as bytes
    tokenizer.add_tokens(["<plain>"])
    changed: dict[str, Any] = json.loads(tokenizer.to_str())
    return changed


@pytest.fixture(scope="module")
def encoder(description: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder(save(tmp_path_factory.mktemp("decoding"), description))


def test_any_ids_decode_as_the_library_decodes_them(encoder: Encoder, description: dict[str, Any]) -> None:
    theirs = Tokenizer.from_str(json.dumps(description))
    draw = random.Random(1)
    for _ in range(3000):
        # mostly the lone bytes, which seldom make characters
        ids = [draw.randrange(draw.choice([260, encoder.size])) for _ in range(draw.randint(0, 9))]
        assert encoder.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
        assert encoder.decode(ids, skip_special=True) == theirs.decode(ids, skip_special_tokens=True)
        assert encoder.decode_bytes(ids).decode("utf-8", "replace") == encoder.decode(ids)
        assert b"".join(encoder.tokens[number] for number in ids) == encoder.decode_bytes(ids)


def test_a_stream_gives_characters_as_they_are_complete_and_all_of_them_in_the_end(encoder: Encoder) -> None:
    draw = random.Random(2)
    for _ in range(1000):
        ids = [draw.randrange(draw.choice([260, encoder.size])) for _ in range(draw.randint(0, 12))]
        stream = encoder.stream()
        parts = [stream.push(number) for number in ids]
        assert "".join(parts) + stream.finish() == encoder.decode(ids)
    stream = encoder.stream()
    single = [encoder.tokens.index(bytes([byte])) for byte in "壶".encode()]
    assert [stream.push(number) for number in single] == ["", "", "壶"] and stream.finish() == ""


def test_an_id_that_does_not_exist_is_named(tmp_path: Path, description: dict[str, Any]) -> None:
    description = json.loads(json.dumps(description))
    description["added_tokens"][-1]["id"] += 5  # a gap
    encoder = Encoder(save(tmp_path, description))
    for number in (-1, encoder.size, 2**40, encoder.size - 3):
        with pytest.raises(DspipeError, match=f"no token {number}"):
            encoder.decode([1, number])
