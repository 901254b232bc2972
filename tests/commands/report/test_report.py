"""`dspipe report`: one page that says all there is of a run, loads nothing, and trusts nobody."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dspipe.plan import PROGRESS
from dspipe.recipe import RecipeError
from dspipe.shards import Header, Journal
from tests.commands.report.pages import Walk
from tests.commands.report.runs import EVIL, EVIL_URL, LAYERS, make_step, make_training, write_lines
from tests.commands.runs import ROOT_ENVIRONMENT, call

SHOWN_EVIL = EVIL.replace("\u202e", "\ufffd").replace("\x1b", "\ufffd").replace("\x00", "\ufffd")


def read_page(run: Path, *arguments: object) -> Walk:
    call("report", run, *arguments)
    return Walk((run / "report.html").read_text("utf-8"))


def read_tables(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    call("report", run, "--json")
    content: dict[str, Any] = json.loads(capsys.readouterr().out)
    return content


def change_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_page_is_well_formed_and_loads_nothing(run: Path) -> None:
    page = read_page(run)
    assert page.faults == []
    assert not any("://" in value for _, values in page.elements for value in values.values())
    levels = page.levels()
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_every_section_is_there(run: Path) -> None:
    page = read_page(run)
    ids = [values["id"] for tag, values in page.elements if tag == "section"]
    assert ids == [
        "road", "removals", "shares", "clusters", "tokenizer", "packing", "training", "experts", "size",
        "settings",
    ]  # fmt: skip
    links = [values["href"] for tag, values in page.elements if tag == "a"]
    assert links == [f"#{name}" for name in ids]
    charts = [values["aria-label"] for tag, values in page.elements if values.get("role") == "img"]
    for title in (
        "Loss by tokens", "Bits per byte, held out", "Held-out loss by domain", "MTP: share accepted",
        "Learning rate", "Gradient norm", "MaxVio in training", "Batch size", "Row length", "Throughput",
        "MFU", "Memory", "Bias speed γ", "MTP weight λ",
    ):  # fmt: skip
        assert any(label.startswith(title) for label in charts), title
    assert [layer for layer in LAYERS if f"{layer}" in page.text] == LAYERS
    assert "MaxVio 0.5 held out" in page.text
    assert sum(tag == "img" for tag, _ in page.elements) == len(LAYERS)


def test_every_table_has_heads_of_its_columns_and_rows(run: Path) -> None:
    page = read_page(run)
    heads = [values for tag, values in page.elements if tag == "th"]
    assert heads and all(values.get("scope") in ("col", "row") for values in heads)


def test_hostile_text_is_shown_as_text(run: Path) -> None:
    page = read_page(run)
    source = (run / "report.html").read_text("utf-8")
    assert not [tag for tag, _ in page.elements if tag == "script"]
    for sign in ("\u202e", "\x1b", "\x00", "<img src=x", "<img src='https"):
        assert sign not in source
    assert page.text.count(SHOWN_EVIL) > 8  # title, text, language, token, setting, domain, file
    assert EVIL_URL in page.text and "bad <b>" in page.text
    assert not [values for tag, values in page.elements if tag == "a" and "javascript" in values["href"]]


def test_counts_reconcile_and_are_those_of_the_manifests(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    road = read_tables(run, capsys)["road"]
    assert road["breaks"] == []
    rows = {row["stage"]: row for row in road["stages"]}
    assert list(rows) == ["extract", "filter", "dedup", "mix", "tokenizer", "pack", "train"]
    for row in rows.values():
        assert row["in"] + row["added"] == row["out"] + sum(row["dropped"].values()) and row["adds_up"]
    assert (rows["mix"]["in"], rows["mix"]["added"], rows["mix"]["out"]) == (12, 1, 6)
    page = read_page(run)
    assert "✓ Adds up" in page.text and "✗" not in page.text


def test_a_sum_that_does_not_hold_is_marked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_manifest(run / "filtered", counts={"in": 17, "out": 14, "added": 0, "dropped": {"words": 4}})
    breaks = read_tables(run, capsys)["road"]["breaks"]
    assert breaks == [
        "filter: 17 in + 0 added are not 14 out + 4 dropped",
        "filter: 17 in, but extract gave 18",
    ]
    page = read_page(run)
    assert "✗ Does not add up" in page.text and "✗ no" in page.text and "✓ Adds up" not in page.text
    assert all(sentence in page.text for sentence in breaks)
    change_manifest(run / "distinct", counts={"in": 14, "out": 13, "added": 0, "dropped": {"near-copy": 1}})
    assert "dedup: its parts have 12 rows, and 13 came out" in read_tables(run, capsys)["road"]["breaks"]


def test_reasons_have_counts_and_examples(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stages = {stage["stage"]: stage for stage in read_tables(run, capsys)["removals"]}
    assert list(stages) == ["extract", "filter", "dedup", "mix", "pack"]
    words, bad, alone = stages["filter"]["reasons"]
    assert (words["reason"], words["count"], words["all"], len(words["examples"])) == ("words", 4, 4, 3)
    assert (bad["reason"], bad["count"], bad["all"]) == ("bad <b>", 0, 3)
    assert alone["examples"][0]["title"] == EVIL and alone["examples"][0]["text"] == EVIL
    exact, near = stages["dedup"]["reasons"]
    assert (exact["reason"], near["reason"]) == ("exact-copy", "near-copy")
    stretches = near["examples"][0]["stretches"]
    assert (
        {"kept": "4 "} in stretches
        and {"removed": "5 "} in stretches
        and near["examples"][0]["jaccard"] == 0.9
    )
    page = read_page(run)
    assert ("del", {}) in page.elements and ("ins", {}) in page.elements


def test_what_was_asked_is_beside_what_was_got(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shares = read_tables(run, capsys)["shares"]
    assert shares["mix_domains"] == [
        {"name": "web", "asked": 0.7, "got": pytest.approx(0.7)}, {"name": "code", "asked": 0.3, "got": 0.3}
    ]  # fmt: skip
    assert [row["name"] for row in shares["mix_languages"]] == ["en", "no"]
    assert {"name": "en", "found": 15, "filtered": 12, "distinct": 10} in shares["language"]


def test_clusters_tokenizer_and_rows_are_described(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = read_tables(run, capsys)
    (cluster,) = content["clusters"]["largest"]
    assert cluster["documents"] == 3 and cluster["removed"] == {"near": 1, "exact": 1}
    vocabulary = content["vocabulary"]
    assert [row["name"] for row in vocabulary["domains"]] == ["web"]
    assert vocabulary["domains"][0]["bytes_per_token"] == 1.0  # the tokens are bytes
    assert SHOWN_EVIL[:10] in vocabulary["commonest"][0]["token"]
    short, long = content["packing"]["lengths"]
    assert (short["length"], short["rows"], long["rows"]) == (32, 6, 3)
    assert long["documents_in_row"] == {"mean": 2.0, "histogram": {"2": 3}}


def test_the_training_is_told_in_figures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = read_tables(run, capsys)["training"]
    figures = training["figures"]
    assert (figures["steps"], figures["tokens"], figures["skipped"]) == (200, 409_600, 1)
    assert training["skipped"]["steps"] == [40] and training["skipped"]["losses"] == [40.0]
    last = training["evaluations"][-1]
    assert last["step"] == 200 and last["consumed"] == 409_600 and last["domains"][1]["name"] == "math/en"
    assert last["domains"][0]["average_loss"] == pytest.approx(last["domains"][0]["loss"] - 0.05)
    assert figures["average_loss"] < figures["held_out_loss"]
    assert 40.0 not in training["curves"]["loss"]["values"]
    assert [layer["name"] for layer in training["loads"]] == LAYERS


def test_the_page_is_the_same_every_time(run: Path) -> None:
    call("report", run)
    first = (run / "report.html").read_bytes()
    call("report", run / "model", "--out", run.parent / "again.html")
    assert (run.parent / "again.html").read_bytes() == first


def test_a_run_that_is_only_extracted_has_a_page(run: Path) -> None:
    for artifact in ("signals", "filtered", "distinct", "mixture", "tokenizer", "sequences", "model"):
        shutil.rmtree(run / artifact)
    page = read_page(run)
    ids = [values["id"] for tag, values in page.elements if tag == "section"]
    assert page.faults == [] and ids == ["road", "removals", "settings"]


def test_a_training_under_way_has_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "going"
    make_training(run / "model", 100, finished=False)
    with open(run / "model" / "metrics.jsonl", "a") as stream:
        stream.write('{"step": 101, "tok')
    settings = {"steps": 400, "model": {"preset": "smoke"}}
    Journal(run / PROGRESS / "train").begin(Header("train", 4, settings, "f", []))
    content = read_tables(run, capsys)
    assert content["training"]["finished"] is False and content["training"]["figures"]["steps"] == 100
    assert content["training"]["facts"]["micro_batch"] == {"256": 8, "1024": 2}
    assert content["settings"] == [{"stage": "train", "settings": {"steps": 400, "model.preset": "smoke"}}]
    page = read_page(run)
    assert page.faults == [] and "Under way" in page.text and "under way: train" in page.text


def test_a_training_of_an_older_version_has_a_page(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No loads or evaluations in its course, fewer figures of each step, and no step of the evaluation."""
    model = run / "model"
    last = json.loads((model / "evaluations.jsonl").read_text().splitlines()[-1])
    old = {
        key: last[key]
        for key in ("sequence_length", "rows", "tokens", "targets", "loss", "mtp_loss", "layers")
    }
    domains = [{key: row[key] for key in row if key != "bits_per_byte"} for row in last["domains"]]
    (model / "evaluation.json").write_text(json.dumps(old | {"domains": domains}))
    for name in ("evaluations.jsonl", "expert_loads.jsonl", "checkpoint/choices.json"):
        (model / name).unlink()
    keys = ("step", "tokens", "loss", "mtp_loss", "lr", "grad_norm", "seconds", "waited")
    write_lines(model / "metrics.jsonl", [{key: make_step(n, 50)[key] for key in keys} for n in range(1, 51)])
    training = read_tables(run, capsys)["training"]
    assert training["evaluations"][0]["step"] == 50 and training["figures"]["memory"] is None
    assert training["figures"]["tokens_per_second"] == pytest.approx(4096, rel=0.15)
    page = read_page(run)
    assert page.faults == [] and "how it went is not recorded" in page.text


def test_broken_and_repeated_lines_of_a_training_are_mended(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(make_step(n, 50)) for n in range(1, 51)]
    again = json.dumps(make_step(50, 50) | {"loss": 7.0, "grad_norm": float("nan")})
    text = "\n".join([*lines, "not json", '{"step": "x"}', "[" * 10_000, again])
    (run / "model" / "metrics.jsonl").write_text(text)
    training = read_tables(run, capsys)["training"]
    assert training["figures"]["steps"] == 50 and training["curves"]["loss"]["values"][-1] == 7.0
    assert read_page(run).faults == []


def test_a_broken_artifact_is_said_and_the_rest_shown(run: Path) -> None:
    (run / "mixture" / "part-00000.parquet").unlink()
    page = read_page(run)
    assert (
        page.faults == [] and "Cannot be read" in page.text and "part-00000.parquet: is missing" in page.text
    )
    assert "training" in [values.get("id") for tag, values in page.elements if tag == "section"]


def test_what_use_took_from_another_run_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run.parent / "trained"
    other.mkdir()
    for name in ("mixture", "tokenizer", "sequences", "model"):
        shutil.move(run / name, other / name)
    stages = {row["stage"]: row for row in read_tables(other, capsys)["road"]["stages"]}
    assert stages["dedup"]["taken_from"] == "kettles" and stages["mix"]["taken_from"] is None
    page = read_page(other)
    assert page.faults == [] and "taken from" in page.text


def test_the_page_goes_with_the_run(run: Path) -> None:
    (run / ".lock").touch()
    call("report", run)
    call("clean", run, "--all", "--yes")
    assert not run.exists()


def test_evidence_that_cannot_be_read_costs_its_examples_only(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("filtered/rejected.parquet", "distinct/removed.parquet"):
        (run / name).write_bytes(b"x" * (run / name).stat().st_size)
    content = read_tables(run, capsys)
    stages = {stage["stage"]: stage for stage in content["removals"]}
    assert [(row["reason"], row["count"]) for row in stages["filter"]["reasons"]] == [("words", 4)]
    assert content["clusters"]["largest"] == [] and content["clusters"]["histogram"] == {"3-4": 1}
    assert read_page(run).faults == []


@pytest.mark.parametrize("place", ["nothing", "recipe.toml"])
def test_a_path_without_a_run_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "recipe.toml").write_text("")
    with pytest.raises(RecipeError, match=r"no run of dspipe is there; give the folder of one"):
        call("report", tmp_path / place)


def test_a_long_training_stays_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """100,000 steps, of which the curves keep the extremes, and 10,000 records of 512 experts."""
    run = tmp_path / "long"
    steps = 100_000
    make_training(run / "model", 20, finished=False)
    lines = (
        f'{{"step":{n},"tokens":{n * 4096},"loss":{2 + n * 7919 % 1000 / 1000},"lr":0.001,"seconds":0.5,'
        f'"mtp_loss":{3 + n * 104729 % 1000 / 1000},"grad_norm":{1 + n * 15485863 % 997 / 100},'
        f'"waited":{n % 7 / 1000},"max_violation":{n % 13 / 10},"tokens_per_second":{8000 + n % 101}}}\n'
        for n in range(1, steps + 1)
    )
    with open(run / "model" / "metrics.jsonl", "w") as stream:
        stream.writelines(lines)
    loads = [[(expert * 7919 + layer) % 1000 for expert in range(64)] for layer in range(8)]
    record = json.dumps(loads)
    (run / "model" / "expert_loads.jsonl").write_text(
        "".join(f'{{"step":{n},"loads":{record}}}\n' for n in range(100, steps + 1, 100))
    )
    values = read_tables(run, capsys)["training"]["curves"]["loss"]["values"]
    page = (run / "report.html").read_text("utf-8")
    assert Walk(page).faults == [] and len(page) < 3_000_000
    assert len(values) <= 600 and (min(values), max(values)) == (2.0, 2.999)


def test_help_and_report_import_no_torch(run: Path) -> None:
    code = (
        "import sys\nfrom dspipe.cli import dspipe\n"
        f"dspipe.main(['report', {str(run)!r}], standalone_mode=False)\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], env=ROOT_ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
