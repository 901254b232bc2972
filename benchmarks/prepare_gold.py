"""Checkouts of two public sets of web pages with marked texts → files for `dspipe bench extract --gold`.

    python benchmarks/prepare_gold.py CHECKOUT FILE.jsonl

CHECKOUT is one of scrapinghub/article-extraction-benchmark (181 articles with their whole text) or of
adbar/trafilatura (990 pages, each with a few segments that belong to its text and a few that do not). With a
name that ends in .warc.gz the pages become a WARC file instead, for `dspipe bench extract --data`: real pages
of real sizes. They are other people's: keep them out of any repository.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import string
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkout", type=Path)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    lines = list(read_set(arguments.checkout))
    with arguments.file.open("wb") as file:
        if arguments.file.name.endswith(".warc.gz"):
            file.writelines(make_record(line) for line in lines)
        else:
            file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    print(f"{arguments.file}: {len(lines)} pages")


def make_record(line: dict[str, Any]) -> bytes:
    """A page as a record that a crawler might have written, in one gzip member."""
    stored = "html" in line
    page = line["html"].encode() if stored else base64.b64decode(line["html_base64"])
    kind = "text/html; charset=utf-8" if stored else "text/html"
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(page)}\r\n\r\n"
    block = answer.encode() + page
    head = f"""WARC/1.0
WARC-Type: response
WARC-Record-ID: <urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, line["url"])}>
WARC-Date: 2026-01-01T00:00:00Z
WARC-Target-URI: {quote(line["url"], safe=string.punctuation)}
Content-Type: application/http; msgtype=response
Content-Length: {len(block)}

""".replace("\n", "\r\n")
    return gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0)


def read_set(checkout: Path) -> Iterator[dict[str, Any]]:
    if (checkout / "ground-truth.json").is_file():
        return read_articles(checkout)
    if (checkout / "tests" / "evaldata.json").is_file():
        return read_segments(checkout / "tests")
    raise SystemExit(f"{checkout}: neither ground-truth.json nor tests/evaldata.json is there")


def read_articles(checkout: Path) -> Iterator[dict[str, Any]]:
    """The whole texts; the pages were stored decoded, in UTF-8."""
    truth = json.loads((checkout / "ground-truth.json").read_text(encoding="utf-8"))
    for name, article in truth.items():
        page = gzip.decompress((checkout / "html" / f"{name}.html.gz").read_bytes()).decode()
        yield {"id": name, "url": article["url"], "html": page, "text": article["articleBody"]}


def read_segments(tests: Path) -> Iterator[dict[str, Any]]:
    """The segments; the pages are as they were fetched, in any charset, in one of two folders."""
    for url, marks in json.loads((tests / "evaldata.json").read_text(encoding="utf-8")).items():
        folder = next(folder for folder in ("cache", "eval") if (tests / folder / marks["file"]).is_file())
        page = (tests / folder / marks["file"]).read_bytes()
        yield {
            "id": marks["file"],
            "url": url,
            "html_base64": base64.b64encode(page).decode(),
            "with": marks["with"],
            "without": marks["without"],
        }


if __name__ == "__main__":
    main()
