"""`dspipe convert`: the libraries' own readers see our rows, one for one; nothing half done or altered."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dspipe.commands.convert import datatrove, megatron
from dspipe.commands.convert.packed import PackedRows
from dspipe.recipe import DspipeError, RecipeError
from tests.commands.packs import PADDING, ROWS, SIZE, kettle, list_documents, write_sequences
from tests.commands.runs import call


def read_tokens(run: Path, *files: str) -> np.ndarray[Any, Any]:
    tables = [pa.ipc.open_file(pa.memory_map(str(run / "sequences" / file))).read_all() for file in files]
    return np.concatenate([np.array(table["tokens"].to_pylist(), np.int64) for table in tables])


TRAINING = {
    32: ("L32/part-00000.arrow", "L32/part-00001.arrow"),
    64: ("L64/part-00000.arrow",),
}


def convert(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("convert", *arguments, "--json")
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_megatron_reads_rows_as_sequences_and_trains_on_exactly_them(
    packed: Path, moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that needs Megatron is one test, because it takes a dozen seconds to import."""
    pytest.importorskip("megatron", reason="no wheel of it for this Python")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a machine with a GPU would have
        from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
        from megatron.core.datasets.indexed_dataset import DType, IndexedDataset
        from megatron.core.datasets.utils import Split

        shutil.rmtree(moving / "tokenizer")  # so that the rows say how many tokens there are
        write_sequences(moving / "sequences", list_documents(), added=70_000)
        for run, source, form, files in (
            (packed, "L32", "uint16", TRAINING[32]),
            (packed, "L64", "uint16", TRAINING[64]),
            (packed, "validation/L32.arrow", "uint16", ("validation/L32.arrow",)),
            (moving, "L32", "int32", TRAINING[32]),
        ):
            target = tmp_path / "new" / f"{run.name} {source}"
            wanted = read_tokens(run, *files)
            report = convert(capsys, run / "sequences" / source, target, "--format", "megatron")
            assert report["rows"] == len(wanted) and report["type"] == form
            read = IndexedDataset(str(target))
            assert read.index.dtype == np.dtype(form)
            assert np.array_equal(np.stack([read[row] for row in range(len(read))]), wanted)
            assert np.array_equal(read.document_indices, np.arange(len(wanted) + 1))
        for size in (262, 65_499, 65_500, 129_280):
            assert megatron.choose_type(sized(size)) == np.dtype(DType.optimal_dtype(size))

        target, wanted = tmp_path / "new" / f"{packed.name} L32", read_tokens(packed, *TRAINING[32])
        tokenizer = SimpleNamespace(vocab_size=SIZE, eod=1, pad=PADDING, unique_identifiers={"class": "ours"})
        config = GPTDatasetConfig(
            random_seed=3, sequence_length=32, blend=([str(target)], None), split="1",
            path_to_cache=str(tmp_path / "cache"), tokenizer=tokenizer, reset_position_ids=True,
            reset_attention_mask=False, eod_mask_loss=False, add_extra_token_to_sequence=False,
        )  # fmt: skip
        numbers = np.arange(len(wanted), dtype=np.int32)
        dataset = GPTDataset(IndexedDataset(str(target)), str(target), numbers, None, Split.train, config)
        samples = [dataset[number] for number in range(len(dataset))]
    seen = sorted(sample["tokens"].tolist() for sample in samples)
    assert seen == sorted(np.where(wanted == PADDING, 0, wanted).tolist())
    padding = [int((row == PADDING).sum()) for row in wanted]
    masked = [int((sample["loss_mask"] == 0).sum()) for sample in samples]
    assert sorted(masked) == sorted(min(32, number + 1) for number in padding)  # the last has no label


def sized(size: int) -> PackedRows:
    return PackedRows(Path(), [], 32, None, size)


def test_tokens_are_as_wide_as_datatrove_has_them() -> None:
    assert datatrove.choose_type(sized(65_536)) == np.dtype("u2")
    assert datatrove.choose_type(sized(65_537)) == np.dtype("u4")


def test_many_tokens_make_four_bytes_of_each(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datatrove.utils.dataset import DatatroveFileDataset

    shutil.rmtree(moving / "tokenizer")
    write_sequences(moving / "sequences", list_documents(), added=70_000)
    wanted = read_tokens(moving, *TRAINING[32])
    report = convert(capsys, moving / "sequences" / "L32", tmp_path / "rows", "--format", "datatrove")
    windows = DatatroveFileDataset(str(tmp_path / "rows.ds"), 31, token_size=4)
    assert report["type"] == "uint32"
    assert np.array_equal(np.stack([windows[row]["input_ids"] for row in range(len(windows))]), wanted)
    assert (tmp_path / "rows.ds.metadata").read_text().startswith("Unknown Tokenizer|4\n")


@pytest.mark.parametrize("length", [32, 64])
def test_datatrove_reads_a_row_as_a_window(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], length: int
) -> None:
    from datatrove.utils.dataset import DatatroveFileDataset, DatatroveFolderDataset

    wanted = read_tokens(packed, *TRAINING[length])
    convert(capsys, packed / "sequences" / f"L{length}", tmp_path / "rows.ds", "--format", "datatrove")
    for read in (
        DatatroveFileDataset(str(tmp_path / "rows.ds"), length - 1, token_size=2),
        DatatroveFolderDataset(str(tmp_path), length - 1, token_size=2),
    ):
        assert np.array_equal(np.stack([read[row]["input_ids"] for row in range(len(read))]), wanted)


def test_datatrove_begins_its_positions_anew_with_every_document(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datatrove.utils.dataset import DatatroveFileDataset

    convert(capsys, packed / "sequences" / "L32", tmp_path / "rows", "--format", "datatrove")
    read = DatatroveFileDataset(str(tmp_path / "rows.ds"), 31, token_size=2, return_positions=True)
    for number, row in enumerate(row for part in ROWS[32] for row in part):
        lengths = [chunk.length for chunk in row]
        spans = [*lengths, 32 - sum(lengths)]
        wanted = [position for span in spans for position in range(span)]
        assert read[number]["positions"].tolist() == wanted


def test_datatroves_metadata_name_the_tokenizer_and_count_the_tokens(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(capsys, packed / "sequences" / "L32", tmp_path / "rows", "--format", "datatrove")
    lines = (tmp_path / "rows.ds.metadata").read_text().splitlines()
    assert lines == [f"{packed}/tokenizer/tokenizer.json|2", str(6 * 32), "192 T"]


def test_hugging_face_datasets_loads_our_parts_as_they_are(packed: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    files = [str(packed / "sequences" / file) for file in TRAINING[32]]
    loaded = load_dataset("arrow", data_files=files, split="train", cache_dir=str(tmp_path))
    wanted = read_tokens(packed, *TRAINING[32])
    assert np.array_equal(np.array(loaded["tokens"]), wanted)
    assert loaded[0]["documents"] == [kettle(0), kettle(1)] and loaded[1]["fim"] == [True, False]
    assert loaded.features["tokens"].length == 32
    streamed = load_dataset("arrow", data_files=files, split="train", streaming=True)
    assert [row["tokens"] for row in streamed] == wanted.tolist()
    held_out = load_dataset(
        "arrow", data_files=str(packed / "sequences" / "validation" / "L32.arrow"), split="train",
        cache_dir=str(tmp_path),
    )  # fmt: skip
    assert held_out["domain"] == ["code", "web"]


def test_sequences_of_one_length_stand_for_their_training_rows(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecipeError, match=r"rows of several lengths; name one: .*/L32 or .*/L64"):
        call("convert", moving / "sequences", tmp_path / "rows", "--format", "megatron")
    manifest = moving / "sequences" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["parts"] = [part for part in content["parts"] if part["file"].startswith("L32/")]
    manifest.write_text(json.dumps(content))
    assert convert(capsys, moving / "sequences", tmp_path / "rows", "--format", "megatron")["rows"] == 6


def test_a_token_that_the_tokenizer_does_not_have_is_refused(moving: Path, tmp_path: Path) -> None:
    write_sequences(moving / "sequences", list_documents(), added=200)
    with pytest.raises(
        DspipeError, match=rf"L32/part-00000.arrow:0: has the token \d+, but .* {SIZE} tokens"
    ):
        call("convert", moving / "sequences" / "L32", tmp_path / "rows", "--format", "megatron")
    assert not list(tmp_path.glob("*rows*"))


@pytest.mark.parametrize("form", ["megatron", "datatrove"])
def test_an_altered_row_is_refused_and_what_was_there_stays(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    source = moving / "sequences" / "L32"
    convert(capsys, source, tmp_path / "rows", "--format", form)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("rows*")}
    part = source / "part-00001.arrow"
    padding = np.full(16, PADDING, np.uint32)
    altered = padding.copy()
    altered[-1] += 1
    part.write_bytes(part.read_bytes().replace(padding.tobytes(), altered.tobytes(), 1))
    with pytest.raises(DspipeError, match=r"L32/part-00001.arrow:0: the row is not what was packed"):
        call("convert", source, tmp_path / "rows", "--format", form, "--force")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*rows*")} == before


def test_what_is_there_is_not_written_over_unless_asked_for(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = packed / "sequences" / "L32", tmp_path / "rows"
    convert(capsys, source, target, "--format", "megatron")
    with pytest.raises(RecipeError, match=r"rows.bin: is there already; add --force"):
        call("convert", source, target, "--format", "megatron")
    before = (tmp_path / "rows.idx").read_bytes()
    convert(capsys, packed / "sequences" / "L64", target, "--format", "megatron", "--force")
    assert (tmp_path / "rows.idx").read_bytes() != before


def test_what_cannot_be_converted_is_said(packed: Path, tmp_path: Path) -> None:
    rows = packed / "sequences" / "L32"
    for source, target, options, message in [
        (packed / "mixture", tmp_path / "x", [], "nothing to convert; give packed rows"),
        (tmp_path / "nowhere", tmp_path / "x", [], "nothing to convert; give packed rows"),
        (packed / "sequences" / "L48", tmp_path / "x", ["--format", "megatron"], "no packed rows there"),
        (rows, tmp_path / "x", [], "say for whom: --format megatron or datatrove"),
        (rows, tmp_path, ["--format", "megatron"], "give how the files' names begin"),
    ]:
        with pytest.raises(RecipeError, match=message):
            call("convert", source, target, *options)


def test_on_a_terminal_it_says_what_it_wrote(
    packed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("convert", packed / "sequences" / "L32", tmp_path / "rows", "--format", "megatron")
    first, *files = capsys.readouterr().out.splitlines()
    assert first == "6 rows of 32 tokens as uint16, 546 B"
    assert [Path(line.strip()).name for line in files] == ["rows.bin", "rows.idx"]
