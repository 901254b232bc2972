"""From a trained run to folders that others load, and back to train on: by the command line, end to end."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from dspipe.bpe.encoding.encoder import Encoder
from dspipe.recipe import DspipeError
from dspipe.shards import open_artifact
from tests.commands.runs import call
from tests.export.trained import TEXT, run, write_recipe
from tests.model.checkpoint.written import load_transformers, read_files, same_bits


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `shards/tiny`, exported in FP8 in several files."""
    folder = tmp_path_factory.mktemp("trained")
    recipe = write_recipe(folder)
    options = ["--workers", 1, "--set", "export.dtype=fp8", "--set", "export.shard_bytes=60000"]
    run(folder, "run", recipe, *options)
    return folder


def read_ours(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def convert(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("convert", *arguments, "--json")
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_the_stage_lists_every_file_that_it_wrote(trained: Path) -> None:
    hf = open_artifact(trained / "shards" / "tiny" / "hf")
    files = [part.file for part in hf.manifest.parts]
    assert sorted(files) == sorted(path.name for path in hf.folder.iterdir() if path.name != "manifest.json")
    assert files[0] == "config.json" and "model.safetensors.index.json" in files
    weights = [part for part in hf.manifest.parts if part.file.endswith(".safetensors")]
    assert len(weights) > 1 and hf.manifest.counts.out == 73
    assert hf.manifest.facts["line"] == ["70,300 numbers in 73 tensors, fp8"]
    config = json.loads((hf.folder / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"]) == (0, 1)
    assert (config["vocab_size"], config["max_position_embeddings"]) == (384, 32)


def test_the_exported_tokenizer_gives_the_ids_that_were_trained_on(trained: Path) -> None:
    hf = trained / "shards" / "tiny" / "hf"
    theirs = transformers.AutoTokenizer.from_pretrained(hf)
    ours = Encoder(trained / "shards" / "tiny" / "tokenizer")
    for text in (TEXT, "x\n\n  y 12345 ｜", "<｜end▁of▁sentence｜>"[:5]):
        assert theirs(text, add_special_tokens=False)["input_ids"] == ours.encode([text])[0].tolist()
    assert theirs.bos_token_id == 0 and theirs.eos_token_id == 1


def test_a_model_goes_out_in_float32_and_comes_back_with_the_same_bits(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained / "shards" / "tiny" / "model"
    out = convert(capsys, model, tmp_path / "out", "--dtype", "f32")
    assert (out["format"], out["type"], out["numbers"]) == ("hugging-face", "float32", 70_300)
    assert {Path(file) for file in out["files"]} == set((tmp_path / "out").iterdir())
    back = convert(capsys, tmp_path / "out", tmp_path / "back")
    assert (back["format"], back["type"], back["tensors"]) == ("model", "float32", 48)
    ours, again = read_ours(model), read_ours(tmp_path / "back")
    assert ours.keys() == again.keys() and all(same_bits(ours[name], again[name]) for name in ours)
    made, given = (open_artifact(folder).manifest for folder in (tmp_path / "back", model))
    assert made.artifact == "model" and made.facts["vocabulary"] == given.facts["vocabulary"]
    assert made.settings["model"] == given.settings["model"]
    assert json.loads((tmp_path / "back" / "recipe.json").read_text()) == {
        "train": {"model": given.settings["model"]}
    }
    call("inspect", tmp_path / "back")


@pytest.mark.parametrize("dtype", ["bf16", "fp8"])
def test_a_narrow_model_comes_back_byte_for_byte(
    dtype: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(capsys, trained / "shards" / "tiny" / "model", tmp_path / "out", "--dtype", dtype)
    convert(capsys, tmp_path / "out", tmp_path / "ours")
    convert(capsys, tmp_path / "ours", tmp_path / "again", "--dtype", dtype)
    assert read_files(tmp_path / "again") == read_files(tmp_path / "out")


def test_multi_token_prediction_is_left_out_where_it_is_not_wanted(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained / "shards" / "tiny" / "model"
    convert(capsys, model, tmp_path / "out", "--no-mtp")
    _, info = load_transformers(tmp_path / "out")
    assert not info["unexpected_keys"] and not info["missing_keys"]
    convert(capsys, trained / "shards" / "tiny" / "hf", tmp_path / "ours", "--no-mtp")
    assert open_artifact(tmp_path / "ours").manifest.settings["model"]["mtp_depth"] == 0
    assert not [name for name in read_ours(tmp_path / "ours") if name.startswith("depths.")]


def test_the_average_of_the_weights_is_exported_where_it_is_asked_for(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "data", tmp_path / "data")
    use = f'[use]\nmixture = "{trained}/shards/tiny/mixture"\ntokenizer = "{trained}/shards/tiny/tokenizer"\n'
    recipe = write_recipe(tmp_path, "averaged", 3, "average = 0.5\n")
    recipe.write_text(recipe.read_text() + use)
    run(
        tmp_path,
        "run",
        recipe,
        "--workers",
        1,
        "--set",
        "export.average=true",
        "--set",
        "export.dtype=float32",
    )
    model = tmp_path / "shards" / "averaged" / "model"
    convert(capsys, model, tmp_path / "weights", "--dtype", "f32")
    convert(capsys, model, tmp_path / "average", "--dtype", "f32", "--average")
    own, averaged = (load_file(tmp_path / name / "model.safetensors") for name in ("weights", "average"))
    exported = load_file(tmp_path / "shards" / "averaged" / "hf" / "model.safetensors")
    assert all(torch.equal(averaged[name], exported[name]) for name in averaged)
    kept = load_file(model / "average" / "model.safetensors")
    assert torch.equal(averaged["lm_head.weight"], kept["head"])
    assert not torch.equal(averaged["lm_head.weight"], own["lm_head.weight"])
    with pytest.raises(DspipeError, match=r"its training kept no average of the weights; .*train\.average"):
        convert(capsys, trained / "shards" / "tiny" / "model", tmp_path / "none", "--average")


def test_training_goes_on_from_an_imported_model_with_its_tokenizer(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With γ and learning rate next to nothing the weights stay where they began, zeros but for 1e-30."""
    shutil.copytree(trained / "data", tmp_path / "data")
    convert(capsys, trained / "shards" / "tiny" / "hf", tmp_path / "imported")
    still = 'start = "imported"\nbias_speed = 0.0\nweight_decay = 0.0\n'
    recipe = write_recipe(tmp_path, "on", 1, still)
    use = f'[use]\nmixture = "{trained}/shards/tiny/mixture"\ntokenizer = "imported/tokenizer"\n'
    recipe.write_text(recipe.read_text().replace("learning_rate = 0.01", "learning_rate = 1e-30") + use)
    run(tmp_path, "run", recipe, "--workers", 1)
    began, ended = (read_ours(tmp_path / place) for place in ("imported", "shards/on/model"))
    assert all(torch.allclose(began[name], ended[name], rtol=0, atol=1e-29) for name in began)
    imported = (tmp_path / "imported" / "tokenizer.json").read_bytes()
    assert (tmp_path / "shards" / "on" / "hf" / "tokenizer.json").read_bytes() == imported
    assert "already done" in run(tmp_path, "run", recipe, "--workers", 1)

    model = trained / "shards" / "tiny" / "model"
    call("convert", model, tmp_path / "other", "--dtype", "f32")
    call("convert", tmp_path / "other", tmp_path / "imported", "--force")
    said = run(tmp_path, "run", recipe, "--workers", 1, code=2)
    assert "train was made with other settings (train.input start/model:" in said


def test_an_exported_model_can_be_taken_by_another_run(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(capsys, trained / "shards" / "tiny" / "hf", tmp_path / "imported")
    (tmp_path / "taken.toml").write_text(
        'name = "taken"\n[use]\nmodel = "imported"\n[export]\ndtype = "fp8"\n'
    )
    run(tmp_path, "-r", "taken.toml", "export")
    names = [path.name for path in (tmp_path / "shards" / "taken" / "hf").glob("*.safetensors")]
    assert names == ["model.safetensors"]


def test_what_is_there_is_refused_or_moved_aside_and_never_deleted(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, target = trained / "shards" / "tiny" / "model", tmp_path / "out"
    convert(capsys, model, target)
    before = read_files(target)
    with pytest.raises(DspipeError, match="out: is there already; add --force"):
        call("convert", model, target)
    (target / "notes.txt").write_text("mine")
    for number in (1, 2):
        convert(capsys, model, target, "--force")
        assert read_files(target) == before
        assert (tmp_path / "out.old-1" / "notes.txt").read_text() == "mine"
        assert (tmp_path / f"out.old-{number}" / "config.json").is_file()
    with pytest.raises(DspipeError, match="model: is what is to be converted"):
        call("convert", model, model, "--force")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DspipeError, match="link: is a file or a link"):
        call("convert", model, tmp_path / "link", "--force")


def test_a_conversion_at_work_is_left_alone_and_a_killed_one_is_cleared(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    working, killed = tmp_path / f".out.{os.getppid()}.tmp", tmp_path / ".out.999999999.tmp"
    for folder in (working, killed):
        folder.mkdir()
    convert(capsys, trained / "shards" / "tiny" / "model", tmp_path / "out")
    assert working.is_dir() and not killed.exists()


def test_a_conversion_that_fails_leaves_nothing_behind(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "shards" / "tiny" / "model", tmp_path / "model")
    tensors = read_ours(tmp_path / "model")
    tensors["head"][0, 0] = torch.inf
    tensors["blocks.1.attention.output.weight"][0, 0] = torch.nan
    from safetensors.torch import save_file

    save_file(tensors, tmp_path / "model" / "model.safetensors")
    manifest = tmp_path / "model" / "manifest.json"
    with pytest.raises(DspipeError, match="make it again"):
        call("convert", tmp_path / "model", tmp_path / "out")
    size = (tmp_path / "model" / "model.safetensors").stat().st_size
    content = json.loads(manifest.read_text())
    content["parts"][0]["bytes"] = size
    manifest.write_text(json.dumps(content))
    with pytest.raises(DspipeError, match=r"o_proj\.weight: a weight is infinite or no number"):
        call("convert", tmp_path / "model", tmp_path / "out", "--dtype", "fp8")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_options_that_do_not_go_with_what_is_converted_are_refused(trained: Path, tmp_path: Path) -> None:
    run_folder = trained / "shards" / "tiny"
    for source, options, message in [
        (run_folder / "model", ["--format", "megatron"], "holds a model; --format goes with packed rows"),
        (run_folder / "hf", ["--dtype", "bf16"], "which is float32; leave out --dtype"),
        (run_folder / "sequences", ["--no-mtp"], "holds packed rows; --dtype, --no-mtp and --average go"),
        (run_folder / "mixture", [], "nothing to convert; give packed rows, a trained model or a folder"),
    ]:
        with pytest.raises(DspipeError, match=message):
            call("convert", source, tmp_path / "out", *options)
    assert not list(tmp_path.iterdir())


def test_on_a_terminal_it_says_what_it_wrote(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("convert", trained / "shards" / "tiny" / "model", tmp_path / "out")
    first, *files = capsys.readouterr().out.splitlines()
    assert first.startswith("70,300 numbers in 73 tensors as Hugging Face bfloat16, 156.")
    assert [Path(line.strip()).name for line in files] == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
