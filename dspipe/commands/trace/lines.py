"""A row and its documents, as `backwards` describes them → lines for a terminal."""

from __future__ import annotations

from typing import Any

import click

from dspipe.commands.terminal import WIDTH, plain

MARGIN = 9  # characters before what is said of a document
ADDRESS = 2000  # characters of a URL that are shown: one wants to follow it


def print_row(row: dict[str, Any]) -> None:
    """Print a row's name and its documents in order, or the one token that was asked for."""
    click.echo(plain(", ".join(list_heads(row)), ADDRESS))
    if "token" in row:
        return print_token(row)
    for document in row["documents"]:
        print_document(document)
    if row["padding"]:
        click.echo(f"{row['padding']['first token']:>7}  {row['padding']['tokens']} tokens of padding")


def list_heads(row: dict[str, Any]) -> list[str]:
    heads = [f"row {row['row']}"]
    if "number" in row:
        heads.append(f"number {row['number']} of length {row['length']}")
    if "held out" in row:
        heads.append("held out: " + ", ".join(plain(label or "-") for label in row["held out"].values()))
    if "steps" in row:
        heads.append(f"taken by {name_steps(row['steps'])}")
    return heads


def name_steps(steps: list[int]) -> str:
    """step 12; steps 12, 40; no step; of many the first."""
    most = 8
    if not steps:
        return "no step"
    named = ", ".join(map(str, steps[:most])) + (
        f" and {len(steps) - most} more" if len(steps) > most else ""
    )
    return f"step{'s' if len(steps) > 1 else ''} {named}"


def print_document(document: dict[str, Any]) -> None:
    """Print where it lies in the row and in what form, its address, and its record."""
    form = "fill-in-the-middle" if document["fim"] else "as it is"
    click.echo(
        f"{document['first token']:>7}  {document['tokens']} tokens, "
        f"from its token {document['document token']}, {form}, "
        f"draw {document['draw']}, id {plain(document['id'])}"
    )
    if "note" in document:
        return click.echo(" " * MARGIN + document["note"])
    record = f"{document['source']}/{document['file']}:{document['offset']}"
    click.echo(" " * MARGIN + plain(document["url"], ADDRESS))
    click.echo(
        f"{' ' * MARGIN}{plain(record, ADDRESS)}  domain {plain(document['domain'])}, "
        f"language {plain(document['language'])}"
    )


def print_token(row: dict[str, Any]) -> None:
    """Print a token, what stands beside it, and its document."""
    token = row["token"]
    what = "padding" if row["padding"] else f"token {token['document token']} of its document"
    click.echo(f"{token['place']:>7}  id {token['id']}, {what}: {plain(token['text'])}")
    if "note" in token:
        click.echo(" " * MARGIN + token["note"])
    else:
        before, text, after = plain(token["before"][-WIDTH:]), plain(token["text"]), plain(token["after"])
        click.echo(f"{' ' * MARGIN}{before}▸{text}◂{after}")
    if row["document"] is not None:
        print_document(row["document"])
