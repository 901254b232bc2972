"""How often tokens occur, counted on distinct pieces, is how often they occur in the texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from dspipe.bpe.counts.counting import count_pieces
from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import Tokenizer
from dspipe.tokenizer import usage
from dspipe.tokenizer.usage import count_uses
from tests.bpe.counts.test_counting import make_mixture
from tests.support import make_workers
from tests.tokenizer.test_stage import TEXTS, train


def test_uses_are_those_in_the_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = make_mixture(tmp_path / "mixture", [*TEXTS, *TEXTS[:20]])
    made = train(tmp_path, Tokenizer(vocab_size=400), mixture)
    encoder = Encoder(made.folder)
    ids, _ = encoder.encode([text or "" for text in [*TEXTS, *TEXTS[:20]]])
    expected = np.bincount(ids, minlength=encoder.size)
    table = pq.read_table(made.folder / "usage.parquet")
    assert table["uses"].to_pylist() == expected.tolist() and made.manifest.facts["tokens"] == ids.size
    assert table["token"].to_pylist() == encoder.tokens
    monkeypatch.setattr(usage, "PIECES_AT_ONCE", 7)
    counted = count_pieces(mixture.files, Tokenizer(), make_workers(tmp_path / "again"))
    assert count_uses(counted.blocks, encoder).tolist() == expected.tolist()
