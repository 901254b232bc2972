"""The stage as a whole: what it writes, counts and keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dspipe.filter.stage import run
from dspipe.recipe import Filter, Licenses
from dspipe.schema import DOCUMENTS, REJECTED, SIGNALS
from dspipe.shards import Artifact, open_artifact
from tests.support import document, make_artifact, make_output, make_workers, read_rows

ENGLISH = "The road to the harbour is long, and {} boats have been there with all of the nets. It is late. "
MORE = (
    "Nobody had told him that the ferry would not be running, so he sat down on a bollard and waited for the "
    "wind to drop. A woman came along the quay with two dogs and asked whether he wanted to cross. Her "
    "brother, she said, kept a small boat behind the ice house, and took people over for what they could pay."
)
GERMAN = (
    "Der Weg zum Hafen ist lang, und {} Boote liegen dort mit allen Netzen. Es ist schon spät. Niemand hatte "
    "ihm gesagt, dass die Fähre heute nicht mehr fährt, also setzte er sich auf einen Poller und wartete. "
    "Eine Frau kam mit zwei Hunden den Kai entlang und fragte, ob er hinüber wolle. Ihr Bruder, sagte sie, "
    "habe hinter dem Eishaus ein kleines Boot."
)
ENGLISH_ONLY = Filter(languages=["en"])


def make_rows(part: int) -> list[dict[str, Any]]:
    return [
        document(ENGLISH.format(part) + MORE, f"good {part}", language="xx", domain=None),
        document(GERMAN.format(part), f"german {part}", domain=None),
        document(ENGLISH.format(part), f"short {part}"),
        document(f"Kort {part}", f"both {part}"),
        document("", f"empty {part}"),
    ]


def filter_rows(
    folder: Path,
    parts: list[list[dict[str, Any]]],
    workers: int = 1,
    settings: Filter = ENGLISH_ONLY,
) -> tuple[Artifact, Artifact]:
    documents = make_artifact(folder / "documents", parts)
    signals, filtered = make_output(folder / "signals"), make_output(folder / "filtered")
    (folder / "progress").mkdir()
    crew = make_workers(folder, workers)
    run(settings, documents, signals, filtered, crew)
    crew._pool.close()
    return open_artifact(folder / "signals"), open_artifact(folder / "filtered")


def test_signals_have_every_row_in_order_and_filtered_the_survivors(tmp_path: Path) -> None:
    parts = [make_rows(1), make_rows(2)]
    signals, filtered = filter_rows(tmp_path, parts)
    assert [row["id"] for row in read_rows(signals)] == [row["id"] for part in parts for row in part]
    assert list(read_rows(signals)[0]) == SIGNALS.names
    survivors = read_rows(filtered)
    assert survivors == [{**part[0], "language": "en", "domain": "web"} for part in parts]
    assert list(survivors[0]) == DOCUMENTS.names


def test_rejected_rows_have_all_reasons_and_count_under_the_first(tmp_path: Path) -> None:
    signals, filtered = filter_rows(tmp_path, [make_rows(1), make_rows(2)])
    rejected = read_rows(filtered, "rejected.parquet")
    assert list(rejected[0]) == REJECTED.names and len(rejected) == 8
    assert rejected[0]["reasons"] == ["language", "gopher-stop-words"][:1]
    assert rejected[1]["reasons"] == ["gopher-words"]
    assert rejected[2]["reasons"][:2] == ["language", "gopher-words"]
    counts = filtered.manifest.counts
    assert (counts.in_, counts.out, counts.dropped) == (10, 2, {"language": 6, "gopher-words": 2})
    rules = filtered.manifest.facts.pop("rules")
    nothing = {"email": 0, "ip": 0, "phone": 0, "secret": 0}
    facts = {"languages": {"en": 2}, "domains": {"web": 2}, "replaced": nothing, "line": []}
    assert filtered.manifest.facts == facts
    assert list(rules)[:2] == ["language", "gopher-words"]
    assert rules["language"] == {"fails": 6, "only": 2, "first": 6}
    assert rules["gopher-words"] == {"fails": 6, "only": 2, "first": 2}
    assert signals.manifest.facts["languages"] == {"en": 4, "und": 4, "de": 2}


def test_bytes_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    parts = [make_rows(n) for n in range(3)]
    one = filter_rows(tmp_path / "one", parts, 1)
    two = filter_rows(tmp_path / "two", parts, 2)
    for a, b in zip(one, two, strict=True):
        assert [p.xxh3 for p in a.manifest.parts] == [p.xxh3 for p in b.manifest.parts]
        assert [p.xxh3 for p in a.manifest.beside] == [p.xxh3 for p in b.manifest.beside]


def test_an_artifact_without_rows_or_parts_is_filtered_to_nothing(tmp_path: Path) -> None:
    for name, parts in (("rows", [[]]), ("parts", [])):
        signals, filtered = filter_rows(tmp_path / name, parts)
        assert signals.rows == filtered.rows == 0 and read_rows(filtered, "rejected.parquet") == []


def test_blocked_urls_and_denied_licences_are_reasons_before_all_rules(tmp_path: Path) -> None:
    blocklist = tmp_path / "list.txt"
    blocklist.write_text("bad.example  # a host\nfine.example/x\ncasino\n")
    good = ENGLISH.format(1) + MORE
    rows = [
        document(good, "stays", url="http://fine.example/xy", license="MIT"),
        document(good, "host", url="http://www.bad.example/casino", license="MIT"),
        document(good, "url", url="http://fine.example/x/1"),
        document("Short", "several", url="http://fine.example/x/casino", license="CC-BY-NC-4.0"),
        document(good, "license", license="cc-by-nc-4.0"),
    ]
    settings = Filter(blocklist=str(blocklist), licenses=Licenses(deny=["cc-by-nc*"]))
    _, filtered = filter_rows(tmp_path, [rows[:2], rows[2:]], settings=settings)
    assert [row["id"] for row in read_rows(filtered)] == [rows[0]["id"]]
    found = [row["reasons"] for row in read_rows(filtered, "rejected.parquet")]
    assert found[:2] == [["blocked-host", "blocked-word"], ["blocked-url"]]
    assert found[2][:4] == ["blocked-url", "blocked-word", "license", "gopher-words"]
    assert found[3] == ["license"]
    assert filtered.manifest.counts.dropped == {"blocked-host": 1, "blocked-url": 2, "license": 1}
    rules = filtered.manifest.facts["rules"]
    assert list(rules)[:4] == ["blocked-host", "blocked-url", "blocked-word", "license"]
    assert rules["blocked-word"] == {"fails": 2, "only": 0, "first": 0}
    assert rules["license"] == {"fails": 2, "only": 1, "first": 1}


def test_private_data_is_replaced_in_what_is_kept_and_counted(tmp_path: Path) -> None:
    text = ENGLISH.format(1) + MORE + " Write to ann@harbour.example, or call +44 20 7946 0958."
    rows = [document(text, name, source=name) for name in ("web", "books")]
    rows.append(document("ann@harbour.example", "rejected", source="web"))
    documents = make_artifact(tmp_path / "documents", [rows])
    signals, filtered = make_output(tmp_path / "signals"), make_output(tmp_path / "filtered")
    run(Filter(private={"web": ["email"]}), documents, signals, filtered, make_workers(tmp_path))
    kept = {row["source"]: row["text"] for row in read_rows(open_artifact(tmp_path / "filtered"))}
    assert kept["web"] == text.replace("ann@harbour.example", "[EMAIL]") and kept["books"] == text
    artifact = open_artifact(tmp_path / "filtered")
    assert read_rows(artifact, "rejected.parquet")[0]["text"] == "ann@harbour.example"
    assert artifact.manifest.facts["replaced"] == {"email": 1, "ip": 0, "phone": 0, "secret": 0}
    assert artifact.manifest.facts["line"] == ["replaced email 1"]
    measured = read_rows(open_artifact(tmp_path / "signals"))
    assert [(row["emails"], row["phone_numbers"]) for row in measured] == [(1, 1), (1, 1), (1, 0)]
