"""The whole road over the sample: planted facts are found, bytes never change, a trained model comes out."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dspipe.road import ROAD
from dspipe.shards import Artifact, open_artifact, read_manifest
from tests.support import read_rows

VARYING = ("seconds", "waited", "tokens_per_second", "mfu", "memory")  # of a line of metrics
ROOT = Path(__file__).parent.parent
TEXT_HALF = [artifact for stage in ROAD[:6] for artifact in stage.writes]
TRAINING = ["train.steps=12", "train.batch_size=4", "train.checkpoint_steps=4"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(shards: Path, *options: object) -> list[str]:
    sets = [word for value in TRAINING for word in ("--set", value)]
    run = [sys.executable, "-m", "dspipe", "run", "recipes/smoke.toml", "--shards", shards, *sets, *options]
    return [str(word) for word in run]


def call(shards: Path, *options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(shards, *options), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def digests(run: Path) -> dict[str, list[tuple[str, str]]]:
    found = {}
    for name in TEXT_HALF:
        manifest = open_artifact(run / name).manifest
        found[name] = [(part.file, part.xxh3) for part in (*manifest.parts, *manifest.beside)]
    return found


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    shards = tmp_path_factory.mktemp("road")
    call(shards, "--workers", 2)
    yield shards / "smoke"


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "shards" / "sample" / "truth.json").read_text("utf-8"))
    return found


def artifact(run: Path, name: str) -> Artifact:
    return open_artifact(run / name)


def names(run: Path) -> dict[str, str]:
    """Document ids by URL, or by the source's own id where there is none."""
    return {row["url"] or row["source_id"]: row["id"] for row in read_rows(artifact(run, "documents"))}


def test_counts_reconcile_from_stage_to_stage(walked: Path) -> None:
    chain = ["documents", "filtered", "distinct", "mixture"]
    for before, after in itertools.pairwise(chain):
        counts = artifact(walked, after).manifest.counts
        assert counts.in_ == artifact(walked, before).rows and counts.out == artifact(walked, after).rows
        assert counts.reconcile() and counts.out > 0
    assert artifact(walked, "sequences").manifest.counts.in_ == artifact(walked, "mixture").rows


def test_planted_copies_are_removed_for_their_originals_and_decoys_stay(
    walked: Path, truth: dict[str, Any]
) -> None:
    ids = names(walked)
    kept = {row["id"] for row in read_rows(artifact(walked, "distinct"))}
    removed = {row["removed"]: row for row in read_rows(artifact(walked, "distinct"), "removed.parquet")}
    for first, second in truth["exact_copies"]:
        pair = {ids[first], ids[second]}
        [gone] = pair & removed.keys()
        assert removed[gone]["kept"] in pair and removed[gone]["kind"] == "exact"
    for planted in truth["near_copies"]:
        pair = {ids[planted["original"]], ids[planted["copy"]]}
        [gone] = pair & removed.keys()
        assert removed[gone]["kept"] in pair and 0.8 <= removed[gone]["jaccard"] < 1
    for decoy in truth["decoys"]:
        pair = {ids[decoy["original"]], ids[decoy["similar"]]}
        assert pair <= kept
    assert len(removed) == len(truth["exact_copies"]) + len(truth["near_copies"])


def test_poor_pages_are_rejected_with_their_reasons(walked: Path, truth: dict[str, Any]) -> None:
    ids = names(walked)
    rejected = {
        row["id"]: row["reasons"] for row in read_rows(artifact(walked, "filtered"), "rejected.parquet")
    }
    plain = [page for page in truth["poor"] if page["why"] in ("too short", "symbols", "ellipsis lines")]
    assert len(plain) >= 15
    assert all(rejected.get(ids[page["url"]]) for page in plain)
    assert all(
        rejected.get(ids[name["id"] if isinstance(name, dict) else name]) for name in truth["poor_code"]
    )


def test_languages_are_those_that_were_written(walked: Path, truth: dict[str, Any]) -> None:
    rows = {row["url"]: row["id"] for row in read_rows(artifact(walked, "documents"))}
    found = {row["id"]: row["language"] for row in read_rows(artifact(walked, "signals"))}
    right = [found[rows[url]] == language for url, language in truth["languages"].items() if url in rows]
    assert len(right) > 500 and sum(right) >= 0.97 * len(right)
    assert len(set(truth["languages"].values())) >= 12


def test_a_second_walk_does_nothing(walked: Path) -> None:
    before = digests(walked)
    assert call(walked.parent).stdout.count("already done") == len(ROAD)
    assert digests(walked) == before


@pytest.mark.parametrize("workers", [1, 5])
def test_any_number_of_workers_gives_the_same_bytes(walked: Path, tmp_path: Path, workers: int) -> None:
    call(tmp_path, "--workers", workers, "--until", "pack", "--memory", "3GiB")
    assert digests(tmp_path / "smoke") == digests(walked)


def test_ten_kills_at_random_moments_change_no_byte(walked: Path, tmp_path: Path) -> None:
    kills = 0
    while kills < 10:
        options = ["--until", "pack"]
        if read_manifest(tmp_path / "smoke" / "sequences"):  # it got through: begin again somewhere
            options += ["--rebuild", random.choice([stage.name for stage in ROAD[:6]])]
        with subprocess.Popen(command(tmp_path, *options), cwd=ROOT, env=ENVIRONMENT) as run:
            time.sleep(random.uniform(0.3, 2.5))
            run.send_signal(signal.SIGKILL)  # the workers are left to notice by themselves
        kills += run.returncode == -signal.SIGKILL
    call(tmp_path, "--until", "pack")
    assert digests(tmp_path / "smoke") == digests(walked)
    assert not list(tmp_path.rglob("*.tmp")) and not list((tmp_path / "smoke" / ".progress").iterdir())


def test_a_killed_training_ends_in_the_same_weights(walked: Path, tmp_path: Path) -> None:
    shutil.copytree(walked, tmp_path / "smoke")
    for name in ("model", "hf"):
        shutil.rmtree(tmp_path / "smoke" / name)
    for wanted in (5, 9):
        with subprocess.Popen(command(tmp_path), cwd=ROOT, env=ENVIRONMENT) as run:
            metrics = tmp_path / "smoke" / "model" / "metrics.jsonl"
            while run.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= wanted):
                time.sleep(0.05)
            run.send_signal(signal.SIGKILL)
    call(tmp_path)
    weights = [open_artifact(folder / "model").manifest.parts[0] for folder in (walked, tmp_path / "smoke")]
    assert weights[0].file == "model.safetensors" and weights[0].xxh3 == weights[1].xxh3
    lines = [
        (folder / "model" / "metrics.jsonl").read_text().splitlines()
        for folder in (walked, tmp_path / "smoke")
    ]
    steps = [[{**json.loads(line), **dict.fromkeys(VARYING, 0)} for line in group] for group in lines]
    assert steps[0] == steps[1] and [line["step"] for line in steps[0]] == list(range(1, 13))


def test_metrics_have_what_others_rely_on(walked: Path) -> None:
    lines = [json.loads(line) for line in (walked / "model" / "metrics.jsonl").read_text().splitlines()]
    assert all({"step", "tokens", "loss", "lr", "seconds", "waited"} <= set(line) for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.5


def test_the_exported_model_is_loaded_by_transformers_and_gives_our_logits(walked: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dspipe.batch import PackedBatch
    from dspipe.model.checkpoint.folders import open_hugging_face, read_hugging_face
    from dspipe.model.transformer import build_transformer
    from dspipe.reading import load_recipe

    config = load_recipe(ROOT / "recipes" / "smoke.toml").train.model
    tokenizer = AutoTokenizer.from_pretrained(walked / "hf")
    theirs = AutoModelForCausalLM.from_pretrained(walked / "hf", dtype=torch.float32)
    ids = torch.tensor(
        [tokenizer("The kettle sings; 水壶在唱歌。 x = 1234\n", add_special_tokens=False)["input_ids"]]
    )
    description, weights = open_hugging_face(walked / "hf")  # of bfloat16
    assert description.model == config
    ours = build_transformer(config, description.vocabulary, 0)
    ours.load_state_dict(dict(read_hugging_face(description, weights)))
    batch = PackedBatch(ids, torch.zeros_like(ids, dtype=torch.int32))
    with torch.no_grad():
        mine = ours.compute_logits(ours(batch).hidden_BLD[0])
        their = theirs(ids).logits
    assert torch.allclose(mine, their, atol=1e-4, rtol=1e-4)
    assert tokenizer.decode(ids[0]) == "The kettle sings; 水壶在唱歌。 x = 1234\n"


def test_the_sample_is_rebuilt_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "shards" / "sample" / "build.py", tmp_path], check=True)
    for path in sorted(tmp_path.iterdir()):
        if path.suffix == ".parquet":  # Arrow writes its own version into the file
            import pyarrow.parquet as pq

            assert pq.read_table(path).equals(pq.read_table(ROOT / "shards" / "sample" / path.name))
        else:
            assert path.read_bytes() == (ROOT / "shards" / "sample" / path.name).read_bytes(), path.name
    assert sum(path.stat().st_size for path in (ROOT / "shards" / "sample").rglob("*")) < 2_400_000
