"""The road is walked once: done is skipped, drift is refused, trouble leaves what was finished."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dspipe.fp8.native import find_obstacle
from dspipe.plan import find_state, make_header, plan, stages_until
from dspipe.reading import check_recipe
from dspipe.recipe import DspipeError, Recipe, RecipeError
from dspipe.road import ROAD, STAGES
from dspipe.runner import Outcome, Watcher, locked, walk
from dspipe.shards import Counts, Header, Journal, Output, Piece, open_artifact, read_manifest
from dspipe.workers import Pool

WORDS = [
    "the", "of", "and", "with", "kettle", "morning", "harbour", "rope", "window", "ladder", "copper", "stone",
    "river", "bridge", "market", "winter", "garden", "letter", "candle", "barrel", "forest", "hammer",
    "needle", "basket", "island", "meadow", "tunnel", "saddle", "pepper", "mirror", "anchor", "valley",
]  # fmt: skip


def write_text(number: int) -> str:
    """Words in an order that no rule minds."""
    draw = random.Random(number)
    return ". ".join(" ".join(draw.choices(WORDS, k=9)) for _ in range(10 + number % 8))


TEXTS = [write_text(number) for number in range(30)]

NETWORK = {"width": 16, "layers": 2, "heads": 2, "experts": 4, "expert_width": 8, "dense_width": 16}
TINY: dict[str, Any] = {
    "steps": 2,
    "batch_size": 2,
    "warmup_steps": 1,
    "model": {**NETWORK, "chosen_experts": 2},
}


def make_recipe(folder: Path, name: str = "run", **tables: Any) -> Recipe:
    source = folder / "source.jsonl"
    if not source.exists():
        lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(TEXTS)]
        source.write_text("\n".join(lines) + "\n")
    sources = [{"name": "kettles", "path": str(source), "domain": "web"}]
    tables.setdefault("tokenizer", {"vocab_size": 300})
    tables.setdefault("pack", {"sequence_length": 64})
    return check_recipe({"name": name, "extract": {"sources": sources}, **tables}, "test.toml")


def go(folder: Path, recipe: Recipe, until: str = "mix", rebuild: str | None = None) -> list[Outcome]:
    pool = Pool(1)
    try:
        return walk(recipe, folder / recipe.name, stages_until(recipe, until), pool, Watcher(), rebuild)
    finally:
        pool.close()


def states(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.step.stage.name: outcome.step.state for outcome in outcomes}


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    assert set(states(go(tmp_path, recipe)).values()) == {"to do"}
    before = (tmp_path / "run" / "mixture" / "manifest.json").stat().st_mtime_ns
    assert set(states(go(tmp_path, recipe)).values()) == {"done"}
    assert (tmp_path / "run" / "mixture" / "manifest.json").stat().st_mtime_ns == before
    assert not (tmp_path / "run" / ".progress" / "mix").exists()


def test_changed_settings_are_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path))
    changed = make_recipe(tmp_path, dedup={"bands": 10, "similarity": 0.9})
    with pytest.raises(RecipeError) as refusal:
        go(tmp_path, changed)
    message = str(refusal.value)
    assert "dedup.bands: (absent) → 10" in message and "dedup.similarity: 0.8 → 0.9" in message
    assert "--rebuild dedup" in message
    found = states(go(tmp_path, changed, rebuild="dedup"))
    assert found == {"extract": "done", "filter": "done", **dict.fromkeys(("dedup", "mix"), "to make again")}


def test_a_changed_source_is_drift_and_a_moved_one_is_not(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "source.jsonl").write_bytes((tmp_path / "source.jsonl").read_bytes())
    recipe = make_recipe(moved)
    assert set(states(go(tmp_path, recipe)).values()) == {"done"}
    with open(moved / "source.jsonl", "a") as stream:
        stream.write('{"text": "one more"}\n')
    with pytest.raises(RecipeError, match=r"input kettles/source.jsonl: \d+ bytes"):
        go(tmp_path, recipe)


def test_a_stage_asked_for_alone_does_not_take_stale_input(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path))
    changed = make_recipe(tmp_path, dedup={"bands": 10})
    with pytest.raises(RecipeError, match="dedup was made with other settings"):
        plan(changed, tmp_path / "run", [STAGES["mix"]])


def test_a_stage_without_its_input_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="its input distinct has not been made; run dedup first"):
        plan(make_recipe(tmp_path), tmp_path / "run", [STAGES["mix"]])


def test_artifacts_of_another_run_are_used_instead_of_made(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path))
    use = {"distinct": str(tmp_path / "run" / "distinct")}
    found = states(go(tmp_path, make_recipe(tmp_path, name="other", use=use)))
    assert found == {"dedup": "used", "mix": "to do"}
    assert sorted(path.name for path in (tmp_path / "other").iterdir() if path.is_dir()) == [
        ".progress",
        "mixture",
    ]
    same = [read_manifest(tmp_path / run / "mixture") for run in ("run", "other")]
    assert same[0] is not None and same[1] is not None and same[0].parts == same[1].parts


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ({"distnct": "x"}, "no stage reads that; there are: documents, filtered, distinct"),
        ({"signals": "x"}, "use.signals: no stage reads that"),
        ({"distinct": "nowhere"}, "no finished artifact in nowhere"),
    ],
)
def test_a_wrong_use_is_refused(tmp_path: Path, use: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        go(tmp_path, make_recipe(tmp_path, use=use))


def test_use_of_another_kind_of_artifact_is_refused(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "filter")
    with pytest.raises(RecipeError, match="holds filtered; name a folder of distinct"):
        go(tmp_path, make_recipe(tmp_path, name="b", use={"distinct": str(tmp_path / "run" / "filtered")}))


def test_a_second_run_in_the_same_folder_is_kept_out(tmp_path: Path) -> None:
    refused = pytest.raises(DspipeError, match="another dspipe is working here")
    with locked(tmp_path / "run"), refused, locked(tmp_path / "run"):
        pass


def test_a_missing_file_and_an_empty_source_end_in_a_sentence(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    (tmp_path / "source.jsonl").unlink()
    with pytest.raises(RecipeError, match=r"extract.sources.kettles: .*source.jsonl"):
        go(tmp_path, recipe)
    (tmp_path / "source.jsonl").write_text("")
    with pytest.raises(DspipeError, match="nothing was extracted"):
        go(tmp_path, recipe)


@pytest.mark.skipif(find_obstacle(torch.device("cuda")) is None, reason="this machine has 8-bit units")
def test_what_the_machine_cannot_do_is_refused_before_any_stage_has_worked(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, train={"fp8": {"mode": "on"}})
    with pytest.raises(RecipeError, match=r'train\.fp8\.mode: "on" wants 8-bit units'):
        go(tmp_path, recipe, "train")
    assert read_manifest(tmp_path / "run" / "documents") is None
    assert states(go(tmp_path, recipe))["mix"] == "to do"  # which does not want them


def test_shares_that_cannot_be_met_leave_the_earlier_stages(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, mix={"bytes": 10**9})
    with pytest.raises(RecipeError, match="the shares cannot be met"):
        go(tmp_path, recipe)
    assert read_manifest(tmp_path / "run" / "distinct") is not None
    assert states(go(tmp_path, recipe, "dedup")) == dict.fromkeys(("extract", "filter", "dedup"), "done")


def test_parts_of_two_settings_never_mix(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    go(tmp_path, recipe, "dedup")
    [begun] = plan(make_recipe(tmp_path, mix={"seed": 5}), tmp_path / "run", [STAGES["mix"]])
    Journal(tmp_path / "run" / ".progress" / "mix").begin(
        begun.header
    )  # as a run killed with that seed leaves it
    with pytest.raises(RecipeError, match=r"mix.seed: 5 → 1"):
        go(tmp_path, recipe)


def test_a_recipe_that_a_stage_refused_can_be_corrected(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the shares cannot be met"):
        go(tmp_path, make_recipe(tmp_path, mix={"bytes": 10**9}))
    assert states(go(tmp_path, make_recipe(tmp_path)))["mix"] == "to do"


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.test_runner import TINY, go, make_recipe
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    go(Path(sys.argv[1]), make_recipe(Path(sys.argv[1]), train=TINY), "train")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(("size", "stage"), [(3_000, "extract"), (15_000, "dedup"), (60_000, "train")])
def test_a_full_disk_ends_in_a_sentence_and_the_same_command_goes_on(
    tmp_path: Path, size: int, stage: str
) -> None:
    make_recipe(tmp_path)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path, str(size)], capture_output=True, text=True, check=True
    )
    assert "DspipeError" in done.stdout and "no room left on the disk" in done.stdout, (
        done.stdout + done.stderr
    )
    assert states(go(tmp_path, make_recipe(tmp_path, train=TINY), "train"))["train"] != "done"


def test_more_steps_continue_a_finished_training_and_fewer_are_refused(tmp_path: Path) -> None:
    def recipe(steps: int) -> Recipe:
        return make_recipe(tmp_path, train={**TINY, "steps": steps})

    go(tmp_path, recipe(2), "export")
    found = states(go(tmp_path, recipe(4), "export"))
    assert found["pack"] == "done" and found["train"] == "to continue" and found["export"] == "to make again"
    lines = (tmp_path / "run" / "model" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]
    assert set(states(go(tmp_path, recipe(4), "export")).values()) == {"done"}
    with pytest.raises(RecipeError, match=r"train\.steps: 4 → 3"):
        go(tmp_path, recipe(3), "export")


def test_tokens_continue_a_training_as_the_steps_do_that_they_come_to(tmp_path: Path) -> None:
    """Steps of 2 rows of 64 tokens, then of 3."""

    def state(**changes: Any) -> str:
        sizes = {"batch_size": [[0, 2], [256, 3]], "steps": None}
        recipe = make_recipe(tmp_path, train={**TINY, **sizes, **changes})
        known = {"sequences": "s", "tokenizer": "t"}
        header = make_header(recipe, STAGES["train"], known)
        found = find_state(STAGES["train"], header, {}, tmp_path / "run")
        if found == "to do":
            Output(tmp_path / "run" / "model", header).close([], Counts(0, 0))
        return found

    assert state(tokens=384) == "to do"
    assert state(tokens=384) == state(tokens=257) == state(steps=3) == "done"
    assert state(steps=3, tokens=10**6) == "done"
    assert state(tokens=640) == state(steps=4) == "to continue"
    with pytest.raises(RecipeError, match=r"train\.steps: 3 → 2"):
        state(tokens=256)
    with pytest.raises(RecipeError, match=r"train\.schedule: constant → wsd"):
        state(tokens=640, schedule="wsd")


def test_another_budget_of_a_named_schedule_is_another_training(tmp_path: Path) -> None:
    def header(**changes: Any) -> Header:
        recipe = make_recipe(tmp_path, train={**TINY, "schedule": "wsd", **changes})
        return make_header(recipe, STAGES["train"], {"sequences": "s", "tokenizer": "t"})

    Output(tmp_path / "run" / "model", header(tokens=6400, steps=7)).close([], Counts(0, 0))
    longer = header(tokens=6400, steps=None)
    assert longer.settings["steps"] == 50
    assert find_state(STAGES["train"], longer, {}, tmp_path / "run") == "to continue"
    with pytest.raises(RecipeError, match=r"train\.tokens: 6400 → 12800"):
        find_state(STAGES["train"], header(tokens=12_800, steps=None), {}, tmp_path / "run")


def test_another_evaluation_is_made_without_training_again(tmp_path: Path) -> None:
    def recipe(tokens: int) -> Recipe:
        return make_recipe(tmp_path, train={**TINY, "steps": 2, "evaluation_tokens": tokens})

    go(tmp_path, recipe(0), "export")
    model = tmp_path / "run" / "model"
    metrics, checkpoint = (model / "metrics.jsonl").read_bytes(), (model / "model.safetensors").read_bytes()
    found = states(go(tmp_path, recipe(4096), "export"))
    assert found["pack"] == "done" and found["train"] == "to continue" and found["export"] == "done"
    assert (model / "metrics.jsonl").read_bytes() == metrics  # which has the seconds of its steps
    assert (model / "model.safetensors").read_bytes() == checkpoint
    assert set(states(go(tmp_path, recipe(4096), "export")).values()) == {"done"}


def test_the_state_of_the_whole_road_is_known_without_touching_the_disk(tmp_path: Path) -> None:
    steps = plan(make_recipe(tmp_path), tmp_path / "run", ROAD)
    assert [step.stage.name for step in steps] == list(STAGES)
    assert not (tmp_path / "run").exists()


def test_a_filter_that_keeps_nothing_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DspipeError, match="filter kept no document"):
        go(tmp_path, make_recipe(tmp_path, filter={"languages": ["xx"]}))


@pytest.mark.parametrize(("until", "rebuild"), [("filter", "mix"), ("mix", "extract")])
def test_a_rebuild_that_is_refused_deletes_nothing(tmp_path: Path, until: str, rebuild: str) -> None:
    recipe = make_recipe(tmp_path)
    go(tmp_path, recipe)
    if rebuild == "extract":
        (tmp_path / "source.jsonl").rename(tmp_path / "away.jsonl")
    with pytest.raises(RecipeError):
        go(tmp_path, recipe, until, rebuild)
    assert all(read_manifest(tmp_path / "run" / name) for name in ("documents", "distinct", "mixture"))


def test_a_linked_artifact_is_not_followed_to_delete(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    go(tmp_path, recipe)
    (tmp_path / "run" / "mixture").rename(tmp_path / "precious")
    (tmp_path / "run" / "mixture").symlink_to(tmp_path / "precious")
    with pytest.raises(DspipeError, match="is a link"):
        go(tmp_path, recipe, rebuild="dedup")
    assert read_manifest(tmp_path / "precious") is not None
    assert read_manifest(tmp_path / "run" / "distinct") is not None


def test_a_rebuild_that_would_delete_what_the_recipe_reads_is_refused(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "tokenizer")
    own = tmp_path / "run" / "tokenizer"
    counted = make_recipe(tmp_path, mix={"tokens": 3000, "tokenizer": str(own)})
    with pytest.raises(RecipeError, match="would delete; copy it elsewhere first"):
        go(tmp_path, counted, rebuild="mix")
    used = make_recipe(tmp_path, use={"tokenizer": str(own)})
    with pytest.raises(RecipeError, match="would delete; copy it elsewhere first"):
        go(tmp_path, used, "pack", rebuild="mix")
    assert read_manifest(own) is not None


def test_a_tokenizer_may_be_used_with_another_mixture(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "tokenizer")
    use = {"tokenizer": str(tmp_path / "run" / "tokenizer")}
    found = states(go(tmp_path, make_recipe(tmp_path, name="b", mix={"seed": 9}, use=use), "pack"))
    assert found["tokenizer"] == "used" and found["mix"] == "to do" and found["pack"] == "to do"


def test_an_interrupted_rebuild_goes_on_with_the_same_command(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path))
    changed = make_recipe(tmp_path, dedup={"bands": 10}, mix={"bytes": 10**9})
    with pytest.raises(RecipeError, match="the shares cannot be met"):
        go(tmp_path, changed, rebuild="dedup")
    with pytest.raises(RecipeError, match="the shares cannot be met"):  # dedup is not made once more
        go(tmp_path, changed, rebuild="dedup")
    mended = make_recipe(tmp_path, dedup={"bands": 10})
    assert states(go(tmp_path, mended))["dedup"] == "done"


def test_a_killed_stage_is_resumed_from_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(tmp_path)
    go(tmp_path, recipe)
    whole = read_manifest(tmp_path / "run" / "mixture")
    script = "from pathlib import Path\nimport os\nfrom tests.test_runner import go, make_recipe\n"
    script += "import dspipe.dedup.stage as stage\nstage.find_copies = lambda *_: os._exit(9)\n"
    script += f"os.chdir({str(tmp_path)!r})\ngo(Path('moved'), make_recipe(Path({str(tmp_path)!r})))"
    root = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], cwd=root, env=environment, check=False)
    assert done.returncode == 9
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert states(go(Path("."), recipe))["dedup"] == "to resume"
    found = read_manifest(Path("run") / "mixture")
    assert found is not None and whole is not None and found.parts == whole.parts


def test_records_do_not_outlive_the_files_they_describe(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    go(tmp_path, recipe, "filter")
    [step] = plan(recipe, tmp_path / "run", [STAGES["extract"]])
    manifest = read_manifest(tmp_path / "run" / "documents")
    assert manifest is not None
    journal = Journal(tmp_path / "run" / ".progress" / "extract")
    journal.begin(step.header)  # as a kill leaves it after the task and before the manifest
    journal.save("extract_part-00000", Piece({"documents": manifest.parts}, manifest.counts))
    for path in (tmp_path / "run" / "documents").iterdir():
        path.unlink()
    assert states(go(tmp_path, recipe, "filter"))["extract"] == "to resume"
    assert open_artifact(tmp_path / "run" / "documents").manifest.parts == manifest.parts


def test_a_companion_of_a_used_artifact_must_be_used_too(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "pack")
    use = {"sequences": str(tmp_path / "run" / "sequences")}
    with pytest.raises(RecipeError, match=r"name that too, as use\.tokenizer"):
        plan(make_recipe(tmp_path, name="b", use=use), tmp_path / "b", ROAD)


def test_an_export_of_more_steps_than_were_trained_is_refused(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path)
    header = make_header(recipe, STAGES["train"], {"sequences": "s", "tokenizer": "t"})
    Output(tmp_path / "run" / "model", header).close([], Counts(0, 0))
    longer = make_recipe(tmp_path, train={"steps": 500})
    with pytest.raises(RecipeError, match=r"train\.steps: 200 → 500.*run train too"):
        plan(longer, tmp_path / "run", [STAGES["export"]])


def test_signals_outlast_other_rules(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "filter")
    folder = tmp_path / "run"
    before = (folder / "signals" / "manifest.json").read_bytes()
    strict = make_recipe(
        tmp_path, filter={"rules": "gopher", "thresholds": {"gopher-words": {"minimum": 10**4}}}
    )
    with pytest.raises(RecipeError, match=r"thresholds.*--rebuild filter"):
        go(tmp_path, strict, "filter")
    (outcome,) = go(tmp_path, strict, "filter", rebuild="filter")[1:]
    assert (folder / "signals" / "manifest.json").read_bytes() == before
    assert outcome.manifests[1].counts.out == 0
    assert outcome.manifests[1].facts["line"] == ["signals reused"]
    assert states(go(tmp_path, strict, "filter")) == {"extract": "done", "filter": "done"}


def test_signals_outlast_another_blocklist(tmp_path: Path) -> None:
    blocklist = tmp_path / "list.txt"
    recipe = make_recipe(tmp_path, filter={"blocklist": str(blocklist)})
    with pytest.raises(RecipeError, match=r"filter.blocklist: .*list.txt cannot be read"):
        go(tmp_path, recipe, "filter")
    blocklist.write_text("bad.example\n")
    go(tmp_path, recipe, "filter")
    before = (tmp_path / "run" / "signals" / "manifest.json").read_bytes()
    blocklist.write_text("worse.example\n")
    with pytest.raises(RecipeError, match=r"input blocklist/list.txt.*--rebuild filter"):
        go(tmp_path, recipe, "filter")
    (outcome,) = go(tmp_path, recipe, "filter", rebuild="filter")[1:]
    assert (tmp_path / "run" / "signals" / "manifest.json").read_bytes() == before
    assert outcome.manifests[1].facts["line"] == ["signals reused"]


def test_signals_are_measured_again_where_they_would_differ(tmp_path: Path) -> None:
    go(tmp_path, make_recipe(tmp_path), "filter")
    folder = tmp_path / "run"

    def made() -> int:
        return (folder / "signals" / "part-00000.parquet").stat().st_mtime_ns

    first = made()
    shorter = make_recipe(tmp_path, filter={"language_characters": 100})
    go(tmp_path, shorter, "filter", rebuild="filter")
    second = made()
    assert second > first
    go(tmp_path, shorter, "filter", rebuild="filter")  # nothing has changed, so it is all that is asked for
    third = made()
    assert third > second
    go(tmp_path, shorter, "filter", rebuild="extract")
    assert made() > third


def test_measured_signals_are_not_measured_again_after_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dspipe.filter import stage

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(stage, "judge", fail)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path, make_recipe(tmp_path), "filter")
    monkeypatch.setattr(stage, "measure", fail)
    (outcome,) = go(tmp_path, make_recipe(tmp_path), "filter")[1:]
    assert outcome.step.state == "to resume" and outcome.manifests[1].counts.out == len(TEXTS)
