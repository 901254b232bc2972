"""A small run that is complete: manifests whose counts add up, evidence, and a training's files, as agreed.

What documents and settings say in it is hostile: markup, control characters, false directions.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dspipe import schema
from dspipe.bpe.files import write_tokenizer
from dspipe.recipe import BEGIN, END, FIM_BEGIN, FIM_END, FIM_HOLE, PAD
from dspipe.shards import Counts, Header, Output, Part, read_manifest, record_file, write_parquet
from dspipe.tokenizer.usage import USAGE
from tests.commands.packs import list_documents, write_sequences
from tests.support import document, make_id

EVIL = "</script><img src=x onerror=alert(1)>\u202egnp.exe\x1b[2J\x00"
EVIL_URL = "javascript:alert(1)//\"><img src='https://evil.example/x'>"
LAYERS = ["blocks.1.mlp", "blocks.2.mlp", "depths.0.block.mlp"]
EXPERTS = 8
DOMAINS = [("code", None), ("math", "en"), ("web", "en"), ("web", "no"), ("web", EVIL)]


def close(
    folder: Path, stage: str, counts: Counts, parts: list[Part], beside: list[Part] | None = None, **more: Any
) -> None:
    """Write a manifest; the fingerprint of an artifact is `of` its name unless another is given."""
    inputs = [{"artifact": name, "fingerprint": f"of {name}"} for name in more.get("made_of", [])]
    fingerprint = more.get("fingerprint", f"of {folder.name}")
    header = Header(stage, 1, more.get("settings", {}), fingerprint, inputs + more.get("inputs", []))
    Output(folder, header).close(parts, counts, beside or [], more.get("facts", {}))


def write_rows(folder: Path, file: str, form: pa.Schema, rows: list[dict[str, Any]]) -> Part:
    return write_parquet(folder, file, form, pa.Table.from_pylist(rows, form).to_batches())


def make_documents(count: int) -> list[dict[str, Any]]:
    """Documents; of the first everything that a crawl can choose is hostile."""
    rows = [
        document(f"Kettle {n} sings.\nIt sings twice.", f"report {n}", url=f"https://k.example/{n}")
        | {"origin": {"file": "web.warc.gz", "offset": n}, "title": f"Kettle {n}", "source": "web"}
        for n in range(count)
    ]
    rows[0] |= {"text": EVIL, "title": EVIL, "url": EVIL_URL, "language": EVIL}
    return rows


def make_text(run: Path) -> None:
    """documents, signals, filtered, distinct and mixture: 20 records, of which 10 documents are left."""
    rows = make_documents(18)
    unused = [
        {"reason": "status-4xx", "source": "web", "file": EVIL, "offset": 7, "url": EVIL_URL},
        {"reason": "empty", "source": "web", "file": "web.warc.gz", "offset": 8, "url": None},
    ]
    parts = [write_rows(run / "documents", "part-00000.parquet", schema.DOCUMENTS, rows)]
    lists = [write_rows(run / "documents", "unused-00000.parquet", schema.UNUSED, unused)]
    counts = Counts(20, 18, 0, {"status-4xx": 1, "empty": 1})
    inputs = [{"source": "web", "file": "web.warc.gz", "bytes": 100, "sample": "0"}]
    settings = {"sources": [{"name": "web", "domain": None, EVIL: EVIL}]}
    close(run / "documents", "extract", counts, parts, lists, inputs=inputs, settings=settings)
    facts: dict[str, Any] = {
        "languages": {"en": 15, "no": 2, EVIL: 1}, "domains": {"web": 12, "code": 4, "math": 2}
    }  # fmt: skip
    close(run / "signals", "filter", Counts(18, 18), [], made_of=["documents"], facts=facts)
    rejected = [
        row | {"reasons": ["words", "bad <b>"] if n else ["words", "alone"]} for n, row in enumerate(rows[:4])
    ]
    kept = [write_rows(run / "filtered", "part-00000.parquet", schema.DOCUMENTS, rows[4:])]
    away = [write_rows(run / "filtered", "rejected.parquet", schema.REJECTED, rejected)]
    facts = {"languages": {"en": 12, "no": 2}, "domains": {"web": 8, "code": 4, "math": 2}}
    counts = Counts(18, 14, 0, {"words": 4})
    close(run / "filtered", "filter", counts, kept, away, made_of=["documents"], facts=facts)
    make_distinct(run, rows[4:])
    mixture = list_documents()
    parts = [write_rows(run / "mixture", "part-00000.parquet", schema.MIXTURE, mixture)]
    cells = {
        "web/en": {"asked": 0.5, "got": 0.52, "bytes": 520, "epochs": 1.2, "most_epochs": 2.0},
        "web/no": {"asked": 0.2, "got": 0.18, "bytes": 180, "epochs": 0.9, "most_epochs": 2.0},
        "code": {"asked": 0.3, "got": 0.3, "bytes": 300, "epochs": 0.4, "most_epochs": 2.0},
    }
    counts = Counts(12, 6, 1, {"over-budget": 7})
    close(run / "mixture", "mix", counts, parts, made_of=["distinct"], facts={"cells": cells})


def make_distinct(run: Path, rows: list[dict[str, Any]]) -> None:
    """Two of fourteen go: a near copy whose text differs by markup, and an exact one."""
    removed = [
        {
            "removed": rows[1]["id"],
            "kept": rows[0]["id"],
            "kind": "near",
            "jaccard": 0.9,
            "containment": 0.95,
        },
        {
            "removed": rows[2]["id"],
            "kept": rows[0]["id"],
            "kind": "exact",
            "jaccard": 1.0,
            "containment": 1.0,
        },
    ]
    stay = [row | {"cluster": row["id"]} for n, row in enumerate(rows) if n not in (1, 2)]
    parts = [write_rows(run / "distinct", "part-00000.parquet", schema.DISTINCT, stay)]
    beside = [write_rows(run / "distinct", "removed.parquet", schema.REMOVED, removed)]
    facts = {
        "largest_cluster": 3, "clusters": {"3-4": 1}, "candidates": 5, "verified": 1,
        "removed": {
            "source": {"web": {"in": 14, "removed": 2}}, "domain": {"web": {"in": 14, "removed": 2}},
            "language": {"en": {"in": 12, "removed": 2}, "no": {"in": 2, "removed": 0}},
        },
    }  # fmt: skip
    counts = Counts(14, 12, 0, {"near-copy": 1, "exact-copy": 1})
    close(run / "distinct", "dedup", counts, parts, beside, made_of=["filtered"], facts=facts)


def make_tokenizer(run: Path) -> None:
    """Bytes and marks, one of them hostile and the commonest."""
    folder, empty = run / "tokenizer", np.empty(0, np.int64)
    folder.mkdir(parents=True)
    write_tokenizer(
        folder, empty, empty, "deepseek-v3", [BEGIN, END, PAD], [FIM_HOLE, FIM_BEGIN, FIM_END, EVIL]
    )
    uses = [{"id": n, "token": b"?", "uses": n} for n in range(263)]
    parts = [record_file(folder, "tokenizer.json", 263)]
    beside = [write_rows(folder, "usage.parquet", USAGE, uses)]
    facts = {"vocabulary": 263, "tokens": 263, "bytes": 300, "model_rows": 384, "line": [EVIL]}
    close(folder, "tokenizer", Counts(6, 6), parts, beside, made_of=["mixture"], facts=facts)


def make_sequences(run: Path) -> None:
    """Rows of 32 and 64 tokens, with the facts that `pack` writes of them."""
    write_sequences(run / "sequences", list_documents())
    made = read_manifest(run / "sequences")
    assert made is not None
    facts: dict[str, Any] = {
        f"L{length}": {"rows": rows, "padding": 0.01, "cut": 2, "most_chunks": 2, "validation_rows": 2}
        for length, rows in ((32, 6), (64, 3))
    }
    facts |= {"tokens": 300, "psm": 2, "spm": 0, "splits": 3, "validation": 1}
    counts = Counts(6, 5, 0, {"validation": 1})
    made_of = ["mixture", "tokenizer"]
    close(run / "sequences", "pack", counts, made.parts, made.beside, made_of=made_of, facts=facts)


def make_step(step: int, steps: int, *, start: float = 9.0) -> dict[str, Any]:
    """A line of metrics.jsonl; the fortieth batch was thrown away."""
    share = step / steps
    loss = 2.5 + (start - 2.5) * math.exp(-6 * share) + 0.08 * math.sin(step * 12.9898)
    violation = [0.3 + 0.2 * math.cos(step / 9 + layer) for layer in range(3)]
    return {
        "step": step, "tokens": 2048 * step, "loss": 40.0 if step == 40 else loss, "mtp_loss": loss + 0.4,
        "balance_loss": 1.01, "lr": 3e-3 * min(1.0, step / 20) * (1 - 0.9 * share),
        "grad_norm": 0.4 + 0.3 * abs(math.sin(step * 78.233)), "bias_speed": 0.001 if share < 0.9 else 0.0,
        "mtp_weight": 0.3 if share < 0.7 else 0.1, "balance_weight": 1e-4,
        "batch_size": 8 if share < 0.5 else 16,
        "sequence_length": 256 if share < 0.8 else 1024, "skipped": step == 40,
        "max_violation": sum(violation) / 3, "max_violation_by_layer": violation,
        "seconds": 0.5 + 0.05 * math.sin(step), "waited": 0.001,
        "tokens_per_second": 4000 + 100 * math.sin(step / 5),
        "mfu": 0.31, "memory": 1_500_000_000 + step,
    }  # fmt: skip


def make_evaluation(step: int, steps: int, *, gain: float = 0.0) -> dict[str, Any]:
    loss = 2.6 + 6 * math.exp(-6 * step / steps) - gain
    domains: list[dict[str, Any]] = [
        {
            "domain": domain, "language": language, "rows": 3, "targets": 700 - 100 * n,
            "loss": loss + 0.3 * n, "bits_per_byte": (loss + 0.3 * n) / 2.2,
        }
        for n, (domain, language) in enumerate(DOMAINS)
    ]  # fmt: skip
    figures = {"mtp_loss": loss + 0.4, "acceptance": [0.4 * step / steps]}
    lower = loss - 0.05  # of the average weights
    average: dict[str, Any] = {"loss": lower, "bits_per_byte": lower / 2.2, "fim_loss": loss, **figures}
    average["domains"] = [row | {"loss": row["loss"] - 0.05} for row in domains]
    return {
        "step": step, "sequence_length": 32, "rows": 2, "tokens": 48, "targets": 46, "loss": loss,
        "bits_per_byte": loss / 2.2, **figures, "fim_loss": loss + 0.1, "fim_targets": 20,
        "max_violation": 0.6, "layers": LAYERS, "max_violation_by_layer": [0.5, 0.6, 0.7],
        "domains": domains, "average": average,
    }  # fmt: skip


def make_loads(step: int) -> list[list[int]]:
    """Tokens per expert: uneven at first; expert 0 of the first layer has the most."""
    pull = 600 / (1 + step / 40)
    return [
        [int(1000 + pull * math.cos(expert + layer * 2)) for expert in range(EXPERTS)]
        for layer in range(len(LAYERS))
    ]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_training(folder: Path, steps: int = 200, *, gain: float = 0.0, finished: bool = True) -> None:
    """The folder `model` of a training of so many steps; `gain`: how much lower its held-out losses are."""
    write_lines(folder / "metrics.jsonl", [make_step(step, steps) for step in range(1, steps + 1)])
    evaluated = [make_evaluation(step, steps, gain=gain) for step in range(20, steps + 1, 20)]
    write_lines(folder / "evaluations.jsonl", evaluated)
    write_lines(
        folder / "expert_loads.jsonl", [{"step": s, "loads": make_loads(s)} for s in range(10, steps + 1, 10)]
    )
    (folder / "expert_loads.json").write_text(
        json.dumps({"layers": LAYERS, "total": make_loads(steps), "last_step": make_loads(steps)})
    )
    memory = {
        "limit": 8 << 30,
        "total": 900_000_000,
        "parts": {"weights": 500_000_000, "moments": 400_000_000},
    }
    choices = {"micro_batch": {"256": 8, "1024": 2}, "recompute": ["norms"], "memory": memory}
    (folder / "checkpoint").mkdir()
    (folder / "checkpoint" / "choices.json").write_text(
        json.dumps({"training": "x", "in_codes": False, **choices})
    )
    if finished:
        facts = {
            "steps": steps, "tokens": 2048 * steps, "sequence_length": 1024, "vocabulary": 384,
            "parameters": 4_304_432, "active": 1_945_136, "skipped": 1, "extended": False, **choices,
        }  # fmt: skip
        settings = {"steps": steps, "learning_rate": 3e-3, "model": {"preset": "smoke", EVIL: EVIL}}
        counts = Counts(6, 6)
        close(folder, "train", counts, [], made_of=["sequences", "tokenizer"], facts=facts, settings=settings)


def make_run(run: Path, steps: int = 200, *, gain: float = 0.0) -> Path:
    """The whole run, in its folder."""
    make_text(run)
    make_tokenizer(run)
    make_sequences(run)
    make_training(run / "model", steps, gain=gain)
    return run


def name_document(number: int) -> str:
    return make_id(f"report {number}")
