"""A training row, a token of it, or an optimizer step → the documents behind it, and where they are from.

Rows hold their documents' places in the mixture, so only the row groups that hold these are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from dspipe.commands.lookup import find_input, open_stage
from dspipe.commands.packed import Rows, describe_chunk, parts_by_length, read_row
from dspipe.commands.terminal import print_json
from dspipe.commands.trace.documents import look_up
from dspipe.commands.trace.lines import print_row
from dspipe.commands.trace.rows import RowPlace, find_row, number_row
from dspipe.recipe import DspipeError, RecipeError
from dspipe.shards import Artifact

Found = dict[str, Any]

NO_MIXTURE = "the mixture that the rows were packed from is not at hand: no run here has it"
OTHER = "the mixture has another document at its place: it was altered"


def trace_row(
    run: Path, name: str, length: int | None, token: int | None, recipe: Path | None, as_json: bool
) -> None:
    """Print the documents of a row, or the one behind a token of it."""
    used = read_use(recipe)
    sequences = open_sequences(run, used)
    place = find_row(sequences, name, length)
    if token is not None and token >= place.length:
        raise RecipeError(f"--token {token}: row {place} has {place.length} tokens, numbered from 0")
    rows = read_row(sequences.folder, place.part, place.row)
    (row,) = describe_rows(sequences, [place], [rows], used)
    row |= note_steps(run, sequences, place)
    if token is not None:
        row = choose_token(row, rows, token, sequences, used)
    print_json(row) if as_json else print_row(row)


def trace_step(run: Path, step: int, recipe: Path | None, as_json: bool) -> None:
    """Print all documents of the rows that a step takes, row by row in its order."""
    from dspipe.commands.trace.training import plan_training, read_record, rows_of_step

    used, record = read_use(recipe), read_record(run)
    if record is None:
        raise RecipeError(
            f"{run}: no training there that says which rows a step takes; run one with "
            "`dspipe run RECIPE --until train`"
        )
    sequences = find_input(record.inputs, "sequences", run, used.get("sequences"))
    if sequences is None:
        raise DspipeError(
            f"{run}: the sequences that it was trained on are not at hand: no run here has them"
        )
    length, numbers = rows_of_step(plan_training(record, sequences), step)
    parts = parts_by_length(sequences)[length]
    places = [number_row(parts, number, length) for number in numbers.tolist()]
    rows = [read_row(sequences.folder, place.part, place.row) for place in places]
    described = describe_rows(sequences, places, rows, used)
    if as_json:
        return print_json({"step": step, "length": length, "rows": described})
    click.echo(f"step {step}: {len(places)} rows of {length} tokens")
    for row in described:
        click.echo()
        print_row(row)


def read_use(recipe: Path | None) -> dict[str, Path]:
    """Where a recipe's `[use]` has artifacts of other runs."""
    if recipe is None:
        return {}
    from dspipe.reading import load_recipe

    return {name: Path(folder) for name, folder in load_recipe(recipe).use.items()}


def open_sequences(run: Path, used: dict[str, Path]) -> Artifact:
    """A run's rows, or those of another run that it is trained on."""
    from dspipe.commands.trace.training import read_record

    sequences, record = open_stage(run, "sequences"), read_record(run)
    if sequences is None and record is not None:
        sequences = find_input(record.inputs, "sequences", run, used.get("sequences"))
    if sequences is None:
        raise RecipeError(f"{run}: no rows there; give the folder of a run that has done `pack`")
    return sequences


def describe_rows(
    sequences: Artifact, places: Sequence[RowPlace], rows: Sequence[Rows], used: dict[str, Path]
) -> list[Found]:
    """What is in each row, the documents' facts looked up for all of them at once."""
    chunks = [row.chunks(0) for row in rows]
    mixture = find_input(sequences.manifest.inputs, "mixture", sequences.folder.parent, used.get("mixture"))
    wanted = [chunk["places"] for row in chunks for chunk in row]
    facts = look_up(mixture, wanted) if mixture else None
    return [
        describe_row(place, row, [describe_document(chunk, facts) for chunk in found])
        for place, row, found in zip(places, rows, chunks, strict=True)
    ]


def describe_document(chunk: Found, facts: dict[int, Found] | None) -> Found:
    """One document's tokens in a row, and what the mixture says of it."""
    known = None if facts is None else facts.get(chunk["places"], {})
    document = describe_chunk(chunk) | {"id": chunk["documents"]}
    if known is None or known.get("id") != chunk["documents"]:
        return document | {"note": NO_MIXTURE if known is None else OTHER}
    return document | known


def describe_row(place: RowPlace, rows: Rows, documents: list[Found]) -> Found:
    used = sum(document["tokens"] for document in documents)
    row: Found = {"row": str(place), "number": place.number, "length": place.length}
    if place.number is None:
        del row["number"]
        row["held out"] = {name: rows.batch[name][0].as_py() for name in ("domain", "language")}
    padding = {"first token": used, "tokens": place.length - used}
    return row | {"documents": documents, "padding": padding if padding["tokens"] else None}


def note_steps(run: Path, sequences: Artifact, place: RowPlace) -> Found:
    """The steps that take a row, where the run has a training on it."""
    from dspipe.commands.trace.training import is_trained_on, plan_training, read_record, steps_of_rows

    record = read_record(run)
    if record is None or place.number is None or not is_trained_on(record, sequences):
        return {}
    return {"steps": steps_of_rows(plan_training(record, sequences), place.length, [place.number])[0]}


def choose_token(row: Found, rows: Rows, place: int, sequences: Artifact, used: dict[str, Path]) -> Found:
    """Of a row only the document behind a token, and the token."""
    from dspipe.bpe.encoding.encoder import Encoder
    from dspipe.commands.trace.tokens import describe_token

    spans = [(d["first token"], d["first token"] + d["tokens"], d) for d in row["documents"]]
    padding = (spans[-1][1] if spans else 0, row["length"], None)
    first, end, document = next(span for span in [*spans, padding] if place < span[1])
    inputs, run = sequences.manifest.inputs, sequences.folder.parent
    tokenizer = find_input(inputs, "tokenizer", run, used.get("tokenizer"))
    encoder = Encoder(tokenizer.folder) if tokenizer else None
    token = describe_token(rows.tokens[0], place, first, end, encoder)
    if document is not None:
        token["document token"] = document["document token"] + place - first
    kept = {key: value for key, value in row.items() if key not in ("documents", "padding")}
    return kept | {"token": token, "document": document, "padding": document is None}
