"""`dspipe trace` backwards: rows, tokens and steps lead to the documents that they are of, or say why not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pytest

from dspipe.commands.packed import parts_by_length
from dspipe.commands.trace.training import plan_training, read_record, rows_of_step, steps_of_rows
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Header, Journal, open_artifact, read_manifest
from tests.commands.packs import (
    ADDRESS,
    PADDING,
    ROWS,
    SETTINGS,
    encode,
    kettle,
    list_documents,
    write_sequences,
)
from tests.commands.runs import call


def trace(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    call("trace", *arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_row_names_its_documents_in_order_and_its_padding(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = trace(capsys, packed, "--row", 1)
    first, second = row["documents"]
    assert row["row"] == "L32/part-00000.arrow:1" and row["length"] == 32
    assert first == {
        "first token": 0, "tokens": 16, "document token": 8, "id": kettle(1), "draw": 0, "fim": True,
        "url": f"{ADDRESS}1", "source": "test", "file": "web-1.warc.gz", "offset": 100, "domain": "web",
        "language": "en",
    }  # fmt: skip
    assert second["id"] == kettle(2) and second["first token"] == 16 and not second["fim"]
    assert row["padding"] == {"first token": 26, "tokens": 6}


def test_a_full_row_has_no_padding_and_an_empty_one_nothing_else(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace(capsys, packed, "--row", 0)["padding"] is None
    empty = trace(capsys, packed, "--row", 5)
    assert empty["documents"] == [] and empty["padding"] == {"first token": 0, "tokens": 32}


def test_repeats_of_a_document_are_told_apart(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first,) = trace(capsys, packed, "--row", 2)["documents"]
    (second,) = trace(capsys, packed, "--row", 4)["documents"]
    assert first["id"] == second["id"] == kettle(0) and (first["draw"], second["draw"]) == (1, 0)


@pytest.mark.parametrize(
    "name", ["3", "part-00001.arrow:0", "L32/part-00001.arrow:0", "/old/sequences/L32/part-00001.arrow:0"]
)
def test_a_row_may_be_named_as_it_is_counted_and_as_errors_write_it(
    packed: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    row = trace(capsys, packed, "--row", name)
    assert row["row"] == "L32/part-00001.arrow:0" and row["number"] == 3
    assert [document["id"] for document in row["documents"]] == [kettle(2), kettle(0)]


def test_the_length_chooses_among_the_packed_ones(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = trace(capsys, packed, "--row", 1, "--length", 64)
    assert row["row"] == "L64/part-00000.arrow:1"
    assert [document["id"] for document in row["documents"]] == [kettle(1), kettle(2)]
    named = trace(capsys, packed, "--row", "L64/part-00000.arrow:1")
    assert named == row
    assert trace(capsys, packed, "--row", "part-00000.arrow:1", "--length", 64) == row


def test_held_out_rows_are_named_by_their_file(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = trace(capsys, packed, "--row", "validation/L32.arrow:0")
    assert row["held out"] == {"domain": "code", "language": "no"}
    assert "number" not in row and "steps" not in row
    assert row["documents"][0]["id"] == kettle(4) and row["documents"][0]["domain"] == "code"


def test_a_token_leads_to_its_document_and_shows_what_stands_beside_it(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = trace(capsys, packed, "--row", 0, "--token", 11)
    assert found["token"] == {
        "place": 11,
        "id": encode({"text": "k"})[0],
        "text": "k",
        "before": "Kettles of ",
        "after": "ind 0 sing.<｜end▁of▁sentence｜>",
        "document token": 11,
    }
    assert found["document"]["id"] == kettle(0) and "documents" not in found
    later = trace(capsys, packed, "--row", 1, "--token", 3)
    assert later["token"]["document token"] == 11 and later["token"]["text"] == "k"
    assert later["token"]["before"] == "of "


def test_a_token_of_padding_is_said_to_be_one(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = trace(capsys, packed, "--row", 1, "--token", 31)
    assert found["padding"] and found["document"] is None and found["token"]["id"] == PADDING
    call("trace", packed, "--row", 1, "--token", 31)
    assert "id 2, padding: <｜▁pad▁｜>" in capsys.readouterr().out


def test_a_token_that_the_tokenizer_does_not_have_is_still_shown(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sequences(moving / "sequences", list_documents(), added=1000)
    found = trace(capsys, moving, "--row", 0, "--token", 3)
    assert found["token"]["text"] == "�" and found["token"]["id"] > 1000


def test_without_the_tokenizer_a_token_has_its_id_alone(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(moving / "tokenizer")
    token = trace(capsys, moving, "--row", 0, "--token", 3)["token"]
    assert token["text"] is None and "not at hand" in token["note"]


def test_a_step_names_the_rows_that_training_takes_in_its_order(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_record(packed)
    sequences = open_artifact(packed / "sequences")
    assert record is not None
    training = plan_training(record, sequences)
    for step in range(1, SETTINGS["steps"] + 1):
        found = trace(capsys, packed, "--step", step)
        length, numbers = rows_of_step(training, step)
        assert found["length"] == length and [row["number"] for row in found["rows"]] == numbers.tolist()
        for row in found["rows"]:
            chunks = [chunk for part in ROWS[length] for chunk in part][row["number"]]
            assert [(d["tokens"], d["document token"]) for d in row["documents"]] == [
                (chunk.length, chunk.start) for chunk in chunks
            ]


def test_a_step_has_the_rows_that_the_loader_reads(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dspipe.train.loading.loader import RowLoader, list_parts
    from dspipe.train.schedule.phases import plan_phases

    parts = list_parts(open_artifact(packed / "sequences"))
    phases = plan_phases(SETTINGS["batch_size"], SETTINGS["sequence_length"], list(parts))
    loader = RowLoader(parts, phases, SETTINGS["seed"])
    for step in range(1, SETTINGS["steps"] + 1):
        found = trace(capsys, packed, "--step", step)
        assert [row["row"] for row in found["rows"]] == loader.describe_rows(step)


def test_rows_know_the_steps_that_take_them(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sequences, taken = open_artifact(packed / "sequences"), {}
    for step in range(1, 9):
        found = trace(capsys, packed, "--step", step)
        for row in found["rows"]:
            taken.setdefault((found["length"], row["number"]), set()).add(step)
    for length, parts in parts_by_length(sequences).items():
        for number in range(sum(part.rows for part in parts)):
            row = trace(capsys, packed, "--row", number, "--length", length)
            assert row["steps"] == sorted(taken.get((length, number), ()))
    assert len({length for length, _ in taken}) == 2


@pytest.mark.parametrize("steps", [1, 3, 50])
def test_steps_of_rows_is_the_inverse_of_rows_of_step(packed: Path, steps: int) -> None:
    manifest = read_manifest(packed / "model")
    assert manifest is not None
    header = Header("train", 1, SETTINGS | {"steps": steps}, "", manifest.inputs)
    training = plan_training(header, open_artifact(packed / "sequences"))
    taken: dict[tuple[int, int], list[int]] = {}
    for step in range(1, steps + 1):
        length, rows = rows_of_step(training, step)
        for row in dict.fromkeys(rows.tolist()):
            taken.setdefault((length, row), []).append(step)
    for length, count in training.counts.items():
        numbers = list(range(count))
        assert steps_of_rows(training, length, numbers) == [taken.get((length, n), []) for n in numbers]


def test_a_training_in_progress_has_steps_too(moving: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished = trace(capsys, moving, "--step", 2)
    manifest = read_manifest(moving / "model")
    assert manifest is not None
    shutil.rmtree(moving / "model")
    with pytest.raises(RecipeError, match="no training there"):
        call("trace", moving, "--step", 2)
    assert "steps" not in trace(capsys, moving, "--row", 0)
    journal = Journal(moving / ".progress" / "train")
    journal.begin(Header("train", 1, manifest.settings, "of model", manifest.inputs))
    assert trace(capsys, moving, "--step", 2) == finished


def test_rows_that_another_training_took_have_no_steps_of_it(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_manifest(moving / "sequences", fingerprint="of others")
    assert "steps" not in trace(capsys, moving, "--row", 0)
    with pytest.raises(DspipeError, match="the sequences that it was trained on are not at hand"):
        call("trace", moving, "--step", 1)


def change_manifest(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(content | values))


def test_artifacts_taken_from_another_run_are_found_there(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trace(capsys, moving, "--row", 0, "--token", 4)
    step = trace(capsys, moving, "--step", 3)
    for name in ("mixture", "tokenizer", "sequences"):
        (moving.parent / "another" / name).parent.mkdir(exist_ok=True)
        (moving / name).rename(moving.parent / "another" / name)
        assert trace(capsys, moving, "--row", 0, "--token", 4) == whole
        assert trace(capsys, moving, "--step", 3) == step


def test_a_recipe_says_where_artifacts_of_other_runs_lie(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trace(capsys, moving, "--row", 0)
    (moving / "mixture").rename(tmp_path / "moved")
    unknown = trace(capsys, moving, "--row", 0)
    assert [d["id"] for d in unknown["documents"]] == [d["id"] for d in whole["documents"]]
    assert all("not at hand" in d["note"] and "url" not in d for d in unknown["documents"])
    recipe = tmp_path / "here.toml"
    recipe.write_text(f'name = "here"\n[use]\nmixture = "{tmp_path}/moved"\n')
    assert trace(capsys, moving, "--row", 0, "--recipe", recipe) == whole


def test_another_mixture_is_never_taken_for_the_one_that_was_packed(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_manifest(moving / "mixture", fingerprint="of another")
    assert all("not at hand" in d["note"] for d in trace(capsys, moving, "--row", 0)["documents"])
    change_manifest(moving / "mixture", fingerprint="of mixture")
    parts = json.loads((moving / "mixture" / "manifest.json").read_text())["parts"]
    change_manifest(moving / "mixture", parts=parts[::-1])
    first = trace(capsys, moving, "--row", 0)["documents"][0]
    assert "another document at its place" in first["note"] and first["id"] == kettle(0)


def alter(run: Path, old: bytes, new: bytes, file: str = "L32/part-00000.arrow") -> None:
    path = run / "sequences" / file
    content = path.read_bytes()
    assert old in content and len(old) == len(new)
    path.write_bytes(content.replace(old, new, 1))


def test_an_altered_row_is_refused_and_the_others_are_not(
    moving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    padding = np.full(6, PADDING, np.uint32)
    changed = padding.copy()
    changed[3] += 1
    alter(moving, padding.tobytes(), changed.tobytes())
    assert trace(capsys, moving, "--row", 0)["documents"]
    with pytest.raises(DspipeError, match=r"L32/part-00000.arrow:1: the row is not what was packed"):
        call("trace", moving, "--row", 1)


def test_altered_lengths_are_refused(moving: Path) -> None:
    lengths = np.array([24, 8], np.int32).tobytes()
    alter(moving, lengths, np.array([23, 9], np.int32).tobytes())
    with pytest.raises(DspipeError, match=r"arrow:0: the row is not what was packed"):
        call("trace", moving, "--row", 0)


def test_a_broken_file_is_refused(moving: Path) -> None:
    path = moving / "sequences" / "L32" / "part-00000.arrow"
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DspipeError, match="bytes instead of"):
        call("trace", moving, "--row", 0)
    path.write_bytes(b"\0" * len(content))
    with pytest.raises(DspipeError, match="not a readable Arrow file"):
        call("trace", moving, "--row", 0)


def test_rows_of_an_earlier_version_ask_for_packing_again(moving: Path) -> None:
    path = moving / "sequences" / "L32" / "part-00000.arrow"
    table = pa.ipc.open_file(path.read_bytes()).read_all().drop_columns(["checksum", "fim"])
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
    parts = json.loads((moving / "sequences" / "manifest.json").read_text())["parts"]
    change_manifest(moving / "sequences", parts=[parts[0] | {"bytes": path.stat().st_size}, *parts[1:]])
    with pytest.raises(DspipeError, match="no checksums, as earlier versions packed them"):
        call("trace", moving, "--row", 0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--row", "6"], "row 6: there are 6 rows of 32 tokens, numbered from 0"),
        (["--row", "3", "--length", "64"], "there are 3 rows of 64 tokens"),
        (["--row", "part-00001.arrow:3"], "part-00001.arrow:3: the part has 3 rows"),
        (["--row", "part-00007.arrow:0"], "it has no part part-00007.arrow; there are: L32/part-00000.arrow"),
        (["--row", "-1"], "give a row's number"),
        (["--row", "many"], "give a row's number, or its file and its number there"),
        (["--row", "0", "--length", "48"], "no rows of 48 tokens were packed; there are: 32, 64"),
        (["--row", "L32/part-00000.arrow:0", "--length", "64"], "its rows have 32 tokens, not --length 64"),
        (["--row", "0", "--token", "32"], "has 32 tokens, numbered from 0"),
        (["--step", "9"], "the training has the steps 1 to 8"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(packed: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        call("trace", packed, *arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--token", "3"], r"name a document \(ID\), a row \(--row\) or a step"),
        (["some", "--token", "3"], "--token goes with --row"),
        (["--step", "1", "--token", "3"], "--token goes with --row"),
        (["--step", "1", "--length", "32"], "--length goes with --row"),
        (["some", "--row", "3"], "ID and --row go different ways"),
        (["--row", "3", "--page"], "--page goes with a document's ID"),
        (["--row", "3", "--token", "-1"], "is not in the range"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    packed: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(click.UsageError, match=message):
        call("trace", packed, *arguments)


def test_nothing_of_a_document_steers_the_terminal(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--row", 0], ["--step", 1], ["--row", 0, "--token", 3]):
        call("trace", packed, *arguments)
        shown = capsys.readouterr().out
        assert "https://kettle.example/" in shown
        assert all(c.isprintable() or c == "\n" for c in shown)


def test_a_row_as_people_see_it(packed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("trace", packed, "--row", 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("row L32/part-00000.arrow:1, number 1 of length 32, taken by step")
    assert lines[1] == (f"      0  16 tokens, from its token 8, fill-in-the-middle, draw 0, id {kettle(1)}")
    assert lines[3] == "         test/web-1.warc.gz:100  domain web, language en"
    assert lines[-1] == "     26  6 tokens of padding"


def test_tracing_backwards_needs_no_torch(packed: Path) -> None:
    code = (
        "import sys\nfrom dspipe.cli import dspipe\n"
        f"dspipe.main(['trace', {str(packed)!r}, '--row', '0', '--token', '1'], standalone_mode=False)\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
