"""Texts and tokenizers → how many bytes and characters a token holds, by language and by domain."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dspipe.recipe import NON_NATURAL

if TYPE_CHECKING:
    import pyarrow as pa

    from dspipe.bpe.encoding.encoder import Encoder
    from dspipe.commands.vocabulary.held_out import HeldOut

LEAST_BYTES = 10_000  # of a language that is compared with others
REFERENCE = "en"
UNITS = ("bytes", "characters")


def measure_compression(held_out: HeldOut, encoders: dict[str, Encoder]) -> dict[str, Any]:
    """For each group of texts its documents and bytes, and what a token of each tokenizer holds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table, names = held_out.table, list(encoders)
    texts = table["text"]
    rows = pa.table(
        {
            "domain": pc.fill_null(table["domain"], "-"),
            "language": pc.fill_null(table["language"], "und"),
            "bytes": pc.fill_null(pc.binary_length(texts), 0).cast(pa.int64()),
            "characters": pc.fill_null(pc.utf8_length(texts), 0).cast(pa.int64()),
            **{f"tokens {name}": pa.array(encoder.count(texts)) for name, encoder in encoders.items()},
        }
    )
    natural = rows.filter(pc.invert(pc.is_in(rows["domain"], pa.array(NON_NATURAL))))
    by_language = summarize(natural, "language", names)
    measured = {
        "documents": table.num_rows,
        "bytes": pc.sum(rows["bytes"]).as_py() or 0,
        "domains": summarize(rows, "domain", names),
        "languages": by_language,
        "parity": {name: measure_parity(by_language, name) for name in names},
    }
    if held_out.parallel:
        premiums = {name: measure_premium(table, rows[f"tokens {name}"]) for name in names}
        measured["premium"] = premiums
    return measured


def summarize(rows: pa.Table, key: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Groups, the largest first."""
    tokens = [f"tokens {name}" for name in names]
    sums = [(name, "sum") for name in ("bytes", "characters", *tokens)]
    grouped = rows.group_by(key).aggregate([*sums, ("bytes", "count")]).sort_by([("bytes_sum", "descending")])
    return [
        {
            key: row[key],
            "documents": row["bytes_count"],
            "bytes": row["bytes_sum"],
            "tokens": {name: row[f"tokens {name}_sum"] for name in names},
            **{
                f"{unit}_per_token": {
                    name: divide(row[f"{unit}_sum"], row[f"tokens {name}_sum"]) for name in names
                }
                for unit in UNITS
            },
        }
        for row in grouped.to_pylist()
    ]


def divide(amount: int, tokens: int) -> float:
    return round(amount / tokens, 4) if tokens else 0.0


def measure_parity(languages: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """How unlike languages are served, by bytes and by characters a token, of those with enough text.

    Texts of two languages have unlike contents, and a character takes one to four bytes and says more or less
    by script, so neither is what a reader pays: only parallel texts tell (`measure_premium`).
    """
    enough = [row for row in languages if row["bytes"] >= LEAST_BYTES and row["language"] != "und"]
    parity: dict[str, Any] = {}
    for unit in UNITS if enough else ():
        served = {row["language"]: row[f"{unit}_per_token"][name] for row in enough}
        worst = min(served, key=lambda language: served[language])
        parity[unit] = {
            "languages": len(served),
            "median": round(statistics.median(served.values()), 4),
            "worst_language": worst,
            "worst": served[worst],
            "gini": round(find_gini(list(served.values())), 4),
            "tokens_beside_english": {
                language: divide(served[REFERENCE], held) for language, held in served.items()
            }
            if REFERENCE in served
            else {},
        }
    return parity


def find_gini(values: list[float]) -> float:
    """0 where all are equal, towards 1 where one has all.

    >>> find_gini([1, 1, 1]), find_gini([0, 0, 3])
    (0.0, 0.6666666666666666)
    """
    ordered = sorted(values)
    total = sum(ordered)
    ranks = sum(rank * value for rank, value in enumerate(ordered, 1))
    return 2 * ranks / (len(ordered) * total) - (len(ordered) + 1) / len(ordered) if total else 0.0


def measure_premium(table: pa.Table, tokens: pa.ChunkedArray) -> dict[str, dict[str, float]]:
    """Tokens for the same content, as times those of English, where texts are parallel.

    Texts are parallel that have a `source_id` in common; what both languages have counts.
    """
    content: dict[str, dict[str, int]] = {}
    columns = (table["source_id"].to_pylist(), table["language"].to_pylist(), tokens.to_pylist())
    for key, language, count in zip(*columns, strict=True):
        if key is not None and language is not None:
            of_language = content.setdefault(language, {})
            of_language[key] = of_language.get(key, 0) + count
    known = content.pop(REFERENCE, {})
    premiums = {}
    for language, counts in sorted(content.items()):
        shared = known.keys() & counts.keys()
        if shared:
            times = divide(sum(counts[key] for key in shared), sum(known[key] for key in shared))
            premiums[language] = {"times": times, "texts": len(shared)}
    return premiums
