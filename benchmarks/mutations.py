"""A real record and a seeded chance → what a hostile crawl could hold in its place.

Three places to break: the page (the record stays intact, so it must be counted), the answer of the server
around it (intact, too), and the record itself or the bytes it is stored in (anything may be made of it, but
its neighbours must not be harmed).
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

Chance = random.Random
RARE = 300  # one in so many is huge
SMALL, LARGE = 2_000, 8_000  # bytes of most pages
DEEP = 100_000
ENCODINGS = (
    "utf-16", "utf-16-be", "utf-32", "utf-7", "shift_jis", "euc_jp", "iso2022_jp", "gb18030", "big5",
    "euc_kr", "koi8-r", "cp1251", "cp1252", "latin-1", "iso8859-8", "cp037", "ascii",
)  # fmt: skip
CHARSETS = (
    *ENCODINGS,
    "utf-8",
    "x-user-defined",
    "replacement",
    '"',
    "utf-8; charset=koi8-r",
    "é",
    "x" * 5000,
)
TAGS = (
    "div", "b", "i", "a", "table", "tr", "td", "ul", "li", "dl", "dd", "svg", "math", "mi", "mtext", "font",
    "nobr", "form", "select", "option", "button", "template", "p", "h1", "pre", "code", "blockquote",
    "section", "ruby", "span", "frameset", "title", "iframe", "object", "details", "custom-tag",
    "annotation-xml", "foreignObject",
)  # fmt: skip
RAW = (
    "script", "style", "textarea", "title", "xmp", "plaintext", "noscript", "noframes", "iframe",
    "template",
)  # fmt: skip
ENTITIES = (
    "&amp;", "&amp", "&#0;", "&#x110000;", "&#xD800;", "&#99999999999;", "&notin;", "&notit;", "&;", "&#;",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A server's answer, and the record around it."""

    url: str
    body: bytes
    kind: bytes = b"text/html; charset=utf-8"
    lines: tuple[bytes, ...] = ()  # further header lines
    status: bytes = b"HTTP/1.1 200 OK"


@dataclass(frozen=True)
class Mutant:
    """What is written in place of a record, uncompressed or, where `stored` is given, as it is on disk."""

    name: str
    record: bytes
    intact: bool  # it must be counted
    stored: bytes | None = None


def make_record(answer: Answer, number: int) -> bytes:
    """A record that a crawler might have written."""
    lines = [answer.status, b"Content-Type: " + answer.kind, *answer.lines]
    return wrap(answer.url, b"\r\n".join(lines) + b"\r\n\r\n" + answer.body, number)


def wrap(url: str, block: bytes, number: int, length: object = None) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012d}>\r\nWARC-Target-URI: {url}\r\n"
        f"Content-Type: application/http; msgtype=response\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode("utf-8", "surrogatepass") + block + b"\r\n\r\n"


def cut_to_size(page: bytes, chance: Chance) -> bytes:
    """A stretch of a page that is longer than most mutants are to be."""
    size = chance.randint(SMALL, LARGE)
    begin = chance.choice((0, chance.randrange(max(1, len(page) - size))))
    return page[begin : begin + size]


def choose_count(chance: Chance, usual: int, huge: int) -> int:
    return huge if chance.randrange(RARE) == 0 else chance.randint(1, usual)


# The page


def flip_bits(data: bytes, chance: Chance) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(chance.randint(1, 40)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def insert(data: bytes, pieces: bytes, chance: Chance) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + pieces + data[at:]


def sprinkle(data: bytes, chance: Chance) -> bytes:
    """NULs, controls, escapes, halves of characters."""
    for _ in range(chance.randint(1, 60)):
        unit = chance.choice(
            (b"\0", b"\x1b[31m", b"\x1b$B", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x85", b"\xf4\x90\x80\x80")
        )
        data = insert(data, unit * chance.randint(1, 5), chance)
    return data


def nest(data: bytes, chance: Chance) -> bytes:
    """Elements in each other, of one kind or of several, closed or not."""
    depth = choose_count(chance, 600, DEEP)
    kinds = chance.sample(TAGS, chance.randint(1, 3))
    opened = "".join(f"<{kind}>" for kind in kinds).encode() * (depth // len(kinds) + 1)
    closed = "".join(f"</{kind}>" for kind in reversed(kinds)).encode() * (depth // len(kinds) + 1)
    return insert(data, opened + b"deep" + chance.choice((b"", closed)), chance)


def leave_open(data: bytes, chance: Chance) -> bytes:
    """Formatting that is never closed, which a parser opens again in every paragraph."""
    count = choose_count(chance, 120, 20_000)
    pieces = [
        f"<p><{chance.choice(('b', 'i', 'font', 'a', 'u', 'code', 'nobr'))} x={n}>t" for n in range(count)
    ]
    return insert(data, "".join(pieces).encode(), chance)


def attribute(data: bytes, chance: Chance) -> bytes:
    size = choose_count(chance, 3000, 2_000_000)
    name, value = chance.choice(((1, size), (size, 1), (0, size)))
    one = (
        b"<div "
        + b"a" * name
        + b"="
        + chance.choice((b'"', b"'", b""))
        + b"v<>&\n"[: value % 5] * (value // 5 + 1)
    )
    many = b"<div" + b"".join(b" a%d=%d" % (n, n) for n in range(size // 8)) + b">"
    return insert(data, chance.choice((one, many)), chance)


def storm(data: bytes, chance: Chance) -> bytes:
    count = choose_count(chance, 400, 200_000)
    return insert(
        data, "".join(chance.choices(ENTITIES, k=min(count, 2000))).encode() * (count // 2000 + 1), chance
    )


def soup(data: bytes, chance: Chance) -> bytes:
    """Tags in whatever order."""
    pieces = []
    for _ in range(choose_count(chance, 200, 20_000)):
        tag = chance.choice(TAGS)
        pieces.append(
            chance.choice((f"<{tag}>", f"</{tag}>", f"<{tag}/>", f"<{tag} class=main id=content>", "text "))
        )
    return insert(data, "".join(pieces).encode(), chance)


def open_raw(data: bytes, chance: Chance) -> bytes:
    """What is not markup inside, and does not end."""
    tag = chance.choice(RAW).encode()
    opened = (b"<" + tag + b">", b"<!--", b"<![CDATA[", b"<!DOCTYPE ", b"<?", b"<" + tag, b"</" + tag + b" ")
    return insert(data, chance.choice(opened), chance)


def splice(data: bytes, chance: Chance) -> bytes:
    return b"".join(data[chance.randrange(len(data) + 1) :][: chance.randint(1, 800)] for _ in range(12))


def swap_encoding(data: bytes, chance: Chance) -> bytes:
    return data.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "ignore")


def mathematics(data: bytes, chance: Chance) -> bytes:
    """Formulas with annotations, damaged."""
    formula = (
        b"<math><semantics><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow><annotation encoding="
        b'"application/x-tex">x^2 \\frac{</annotation></semantics></math>'
        b'<script type="math/tex">\\int</script>'
    )
    return insert(data, flip_bits(formula * choose_count(chance, 12, 2000), chance), chance)


def spaces(data: bytes, chance: Chance) -> bytes:
    """Tables, preformatted text and line breaks without end."""
    unit = chance.choice(
        (b"<br>", b"\n", b"<pre>\n\t ", b"<td>", b"<tr><td>1<td>2", b"\xc2\xa0", b"<li>", b"<hr>")
    )
    return insert(data, unit * choose_count(chance, 500, 100_000), chance)


PAGES: dict[str, Callable[[bytes, Chance], bytes]] = {
    "bits of the page": flip_bits,
    "controls": sprinkle,
    "nested": nest,
    "left open": leave_open,
    "attributes": attribute,
    "entities": storm,
    "soup": soup,
    "raw text": open_raw,
    "pieces": splice,
    "other encoding": swap_encoding,
    "mathematics": mathematics,
    "spaces": spaces,
    "random bytes": lambda data, chance: chance.randbytes(chance.randint(0, 4000)),
    "page cut": lambda data, chance: data[: chance.randrange(len(data) + 1)],
    "empty page": lambda data, chance: b"",
    "archive in a page": lambda data, chance: insert(
        data, chance.choice((pack, bytes))(imitate(chance)), chance
    ),
}


def imitate(chance: Chance) -> bytes:
    """What looks like a record, inside of one."""
    return b"\r\n\r\n" + wrap(
        "https://imitation.example/", b"HTTP/1.1 200 OK\r\n\r\n<p>not a record", 0
    ) * chance.randint(1, 3)


def pack(data: bytes) -> bytes:
    """One gzip member that holds the bytes as they are."""
    squeeze = zlib.compressobj(0, zlib.DEFLATED, 31)
    return squeeze.compress(data) + squeeze.flush()


# The answer


def bomb(chance: Chance) -> bytes:
    """Bytes that expand a thousandfold, twice at worst."""
    size = choose_count(chance, 1_000_000, 200_000_000)
    once = gzip.compress(b"<p>boom</p>" * (size // 11), 6, mtime=0)
    return gzip.compress(once, mtime=0) if chance.randrange(4) == 0 else once


def encode_body(answer: Answer, chance: Chance) -> Answer:
    """Compressed, or said to be; whole, cut, or damaged."""
    word = chance.choice(
        (b"gzip", b"deflate", b"br", b"zstd", b"x-gzip, gzip", b"identity", b"nothing", b"compress")
    )
    squeeze = chance.choice(
        (lambda b: gzip.compress(b, mtime=0), zlib.compress, bytes, lambda b: zlib.compress(b)[2:-4])
    )
    body = bomb(chance) if chance.randrange(40) == 0 else squeeze(answer.body)
    body = chance.choice((bytes, lambda b: b[: len(b) // 2], lambda b: flip_bits(b, chance)))(body)
    return replace(answer, body=body, lines=(*answer.lines, b"Content-Encoding: " + word))


def chunk(answer: Answer, chance: Chance) -> Answer:
    """Chunks, rightly or wrongly measured."""
    size, body = chance.randint(1, 900), answer.body
    lie = chance.choice((0, 0, 1, -1, 10**6, 10**30))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    written = [b"%x\r\n%b\r\n" % (max(0, len(piece) + lie), piece) for piece in pieces]
    end = chance.choice((b"0\r\n\r\n", b"", b"0;x=y\r\nTrailer: 1\r\n\r\n", b"-1\r\n", b"g\r\n"))
    return replace(answer, body=b"".join(written) + end, lines=(*answer.lines, b"Transfer-Encoding: chunked"))


def lie_about_length(answer: Answer, chance: Chance) -> Answer:
    length = chance.choice((0, 1, -1, len(answer.body) // 2, len(answer.body) * 2, 10**30, "x", ""))
    return replace(answer, lines=(*answer.lines, f"Content-Length: {length}".encode()))


def name_charset(answer: Answer, chance: Chance) -> Answer:
    return replace(answer, kind=b"text/html; charset=" + chance.choice(CHARSETS).encode())


def change_status(answer: Answer, chance: Chance) -> Answer:
    words = (
        b"304 Not Modified",
        b"404 Not Found",
        b"999",
        b"-200 OK",
        b"",
        b"200",
        b"20O OK",
        b"100 Continue",
        b"5" * 400,
    )
    return replace(
        answer, status=chance.choice((b"HTTP/1.1 ", b"HTTP/9 ", b"", b"ICY ")) + chance.choice(words)
    )


def change_kind(answer: Answer, chance: Chance) -> Answer:
    kinds = (
        b"application/pdf",
        b"text/plain",
        b"",
        b"image/png",
        b"application/xhtml+xml",
        b"text/html" * 900,
        b"\xff\xfe",
        b";;=",
    )
    return replace(answer, kind=chance.choice(kinds))


def add_headers(answer: Answer, chance: Chance) -> Answer:
    line = chance.choice(
        (
            b"X: y",
            b" folded",
            b"no colon",
            b": empty",
            b"X: " + b"y" * 9000,
            b"\0: \0",
            b"X:\ry",
            b"\xff: \xfe",
        )
    )
    return replace(answer, lines=(*answer.lines, *[line] * choose_count(chance, 60, 20_000)))


ANSWERS: dict[str, Callable[[Answer, Chance], Answer]] = {
    "encoded body": encode_body,
    "chunks": chunk,
    "length of the answer": lie_about_length,
    "charset": name_charset,
    "status": change_status,
    "content type": change_kind,
    "headers of the answer": add_headers,
}


# The record, and the bytes in which it is stored


def lie_about_record(record: bytes, chance: Chance) -> bytes:
    real = int(record.split(b"Content-Length: ", 1)[1].split(b"\r", 1)[0])
    lie = chance.choice(
        (
            b"",
            b"-1",
            b"x",
            b"1e3",
            b"0",
            b"%d" % (real - 1),
            b"%d" % (real + 1),
            b"%d" % (real * 3),
            b"9" * 30,
        )
    )
    return record.replace(b"Content-Length: %d" % real, b"Content-Length: " + lie, 1)


def break_head(record: bytes, chance: Chance) -> bytes:
    head, gap, block = record.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    place = chance.randrange(len(lines))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: flip_bits(head, chance) + gap + block,
        lambda: b"\r\n".join(lines[:place] + lines[place + 1 :]) + gap + block,
        lambda: b"\r\n".join(lines + [lines[place]] * chance.randint(1, 50)) + gap + block,
        lambda: b"\r\n".join([*lines, b"X: " + b"y" * choose_count(chance, 5000, 2_000_000)]) + gap + block,
        lambda: head.replace(b"\r\n", b"\n") + b"\n\n" + block,
        lambda: head + block,
        lambda: (
            head.replace(b"response", chance.choice((b"request", b"revisit", b"resource", b"", b"metadata")))
            + gap
            + block
        ),
        lambda: b"WARC/9.9" + head[8:] + gap + block,
        lambda: head.replace(b"WARC/1.0\r\n", b""),
    )
    return chance.choice(ways)()


def damage_stored(stored: bytes, record: bytes, chance: Chance) -> bytes:
    """Bytes on disk that are no whole member, or more than one."""
    middle = chance.randrange(len(stored))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: flip_bits(stored, chance),
        lambda: stored[:middle],
        lambda: stored[middle:],
        lambda: stored[:-4],
        lambda: stored + chance.randbytes(chance.randint(1, 3000)),
        lambda: chance.randbytes(chance.randint(1, 3000)),
        lambda: stored + b"\0" * chance.randint(1, 5000),
        lambda: (
            stored[:middle]
            + chance.choice((b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"))
            + stored[middle:]
        ),
        lambda: pack(b""),
        lambda: pack(b"\r\n" * chance.randint(1, 3000)),
        lambda: pack(chance.randbytes(2000)),
        lambda: record[: chance.randrange(len(record))],
        lambda: pack(record[: len(record) // 2]) + pack(record[len(record) // 2 :]),
        lambda: gzip.compress(b"\0" * choose_count(chance, 100_000, 100_000_000), mtime=0),
        lambda: gzip.compress(
            b"WARC/1.0\r\n" + b"a: b\r\n" * choose_count(chance, 100_000, 10_000_000), mtime=0
        ),
    )
    return chance.choice(ways)()


def mutate(answer: Answer, number: int, store: Callable[[bytes], bytes], chance: Chance) -> Mutant:
    """One of the ways to break it; `store` is how the file keeps whole records."""
    place = chance.random()
    if place < 0.6:
        name = chance.choice(list(PAGES))
        body = PAGES[name](cut_to_size(answer.body, chance), chance)
        if chance.random() < 0.25:  # and something else on top
            body = PAGES[chance.choice(list(PAGES))](body, chance)
        return Mutant(name, make_record(replace(answer, body=body), number), True)
    if place < 0.8:
        name = chance.choice(list(ANSWERS))
        changed = ANSWERS[name](replace(answer, body=cut_to_size(answer.body, chance)), chance)
        return Mutant(name, make_record(changed, number), True)
    record = make_record(replace(answer, body=cut_to_size(answer.body, chance)), number)
    if place < 0.9:
        name, break_record = chance.choice(
            (("length of the record", lie_about_record), ("head of the record", break_head))
        )
        return Mutant(name, break_record(record, chance), False)
    return Mutant("stored bytes", b"", False, damage_stored(store(record), record, chance))
