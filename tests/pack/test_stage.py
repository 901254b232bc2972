"""The stage: every document comes back from the rows, held-out ones apart, in the same bytes always."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.pack.documents import Documents
from dspipe.pack.encoding import Encoding, encode_part
from dspipe.pack.stage import run
from dspipe.recipe import BEGIN, END, FIM_BEGIN, PAD, DspipeError, Marks, Pack, RecipeError
from dspipe.schema import MIXTURE, sequences, validation
from dspipe.shards import Artifact, Journal
from dspipe.workers import Pool, Workers
from tests.pack.packing import (
    join_chunks,
    list_chunks,
    make_inputs,
    make_texts,
    pack,
    read_sequences,
    read_text,
)
from tests.reference.packing import checksum_slowly
from tests.support import document, make_artifact, make_output, read_rows

HOSTILE = ["", "a", "é", f"{FIM_BEGIN} and {END} are text here", "\n\n", ".\n" * 200, PAD]
EVERY = Pack(sequence_length=64, fim_rate=0.5, spm_rate=0.5, split_rate=0.5, validation=0.3, seed=1)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Artifact]:
    return make_inputs(tmp_path_factory.mktemp("inputs"), [*make_texts(150), *HOSTILE], parts=3)


@pytest.mark.parametrize(
    "settings",
    [
        EVERY,
        Pack(sequence_length=64, fim_rate=1.0, validation=0.0, window=300, seed=1),
        Pack(sequence_length=[32, 128], overlap=5, bos=True, validation=0.2, seed=1),
        Pack(sequence_length=64, mode="concatenate", window=500, eos=False, validation=0.1, seed=1),
        Pack(sequence_length=64, max_documents=2, bos=True, eos=False, seed=1),
    ],
)
def test_every_document_comes_back_from_the_rows(
    tmp_path: Path, inputs: tuple[Artifact, Artifact], settings: Pack
) -> None:
    mixture, tokenizer = inputs
    artifact = pack(tmp_path, mixture, tokenizer, settings)
    encoder, texts = Encoder(tokenizer.folder), {row["id"]: row["text"] for row in read_rows(mixture)}
    names = [row["id"] for row in read_rows(mixture)]
    lengths = settings.sequence_length
    for length in lengths if isinstance(lengths, list) else [lengths]:
        rows = [row for row in read_sequences(artifact) if len(row["tokens"]) == length]
        held = read_sequences(artifact, f"validation/L{length}.arrow")
        trained, apart = (join_chunks(list_chunks(part)) for part in (rows, held))
        found = {name: read_text(tokens, encoder) for (name, _), tokens in (trained | apart).items()}
        whole = {name: text for name, text in texts.items() if text}
        assert {name: text for name, text in found.items() if text} == whole
        assert settings.eos <= ("" in found.values())  # without marks a document of no text has no token
        assert not trained.keys() & apart.keys()
        assert bool(apart) == (settings.validation > 0)
        for row in [*rows, *held]:
            assert len(row["tokens"]) == length
            assert set(row["tokens"][sum(row["lengths"]) :]) <= {encoder.special(PAD)}
            assert row["checksum"] == checksum_slowly(row["tokens"], row["lengths"])
        for chunk in list_chunks([*rows, *held]):
            assert names[chunk["places"]] == chunk["documents"]
        for (_, _), tokens in trained.items():
            assert (tokens[0] == encoder.special(BEGIN)) == settings.bos
            assert (tokens[-1] == encoder.special(END)) == settings.eos


def test_infilled_documents_are_named_and_have_their_sentinels(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    artifact = pack(tmp_path, *inputs, EVERY)
    begin = Encoder(inputs[1].folder).special(FIM_BEGIN)
    chunks = list_chunks(read_sequences(artifact)) + list_chunks(
        read_sequences(artifact, "validation/L64.arrow")
    )
    first = [chunk for chunk in chunks if chunk["starts"] == 0]
    assert {chunk["tokens"][0] == begin == begin for chunk in first} == {True, False}
    assert all((chunk["tokens"][0] == begin) == chunk["fim"] for chunk in first)


def test_held_out_rows_are_told_apart_and_hold_no_splits_and_no_repeats(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    mixture, tokenizer = inputs
    rows = [{**row, "draw": draw} for row in read_rows(mixture) for draw in (0, 1)]
    twice = make_artifact(tmp_path / "mixture", [rows[:200], rows[200:]], MIXTURE)
    artifact = pack(tmp_path, twice, tokenizer, EVERY)
    facts = {row["id"]: (row["domain"], row["language"]) for row in rows}
    held = read_sequences(artifact, "validation/L64.arrow")
    assert len({(row["domain"], row["language"], *set(row["fim"])) for row in held}) == 12
    assert all(len(set(row["fim"])) == 1 for row in held)
    for row in held:
        assert {facts[name] for name in row["documents"]} == {(row["domain"], row["language"])}
    apart, trained = (join_chunks(list_chunks(part)) for part in (held, read_sequences(artifact)))
    assert {draw for _, draw in apart} == {0}
    assert not {name for name, _ in apart} & {name for name, _ in trained}
    assert Counter(draw for _, draw in trained) == {0: len(trained) // 2, 1: len(trained) // 2}
    counts = artifact.manifest.counts
    assert counts.dropped == {"validation": len(apart), "validation-repeat": len(apart)}
    assert counts.in_ == len(rows) and counts.out == len(trained)
    encoder = Encoder(tokenizer.folder)
    plain = {name: tokens for (name, _), tokens in apart.items() if tokens[0] != encoder.special(FIM_BEGIN)}
    for row in rows:
        if row["id"] in plain:
            assert plain[row["id"]][:-1] == encoder.encode([row["text"]])[0].tolist()


def test_the_share_held_out_is_that_of_documents_and_depends_on_nothing_but_seed_and_id(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    texts = [f"document {n}" for n in range(3000)]
    mixture = make_artifact(
        tmp_path / "mixture", [[{**document(text), "cluster": "c", "draw": 0} for text in texts]], MIXTURE
    )
    found = []
    for name, settings in {
        "a": Pack(sequence_length=64, validation=0.1, seed=1),
        "b": Pack(sequence_length=128, validation=0.1, fim_rate=0.9, seed=1),
        "c": Pack(sequence_length=128, validation=0.1, seed=2),
    }.items():
        artifact = pack(tmp_path / name, mixture, inputs[1], settings)
        length = settings.sequence_length
        held = read_sequences(artifact, f"validation/L{length}.arrow")
        found.append({name for row in held for name in row["documents"]})
    assert found[0] == found[1] != found[2]
    assert abs(len(found[0]) / 3000 - 0.1) < 0.02


def test_rows_are_read_as_one_array_without_a_copy(tmp_path: Path, inputs: tuple[Artifact, Artifact]) -> None:
    artifact = pack(tmp_path, *inputs, EVERY)
    with pa.memory_map(str(artifact.files[0])) as mapped:
        reader, before = pa.ipc.open_file(mapped), pa.total_allocated_bytes()
        assert reader.schema == sequences(64)
        batch = reader.get_batch(0)
        array = batch["tokens"].flatten().to_numpy(zero_copy_only=True).reshape(-1, 64)
        assert pa.total_allocated_bytes() == before
        assert array.dtype == np.uint32 and len(array) == artifact.rows
    with pa.memory_map(str(artifact.folder / "validation" / "L64.arrow")) as mapped:
        assert pa.ipc.open_file(mapped).schema == validation(64)


def test_several_lengths_lie_side_by_side_with_the_same_tokens(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    artifact = pack(tmp_path, *inputs, Pack(sequence_length=[32, 128], seed=1))
    assert [part.file for part in artifact.manifest.parts] == [
        "L32/part-00000.arrow",
        "L128/part-00000.arrow",
    ]
    assert [part.file for part in artifact.manifest.beside] == [
        "validation/L32.arrow",
        "validation/L128.arrow",
    ]
    short, long = (
        join_chunks(list_chunks([row for row in read_sequences(artifact) if len(row["tokens"]) == length]))
        for length in (32, 128)
    )
    assert short == long
    assert sum(map(len, short.values())) == artifact.manifest.facts["tokens"]


def test_the_bytes_are_the_same_for_any_number_of_workers_and_parts_of_rows(
    tmp_path: Path, inputs: tuple[Artifact, Artifact], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Pack(sequence_length=[64, 32], window=2000, seed=1)
    digests = [
        [part.xxh3 for part in pack(tmp_path / str(count), *inputs, settings, count).manifest.parts]
        for count in (1, 3)
    ]
    assert digests[0] == digests[1] and len(digests[0]) > 4


def test_a_tokenizer_without_a_mark_is_refused_before_any_work(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    with pytest.raises(DspipeError, match=r"pack\.marks\.end.*<eod>"):
        pack(tmp_path, *inputs, Pack(marks=Marks(end="<eod>")))
    assert not list((tmp_path / "sequences").iterdir())
    settings = Pack(sequence_length=64, eos=False, fim_rate=0.0, marks=Marks(end="<eod>", fim_hole="<h>"))
    assert pack(tmp_path, *inputs, settings).rows > 0


def test_windows_keep_the_shares_of_the_mixture(tmp_path: Path, inputs: tuple[Artifact, Artifact]) -> None:
    texts = [text + str(n) for n, text in enumerate(make_texts(1200))]
    rows = [
        {**document(text, domain=("web", "code", "math")[n % 3]), "cluster": "c", "draw": 0}
        for n, text in enumerate(texts)
    ]
    shuffled = make_artifact(tmp_path / "mixture", [rows], MIXTURE)
    artifact = pack(
        tmp_path, shuffled, inputs[1], Pack(sequence_length=64, window=20_000, validation=0, seed=1)
    )
    domains = {row["id"]: row["domain"] for row in rows}
    assert len(artifact.files) >= 3
    for file in artifact.files[:-1]:
        with pa.memory_map(str(file)) as mapped:
            chunks = list_chunks(pa.ipc.open_file(mapped).read_all().to_pylist())
        tokens: Counter[str] = Counter()
        for chunk in chunks:
            tokens[domains[chunk["documents"]]] += len(chunk["tokens"])
        assert all(abs(count / tokens.total() - 1 / 3) < 0.1 for count in tokens.values())


def test_a_stage_that_is_stopped_goes_on_to_the_same_bytes(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    settings = Pack(sequence_length=[64, 32], window=2000, validation=0.1, fim_rate=0.5, seed=1)
    whole = digest(pack(tmp_path / "whole", *inputs, settings))
    for stop in (0, 2, 3, 7):  # finished tasks: three parts are encoded, then rows are laid
        folder = tmp_path / str(stop)
        journal = Stopping(folder / ".progress" / "test", stop)
        with pytest.raises(KeyboardInterrupt):
            run(settings, *inputs, make_output(folder / "sequences"), Workers(Pool(1), journal))
        assert digest(pack(folder, *inputs, settings)) == whole


class Stopping(Journal):
    """Interrupts before more than some tasks are noted as finished."""

    def __init__(self, folder: Path, stop: int) -> None:
        super().__init__(folder)
        self.left = stop

    def save(self, key: str, record: object) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        super().save(key, record)


def digest(artifact: Artifact) -> list[str]:
    return [part.xxh3 for part in (*artifact.manifest.parts, *artifact.manifest.beside)]


def test_a_tokenizer_that_puts_spaces_before_texts_is_not_infilled(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    mixture, tokenizer = inputs
    file = tokenizer.folder / "tokenizer.json"
    content = json.loads(file.read_text("utf-8"))
    content["pre_tokenizer"]["pretokenizers"][-1]["add_prefix_space"] = True
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    spaced = Artifact(tmp_path, tokenizer.manifest)
    with pytest.raises(RecipeError, match=r"pack\.fim_rate: the tokenizer puts a space"):
        pack(tmp_path / "a", mixture, spaced, Pack(sequence_length=64))
    artifact = pack(tmp_path / "b", mixture, spaced, Pack(sequence_length=64, fim_rate=0, split_rate=1.0))
    encoder = Encoder(tmp_path)
    texts = {row["id"]: row["text"] for row in read_rows(mixture)}
    for (name, _), tokens in join_chunks(list_chunks(read_sequences(artifact))).items():
        assert encoder.decode(tokens[:-1]) == encoder.decode(encoder.encode([texts[name]])[0])


def test_a_mixture_that_is_held_out_whole_leaves_no_rows_to_train_on(
    tmp_path: Path, inputs: tuple[Artifact, Artifact]
) -> None:
    artifact = pack(tmp_path, *inputs, Pack(sequence_length=64, validation=1.0))
    assert artifact.rows == 0 and artifact.manifest.facts["L64"]["padding"] == 0
    assert artifact.manifest.counts.dropped == {"validation": inputs[0].rows}


def test_a_mixture_without_parts_gives_no_rows(tmp_path: Path, inputs: tuple[Artifact, Artifact]) -> None:
    artifact = pack(tmp_path, make_artifact(tmp_path / "mixture", [], MIXTURE), inputs[1], Pack())
    assert artifact.rows == 0 and artifact.manifest.counts.in_ == 0


def test_windows_end_with_tokens_or_with_documents(tmp_path: Path, inputs: tuple[Artifact, Artifact]) -> None:
    settings = Pack(sequence_length=64, validation=0.2)
    coded = [
        encode_part(Encoding(number, part, inputs[1].folder / "tokenizer.json", tmp_path, settings))
        for number, part in enumerate(inputs[0].files)
    ]
    documents = Documents(tmp_path, [one.documents for one in coded])
    for size, most in ((1, 9), (500, 1000), (500, 7), (10**9, 11), (10**9, 10**9)):
        windows = [(numbers.tolist(), lengths.tolist()) for numbers, lengths in documents.windows(size, most)]
        assert sum(len(numbers) for numbers, _ in windows) == sum(
            one.documents - one.validation - one.repeats for one in coded
        )
        assert [n for numbers, _ in windows for n in numbers] == sorted(n for ns, _ in windows for n in ns)
        for numbers, lengths in windows[:-1]:
            assert len(numbers) == most or sum(lengths[:-1]) < size <= sum(lengths)
            assert len(numbers) <= most
