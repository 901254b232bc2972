"""The stage's tokenizer is the one that `tokenizers` would train, and `transformers` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.bpe.pieces.patterns import PATTERNS
from dspipe.recipe import END, FIM_BEGIN, FIM_END, FIM_HOLE, Pattern, RecipeError, Tokenizer
from dspipe.shards import Artifact, Counts, open_artifact
from dspipe.tokenizer.stage import run
from dspipe.tokenizer.training import LEAST_MEMORY, choose_memory
from tests.bpe.counts.test_counting import make_languages, make_mixture
from tests.bpe.encoding.support import make_texts
from tests.bpe.encoding.support import train as train_by_library
from tests.support import make_output, make_workers

TEXTS: list[str | None] = [*make_texts(60), "def hum(x):\n    return x + 1\n" * 9]


def train(folder: Path, settings: Tokenizer, mixture: Artifact | None = None, workers: int = 1) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    mixture = mixture or make_mixture(folder / "mixture", TEXTS)
    used = make_workers(folder, workers)
    run(settings, mixture, make_output(folder / "tokenizer"), used)
    used._pool.close()
    return open_artifact(folder / "tokenizer")


def read_json(artifact: Artifact) -> dict[str, Any]:
    description: dict[str, Any] = json.loads((artifact.folder / "tokenizer.json").read_text("utf-8"))
    return description


@pytest.mark.parametrize("pattern", get_args(Pattern))
def test_vocabulary_and_merges_are_those_of_tokenizers(tmp_path: Path, pattern: Any) -> None:
    specials = ["<s>", "</s>", "<pad>"]
    ours = read_json(train(tmp_path, Tokenizer(vocab_size=700, pattern=pattern, specials=specials)))
    theirs = train_by_library([text or "" for text in TEXTS], 700, pattern, tuple(specials))
    assert ours["model"]["merges"] == theirs["model"]["merges"]
    assert ours["model"]["vocab"] == theirs["model"]["vocab"]
    assert ours["pre_tokenizer"] == theirs["pre_tokenizer"]


def test_every_pattern_of_the_recipe_is_known() -> None:
    assert set(get_args(Pattern)) == set(PATTERNS)


def test_the_layout_is_that_of_deepseek(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=300))
    encoder = Encoder(made.folder)
    assert encoder.special(END) == 1 and read_json(made)["model"]["vocab"]["Ċ"] == 201  # as released
    assert [encoder.special(token) for token in (FIM_HOLE, FIM_BEGIN, FIM_END)] == [300, 301, 302]
    facts = made.manifest.facts
    assert (facts["vocabulary"], facts["base"], facts["model_rows"]) == (315, 300, 384)
    assert facts["line"][0].startswith("300 entries and 15 added tokens")


def test_other_lists_of_tokens_come_from_the_recipe(tmp_path: Path) -> None:
    settings = Tokenizer(vocab_size=300, specials=["<first>"], added=["<x>", "<y>"], placeholders=1)
    encoder = Encoder(train(tmp_path, settings).folder)
    assert encoder.special("<first>") == 0 and encoder.special("<x>") == 301 and encoder.size == 303


def test_a_corpus_too_small_for_the_vocabulary_ends_with_what_it_supports(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=50_000))
    assert 300 < made.manifest.facts["base"] < 1500
    assert "the text supports no more: 50,000 were asked for" in made.manifest.facts["line"][0]


def test_an_empty_mixture_gives_the_bytes(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=300), make_mixture(tmp_path / "mixture", []))
    encoder = Encoder(made.folder)
    assert made.manifest.facts["base"] == 259
    assert encoder.decode(encoder.encode(["naïve 水"])[0]) == "naïve 水"


def test_transformers_gives_the_same_ids(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = train(tmp_path, Tokenizer(vocab_size=400)).folder
    encoder, theirs = Encoder(folder), AutoTokenizer.from_pretrained(folder)
    for text in [*TEXTS[:3], "naïve 👩‍🚀\r\n\r\n x\t\t 12345", " leading"]:
        assert theirs(text, add_special_tokens=False)["input_ids"] == encoder.encode([text or ""])[0].tolist()
        assert theirs.decode(encoder.encode([text or ""])[0].tolist()) == text
    assert theirs.eos_token_id == 1 and theirs.pad_token_id == 2


def test_the_bytes_are_the_same_for_any_workers_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixture = make_mixture(tmp_path / "mixture", TEXTS)
    made = [train(tmp_path / f"{count}", Tokenizer(vocab_size=500), mixture, count) for count in (1, 2)]
    monkeypatch.setattr("dspipe.tokenizer.training.choose_memory", lambda workers: 1)
    monkeypatch.setattr("dspipe.bpe.merges.training.LEAST_MEMORY", 10_000)
    made.append(train(tmp_path / "little", Tokenizer(vocab_size=500), mixture))
    assert len({tuple(part.xxh3 for part in one.manifest.parts) for one in made}) == 1


def test_documents_that_are_not_sampled_are_counted(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=300, temperature=3.0, seed=1), make_languages(tmp_path / "m"))
    counts = made.manifest.counts
    assert counts == Counts(700, made.manifest.facts["documents"], dropped=counts.dropped)
    assert counts.dropped["not-sampled"] > 100 and made.manifest.facts["sample"]["sw"]["kept"] > 0


def test_a_special_token_that_text_makes_is_refused(tmp_path: Path) -> None:
    mixture = make_mixture(tmp_path / "mixture", ["kettle kettle"] * 5)
    with pytest.raises(RecipeError, match=r"tokenizer\.specials: kettle is a piece of text"):
        train(tmp_path, Tokenizer(vocab_size=300, specials=["kettle"]), mixture)


def test_sentencepiece_trains_where_the_recipe_says_so(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=400, trainer="sentencepiece"))
    assert [part.file for part in made.manifest.parts] == ["tokenizer.model"]
    encoder = Encoder(made.folder)
    assert encoder.size == made.manifest.facts["vocabulary"] == made.manifest.parts[0].rows
    assert encoder.decode(encoder.encode(["def f():\n\treturn 水"])[0]) == "def f():\n\treturn 水"


def test_memory_is_what_the_processes_leave(tmp_path: Path) -> None:
    workers = make_workers(tmp_path)
    assert choose_memory(workers) > 1 << 30
    workers.memory, workers.count = 2 << 30, 2
    assert choose_memory(workers) == (2048 - 750) << 20
    workers.memory = 1 << 20
    assert choose_memory(workers) == LEAST_MEMORY


@pytest.mark.parametrize(
    "settings",
    [
        Tokenizer(vocab_size=300, added=["<a>", "<｜end▁of▁sentence｜>"]),
        Tokenizer(vocab_size=300, specials=["<a>", "<｜fim▁hole｜>"]),
        Tokenizer(vocab_size=300, specials=["<a>", "<｜fim▁hole｜>"], trainer="sentencepiece"),
    ],
)
def test_a_token_that_is_there_twice_is_refused_before_the_work(tmp_path: Path, settings: Tokenizer) -> None:
    with pytest.raises(RecipeError, match=r"tokenizer\.added: .* is there twice"):
        train(tmp_path, settings)
    assert not list((tmp_path / "tokenizer").iterdir())


def test_an_entry_that_is_an_added_token_too_leaves_the_counts_right(tmp_path: Path) -> None:
    made = train(tmp_path, Tokenizer(vocab_size=400, added=["kettle", "<x>"]))
    assert made.manifest.facts["base"] == 400 and "supports no more" not in made.manifest.facts["line"][0]


def test_training_leaves_the_settings_as_they_are(tmp_path: Path) -> None:
    settings = Tokenizer(vocab_size=400, trainer="sentencepiece", specials=["<a>"])
    train(tmp_path, settings)
    assert settings.specials == ["<a>"]
