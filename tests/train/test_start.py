"""`train.start`: training begins with given weights, of the same network and vocabulary, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from dspipe.plan import check_rebuild, identity
from dspipe.recipe import DspipeError, Model, Recipe, RecipeError, Train, Yarn
from dspipe.road import STAGES
from dspipe.shards import Counts, Header, Output, record_file
from dspipe.train.saving.state import identify_training
from dspipe.train.start import describe_start, load_start
from tests.reference.networks import VOCABULARY, small_model, small_network


def write_model(folder: Path, seed: int = 0, extended: bool = True, **changes: Any) -> Model:
    """A folder as a finished training leaves it, as far as a start reads it."""
    network = small_network(seed, **changes)
    settings = {"model": msgspec.to_builtins(network.config)}
    output = Output(folder, Header("train", 1, settings, "made", []), "model")
    save_file(network.state_dict(), folder / "model.safetensors")
    facts = {"vocabulary": VOCABULARY, "sequence_length": 16, "extended": extended}
    output.close([record_file(folder, "model.safetensors", 1)], Counts(0, 0), facts=facts)
    return network.config


def settings(folder: Path, model: Model) -> Train:
    return Train(start=str(folder), model=model, seed=1)


def test_the_network_begins_with_the_weights_and_biases_of_the_folder(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    network = small_network(5)
    load_start(network, settings(tmp_path / "model", model), VOCABULARY)
    stored = load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(tensor, stored[name]) for name, tensor in network.state_dict().items())
    assert "blocks.1.mlp.gate.bias" in stored


def test_without_a_start_nothing_is_changed_and_nothing_described() -> None:
    network = small_network()
    before = network.state_dict()["head"].clone()
    load_start(network, Train(), VOCABULARY)
    assert torch.equal(network.head, before) and describe_start(Train()) == []


def test_other_weights_are_another_training(tmp_path: Path) -> None:
    """Under the same settings: what tells them apart are the checksums in the manifest."""
    asked = settings(tmp_path / "model", write_model(tmp_path / "model"))
    first, training = describe_start(asked), identify_training(asked, VOCABULARY, {16: 4})
    write_model(tmp_path / "model")
    assert describe_start(asked) == first
    write_model(tmp_path / "model", seed=1)
    assert describe_start(asked) != first
    assert identify_training(asked, VOCABULARY, {16: 4}) != training


def test_the_same_weights_elsewhere_are_the_same_training(tmp_path: Path) -> None:
    here, there = (settings(tmp_path / name, write_model(tmp_path / name)) for name in ("here", "there"))
    assert describe_start(here) == describe_start(there)
    assert identify_training(here, VOCABULARY, {16: 4}) == identify_training(there, VOCABULARY, {16: 4})
    assert "start" not in identity(Recipe(name="x", train=here), STAGES["train"])


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"mtp_depth": 2}, "mtp_depth"),
        ({"gate_scale": 1.0}, "gate_scale"),
        ({"width": 24, "heads": 4}, "width"),
    ],
)
def test_another_network_is_refused_by_the_first_key_that_differs(
    changes: dict[str, Any], key: str, tmp_path: Path
) -> None:
    write_model(tmp_path / "model")
    with pytest.raises(RecipeError, match=rf"train\.model\.{key}: is not that of train\.start, \d"):
        describe_start(settings(tmp_path / "model", small_model(**changes)))


def test_rows_may_become_longer_by_yarn_but_it_is_not_lost_on_the_way(tmp_path: Path) -> None:
    longer = small_model(yarn=Yarn(), mtp_input="norm", initial_deviation=0.5)
    write_model(tmp_path / "plain")
    write_model(tmp_path / "longer", yarn=Yarn())
    assert describe_start(settings(tmp_path / "plain", longer))
    assert describe_start(settings(tmp_path / "longer", longer))
    for other in (small_model(), small_model(yarn=Yarn(factor=2.0))):
        with pytest.raises(RecipeError, match=r"train\.model\.yarn: is not that of train\.start"):
            describe_start(settings(tmp_path / "longer", other))


def test_yarn_that_never_came_into_force_is_not_that_of_the_start(tmp_path: Path) -> None:
    """The same weights without it and with it are two ways to begin."""
    for name, extended in (("plain", False), ("longer", True)):
        write_model(tmp_path / name, extended=extended, yarn=Yarn())
    asked = [settings(tmp_path / name, small_model(yarn=Yarn())) for name in ("plain", "longer")]
    assert describe_start(asked[0]) != describe_start(asked[1])
    assert describe_start(settings(tmp_path / "plain", small_model(yarn=Yarn(factor=2.0))))
    assert describe_start(settings(tmp_path / "plain", small_model()))


def test_another_vocabulary_and_altered_files_are_refused(tmp_path: Path) -> None:
    asked = settings(tmp_path / "model", write_model(tmp_path / "model"))
    with pytest.raises(RecipeError, match="has 61 rows for tokens, and the tokenizer wants 128"):
        load_start(small_network(), asked, 128)
    file = tmp_path / "model" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(DspipeError, match=r"model\.safetensors: is not what was written"):
        load_start(small_network(), asked, VOCABULARY)


def test_a_folder_without_a_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no finished model in .*; name the folder of a trained model"):
        describe_start(settings(tmp_path, small_model()))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecipeError, match=r"is Hugging Face's; first: dspipe convert .* FOLDER"):
        describe_start(settings(tmp_path, small_model()))


def test_a_rebuild_does_not_delete_what_training_starts_with(tmp_path: Path) -> None:
    recipe = Recipe(name="x", train=Train(start=str(tmp_path / "x" / "model")))
    with pytest.raises(RecipeError, match="the recipe reads what this rebuild would delete"):
        check_rebuild(recipe, tmp_path / "x", [STAGES["train"]])
    check_rebuild(recipe, tmp_path / "y", [STAGES["train"]])
