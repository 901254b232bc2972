#!/usr/bin/env python3
"""Rebuilds the sample corpus byte for byte: ``python shards/sample/build.py [OUT_DIR]``.

Everything is drawn from generators seeded with fixed strings, so a run depends neither on the time nor
on the locale nor on PYTHONHASHSEED.  (The compressed bytes also depend on the zlib and pyarrow in use.)
"""

from __future__ import annotations

import json
import random
import re
import struct
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from source import codefiles, maths, pages, plant
from source.grammar import UNSPACED, Article, Pool
from source.warc import WarcWriter, gzip_member, http_message

OTHERS = (
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "ru",
    "uk",
    "el",
    "tr",
    "ar",
    "he",
    "hi",
    "zh",
    "ja",
    "ko",
)
ISO3 = {
    "en": "eng",
    "de": "deu",
    "fr": "fra",
    "es": "spa",
    "it": "ita",
    "pt": "por",
    "nl": "nld",
    "pl": "pol",
    "ru": "rus",
    "uk": "ukr",
    "el": "ell",
    "tr": "tur",
    "ar": "ara",
    "he": "heb",
    "hi": "hin",
    "zh": "zho",
    "ja": "jpn",
    "ko": "kor",
}
FORMATTED = re.compile("<ul>|<table>|<pre>")
WEB_FILES = ("web-00000.warc.gz", "web-00001.warc.gz")
WET_FILE = "wet-00000.warc.wet.gz"
ENGLISH_PAGES, OTHER_PAGES = 248, 13
NEAR_ENGLISH, NEAR_OTHER, NEAR_WET, DECOYS, POOR = 24, 10, 6, 12, 25
EXACT_ENGLISH, EXACT_OTHER, EXACT_WET = 14, 8, 8


@dataclass
class Page:
    """A web page waiting to be written: its address, host and article or ready inner HTML."""

    url: str
    host: pages.Host
    lang: str
    title: str
    inner: str
    article: Article | None = None
    comments: tuple[str, ...] = ()

    def must_article(self) -> Article:
        """The article; poor pages have none."""
        if self.article is None:
            raise ValueError(f"{self.url} has no article")
        return self.article

    def article_text(self) -> str:
        """The article as plain text."""
        return self.must_article().text()


@dataclass
class Plan:
    """All pages and WET texts together with the truth about them."""

    web: list[Page] = field(default_factory=list)
    wet: list[tuple[str, Article]] = field(default_factory=list)
    exact: list[list[str]] = field(default_factory=list)
    near: list[dict[str, str]] = field(default_factory=list)
    decoys: list[dict[str, str]] = field(default_factory=list)
    poor: list[dict[str, str]] = field(default_factory=list)
    special: dict[str, str] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)

    def add(self, host: pages.Host, article: Article, like: Page | None = None) -> Page:
        """Plan a page for an article; ``like`` gives the page whose article HTML is copied."""
        number = len(self.web)
        url = f"https://{host.name}.example/{pages.slug(article, number)}"
        if like and like.article is article:
            inner = like.inner
        else:
            inner = pages.body_html(article, article.title, decorate=like is None)
        comments = () if like else article.comments
        page = Page(url, host, article.lang, article.title, inner, article, comments)
        self.web.append(page)
        self.languages[url] = article.lang
        return page

    def add_wet(self, article: Article, host: str) -> str:
        """Plan a WET record and return its address."""
        url = f"https://{host}.example/plain/{len(self.wet)}.html"
        self.wet.append((url, article))
        self.languages[url] = article.lang
        return url


def plan_base(plan: Plan, pools: dict[str, Pool], english: list[pages.Host]) -> None:
    """The pages and WET texts that are nobody's copy."""
    for number in range(ENGLISH_PAGES):
        size = "long" if number % 4 == 0 else "normal"
        plan.add(english[number % (len(english) - 2)], pools["en"].draw(size))
    for index, code in enumerate(OTHERS):
        host = pages.language_host(pools[code].language, index)
        for number in range(OTHER_PAGES):
            plan.add(host, pools[code].draw("long" if number % 3 == 0 else "normal"))
    for code in ("en",) * 22 + OTHERS + OTHERS[:10]:
        plan.add_wet(pools[code].draw(), f"{code}-notes")


def plan_copies(plan: Plan, english: list[pages.Host]) -> None:
    """Exact copies and near copies of pages without comments, on other hosts or in the WET file."""
    quiet = [page for page in plan.web if not page.comments]
    ours = [page for page in quiet if page.lang == "en"]
    long = [
        page for page in ours if len(page.article_text().split()) > 380 and not FORMATTED.search(page.inner)
    ]
    others = [page for page in quiet if page.lang != "en"]
    theirs = [page for page in others if page.lang not in ("zh", "ja", "hi") and "<ul>" not in page.inner]
    rng = random.Random("copies")
    near = rng.sample(long, NEAR_ENGLISH + NEAR_WET)
    near[NEAR_ENGLISH:NEAR_ENGLISH] = longest(theirs, NEAR_OTHER)
    taken = {page.url for page in near}
    exact = rng.sample([page for page in ours if page.url not in taken], EXACT_ENGLISH)
    plain = [page for page in others if page.url not in taken and "<ul>" not in page.inner]
    exact += rng.sample(plain, EXACT_OTHER)
    spaced = [page for page in plain if page.lang not in UNSPACED and page not in exact]
    exact += rng.sample(spaced, EXACT_WET)
    for number, page in enumerate(exact):
        plan_exact(plan, page, number, english)
    for number, page in enumerate(near):
        plan_near(plan, page, number, english, ours if page.lang == "en" else theirs)
    free = [page for page in long if page.url not in taken and page not in exact]
    for number, page in enumerate(rng.sample(free, DECOYS)):
        plan_decoy(plan, page, number, english, ours)


def longest(candidates: list[Page], count: int) -> list[Page]:
    """The longest page of each language, longest first."""
    best: dict[str, Page] = {}
    for page in sorted(candidates, key=lambda page: -len(page.article_text().split())):
        best.setdefault(page.lang, page)
    return list(best.values())[:count]


def other_host(page: Page, number: int, english: list[pages.Host]) -> pages.Host:
    """A host that republishes: an English paper for English pages, else one of the two mirrors."""
    hosts = [host for host in (english if page.lang == "en" else english[-2:]) if host.name != page.host.name]
    return hosts[(number * 5 + 1) % len(hosts)]


def plan_exact(plan: Plan, page: Page, number: int, english: list[pages.Host]) -> None:
    """The same article at a second address."""
    article = page.must_article()
    if number < EXACT_ENGLISH + EXACT_OTHER:
        copy = plan.add(other_host(page, number, english), article, like=page).url
    else:
        copy = plan.add_wet(article, "reader")
    plan.exact.append([page.url, copy])


def plan_near(plan: Plan, page: Page, number: int, english: list[pages.Host], pool: list[Page]) -> None:
    """The article with a small edit at a second address."""
    article = page.must_article()
    same = [other for other in pool if other.lang == page.lang and other is not page]
    edited, edit = plant.near_copy(article, same[number * 7 % len(same)].must_article(), number)
    if number < NEAR_ENGLISH + NEAR_OTHER:
        copy = plan.add(other_host(page, number + 3, english), edited, like=page).url
    else:
        copy = plan.add_wet(edited, "reader")
    plan.near.append({"original": page.url, "copy": copy, "edit": edit})


def plan_decoy(plan: Plan, page: Page, number: int, english: list[pages.Host], pool: list[Page]) -> None:
    """An article that looks like a copy and is not."""
    other = next(
        p
        for p in pool[number * 11 :] + pool
        if p.must_article().topic == page.must_article().topic and p is not page
    )
    made = plant.decoy(page.must_article(), other.must_article(), number)
    twin = plan.add(other_host(page, number + 1, english), made, like=page)
    plan.decoys.append({"original": page.url, "similar": twin.url})


def plan_poor(plan: Plan, english: list[pages.Host], articles: list[Article]) -> None:
    """Pages that a quality rule must drop."""
    for number in range(POOR):
        kind = plant.POOR_KINDS[number % len(plant.POOR_KINDS)]
        host = english[number % len(english)]
        rng = random.Random(f"poor/{number}")
        inner = plant.poor_page(kind, rng, rng.choice(articles[number % len(articles)].sentences()))
        page = Page(f"https://{host.name}.example/misc/{number}.html", host, "en", f"Page {number}", inner)
        plan.web.append(page)
        plan.poor.append({"url": page.url, "why": kind})


def png() -> bytes:
    """A grey picture of 8 by 8 points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    squeeze = zlib.compressobj(9)
    points = squeeze.compress((b"\x00" + bytes(range(0, 64, 8))) * 8) + squeeze.flush()
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", points) + chunk(b"IEND", b"")


def chunked(body: bytes, size: int = 1000) -> bytes:
    """The body in HTTP chunked transfer coding."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def choose_special(plan: Plan) -> None:
    """Pick the pages that are delivered in unusual ways."""
    planted = {url for pair in plan.exact for url in pair}
    planted |= {str(entry[key]) for entry in plan.near for key in ("original", "copy")}
    planted |= {str(entry[key]) for entry in plan.decoys for key in ("original", "similar")}
    free = [page for page in plan.web if page.article and page.url not in planted]
    ways = {
        "windows-1251": "ru",
        "iso-8859-1": "de",
        "content-encoding gzip": "en",
        "transfer-encoding chunked": "en",
        "truncated": "en",
    }
    for way, lang in ways.items():
        page = next(page for page in free if page.lang == lang and page.url not in plan.special)
        plan.special[page.url] = way


def write_page(writer: WarcWriter, plan: Plan, page: Page, titles: list[str]) -> None:
    """The response record of one page, now and then with its request or metadata."""
    way = plan.special.get(page.url, "")
    charset = way if way in ("windows-1251", "iso-8859-1") else "utf-8"
    html = pages.page(page.host, page.lang, page.title, page.inner, titles, charset, page.comments)
    body = html.encode(charset, errors="xmlcharrefreplace")
    headers = {"Server": "teapot/1.0", "Content-Type": f"text/html; charset={charset}"}
    if way == "content-encoding gzip":
        body = gzip_member(body)
        headers["Content-Encoding"] = "gzip"
    extra = {}
    if way == "truncated":
        body = body[: len(body) * 6 // 10]
        extra = {"WARC_Truncated": "length"}
    headers["Content-Length"] = str(len(body))
    if way == "transfer-encoding chunked":
        del headers["Content-Length"]
        headers["Transfer-Encoding"] = "chunked"
        body = chunked(body)
    number = writer.number
    record = writer.response(page.url, http_message("200 OK", headers, body), **extra)
    if number % 23 == 5:
        writer.request(page.url, record)
    if number % 31 == 7:
        writer.metadata(page.url, record, page.lang)


def write_oddities(writer: WarcWriter, plan: Plan, part: int) -> None:
    """Records that are not ordinary pages."""
    gone = b"<html><head><title>404</title></head><body><h1>Not found</h1></body></html>"
    data = json.dumps({"kettles": 12, "note": "not a page"}).encode("ascii")
    odd = (
        (("200 OK", "text/html", b"", "empty body"), ("200 OK", "image/png", png(), "not HTML")),
        (("404 Not Found", "text/html", gone, "404"), ("200 OK", "application/json", data, "not HTML")),
    )
    for number, (status, kind, body, why) in enumerate(odd[part]):
        url = f"https://kettle.example/odd/{part}-{number}"
        headers = {"Server": "teapot/1.0", "Content-Type": kind, "Content-Length": str(len(body))}
        writer.response(url, http_message(status, headers, body))
        plan.special[url] = why


def write_web(plan: Plan) -> dict[str, WarcWriter]:
    """Both WARC files, the pages in a mixed order."""
    order = list(plan.web)
    random.Random("order").shuffle(order)
    half = (len(order) + 1) // 2
    by_host: dict[str, list[str]] = {}
    for page in plan.web:
        by_host.setdefault(page.host.name, []).append(page.title)
    writers = {}
    for part, name in enumerate(WEB_FILES):
        writer = writers[name] = WarcWriter(name)
        writer.info("Invented web pages, part " + str(part))
        for page in order[part * half : (part + 1) * half]:
            titles = random.Random(page.url).sample(by_host[page.host.name], 4)
            write_page(writer, plan, page, titles)
        write_oddities(writer, plan, part)
    return writers


def write_wet(plan: Plan) -> WarcWriter:
    """The WET file: plain texts as conversion records."""
    writer = WarcWriter(WET_FILE)
    writer.info("Invented plain texts")
    order = list(plan.wet)
    random.Random("wet order").shuffle(order)
    for url, article in order:
        writer.add(
            "conversion",
            article.text().encode("utf-8"),
            "text/plain",
            url,
            WARC_Identified_Content_Language=ISO3[article.lang],
        )
    return writer


def make_plan() -> Plan:
    """Decide every document and every planted fact."""
    pools = {code: Pool(code) for code in ("en", *OTHERS)}
    english = pages.english_hosts()
    plan = Plan()
    plan_base(plan, pools, english)
    plan_copies(plan, english)
    plan_poor(plan, english, [pools["en"].draw() for _ in range(POOR)])
    choose_special(plan)
    return plan


def truth(plan: Plan, counts: dict[str, dict[str, int]], poor_code: list[str]) -> str:
    """The ground truth as JSON text."""
    facts = {
        "documents": counts,
        "exact_copies": plan.exact,
        "near_copies": plan.near,
        "decoys": plan.decoys,
        "poor": plan.poor,
        "special": plan.special,
        "poor_code": [
            {"id": poor_code[0], "why": "line of more than 1000 characters"},
            {"id": poor_code[1], "why": "mostly digits"},
        ],
        "languages": dict(sorted(plan.languages.items())),
    }
    return json.dumps(facts, ensure_ascii=False, indent=0) + "\n"


def main(arguments: list[str]) -> None:
    """Write all files into the given folder or next to this script."""
    out = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    out.mkdir(parents=True, exist_ok=True)
    plan = make_plan()
    writers = write_web(plan) | {WET_FILE: write_wet(plan)}
    for name, writer in writers.items():
        (out / name).write_bytes(bytes(writer.data))
    code = codefiles.documents()
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in code)
    (out / "code.jsonl.gz").write_bytes(gzip_member(lines.encode("utf-8")))
    rows = maths.documents(280)
    schema = pa.schema([(name, pa.string()) for name in ("id", "text", "license")])
    pq.write_table(pa.Table.from_pylist(rows, schema), out / "math.parquet", compression="zstd")
    counts = {name: writer.counts for name, writer in writers.items()}
    counts |= {"code.jsonl.gz": {"documents": len(code)}, "math.parquet": {"documents": len(rows)}}
    (out / "truth.json").write_text(truth(plan, counts, [row["id"] for row in code[-2:]]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
