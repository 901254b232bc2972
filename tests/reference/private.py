"""Private data in one text by Python's regular expressions: the slow twin of `dspipe.filter.private`.

A finder gets the text on both sides of a mark: `left`, which begins at the document's start or behind the
finding before, and `right`, which begins with the mark. It gives (bytes taken of the left, bytes taken of
the right).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dspipe.text.unicode import CLASS, LETTER, NUMBER, SPACELESS, load_classes

Span = tuple[int, int] | None


def list_words(*lines: str) -> list[str]:
    return " ".join(lines).split()


MARK = re.compile(rb"@|[0-9]+|\+|[_\-]|A|J|[=:]")
LOCAL = rb"[A-Za-z0-9._+-]"
NOT_TOP = list_words(
    "png jpg jpeg gif svg webp bmp ico avif tif tiff pdf psd css scss less js mjs cjs jsx ts tsx html htm",
    "xhtml json xml yaml yml toml ini txt csv php asp aspx jsp go java cpp hpp dll exe jar war tar gz tgz",
    "bz2 xz woff woff2 ttf eot mp3 mp4 webm ogg wav avi log bak tmp lock conf cfg service socket target",
    "timer mount slice scope device path local",
)
SPECIAL = [
    IPv4Network(network)
    for network in list_words(
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24",
        "192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4",
    )
]
GLOBAL_SIX = IPv6Network("2000::/3")
SPECIAL_SIX = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
VERSION = (
    rb"(?:^|[^A-Za-z0-9])(?:version|versions|ver|v|rev|revision|release|releases|build|firmware|driver|drivers|"
    rb"patch|update|section|sections|chapter|clause|oid)[^A-Za-z0-9]{1,8}\Z"
)
CODES = (
    rb"1|7|20|21[12368]|2[2-6]\d|27|29[01789]|3[0-4]|35\d|36|37\d|38[0-35-79]|39|4[013-9]|42[013]|50\d|5[1-8]|"
    rb"59\d|6[0-6]|67[02-9]|68[0-35-9]|69[0-2]|800|808|8[1246]|85[02356]|870|878|88[01236]|9[0-58]|96[0-8]|"
    rb"97[0-79]|99[2-68]"
)
GAP = rb"(?:[ \-./()]|\xc2\xa0|\xe2\x80[\x89\x90-\x93\xaf])"
CUES = list_words(
    "telephone telefone telefono telefon telefax phone phones mobile mobil handy hotline whatsapp celular",
    "cell cel fax tel telp tlf tlp tfn gsm mob ph téléphone tél teléfono móvil faks тел телефон факс Тел",
    "Телефон Факс τηλ τηλέφωνο Τηλ Τηλέφωνο 电话 電話 电话号码 電話番号 手机 手機",
    "手机号 传真 傳真 热线 전화 팩스 هاتف טלפון",
)
FILLERS = list_words("number numbers no nr num nos is are at or us")
SKIP = rb"(?:[ \t\n\r\x0b\x0c:;,\"'<>=|*.\-#+]|\xc2\xa0|\xef\xbc\x9a)"
TOKENS = [
    *((rf"gh{kind}_", "[A-Za-z0-9]", 36, 255, 0) for kind in "pousr"),
    ("github_pat_", "[A-Za-z0-9_]", 82, 255, 0),
    ("glpat-", "[A-Za-z0-9_-]", 20, 300, 0),
    *((rf"xox{kind}-", "[A-Za-z0-9-]", 20, 255, 3) for kind in "abeoprs"),
    ("sk_live_", "[A-Za-z0-9]", 16, 255, 0),
    ("rk_live_", "[A-Za-z0-9]", 16, 255, 0),
    ("sk-", "[A-Za-z0-9_-]", 32, 255, 3),
    ("hf_", "[A-Za-z0-9]", 30, 64, 0),
    ("npm_", "[A-Za-z0-9]", 36, 36, 0),
    ("pypi-", "[A-Za-z0-9_-]", 50, 1024, 3),
]
NAMES = (
    rb"(?i:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|"
    rb"auth[_-]?key|account_?key|credentials?)"
)


def find(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(kind, first, last) of each finding in one document."""
    floor = position = 0
    while mark := MARK.search(data, position):
        at, position = mark.start(), mark.end()
        left, right = data[max(floor, at - 500) : at], data[at : at + 80_000]
        for kind, finder in finders(right):
            if (span := finder(left, right)) is not None:
                yield kind, at - span[0], at + span[1]
                floor = position = at + span[1]
                break


def finders(right: bytes):  # type: ignore[no-untyped-def]
    mark = right[:1]
    if mark == b"@":
        return [("email", find_email)]
    if mark == b"+":
        return [("phone", find_international)]
    if mark.isdigit():
        return [("ip", find_four), ("ip", find_six), ("phone", find_american), ("phone", find_cued)]
    if mark in b"=:":
        return [("secret", find_assignment)]
    return [("secret", find_key), ("secret", find_token), ("secret", find_cloud), ("secret", find_web)]


# characters


def decode(data: bytes) -> int:
    """The table's entry of the character that begins here; 0 where it is cut off or begins none."""
    size = 1 + (data[0] >= 0xC0) + (data[0] >= 0xE0) + (data[0] >= 0xF0)
    if size == 1 or size > len(data) or any(byte & 0xC0 != 0x80 for byte in data[1:size]):
        return 0
    point = data[0] & (0x7F >> size)
    for byte in data[1:size]:
        point = point << 6 | byte & 0x3F
    if 0xAC00 <= point < 0xD800 or 0x1100 <= point < 0x1200 or 0x3130 <= point < 0x3190:
        return 0  # Korean
    blocks, classes = load_classes()
    return int(classes[int(blocks[point // 128]) * 128 + point % 128])


def joins(entry: int) -> bool:
    return entry & CLASS in (LETTER, NUMBER) and not entry & SPACELESS


def word_before(left: bytes) -> bool:
    if not left or left[-1] < 128:
        return bool(re.search(rb"[A-Za-z0-9_]$", left[-1:]))
    character = re.search(
        rb"[\xc0-\xdf][\x80-\xbf]\Z|[\xe0-\xef][\x80-\xbf]{2}\Z|[\xf0-\xff][\x80-\xbf]{3}\Z", left
    )
    return character is not None and joins(decode(character[0]))


def word_after(right: bytes) -> bool:
    if not right or right[0] < 128:
        return bool(re.match(rb"[A-Za-z0-9_]", right))
    return joins(decode(right))


# e-mail


def find_email(left: bytes, right: bytes) -> Span:
    domain = measure_domain(right[1:])
    if not domain:
        return None
    rest = right[1 + domain :]
    sentence = re.match(rb"[A-Z]", rest)
    if re.match(rb"@|_[A-Za-z0-9_]", rest) or (not sentence and rest[:1] != b"_" and word_after(rest)):
        return None
    local = measure_local(left)
    return (local, 1 + domain) if local else None


def measure_domain(text: bytes) -> int:
    labels: list[bytes] = []
    for label in re.match(rb"[A-Za-z0-9.-]*", text)[0].split(b"."):  # type: ignore[index]
        if not re.match(rb"[A-Za-z0-9]", label):
            break
        if len(label) > 63:
            return 0
        labels.append(label.rstrip(b"-"))
        if label.endswith(b"-"):
            break
    if len(labels) < 2 or len(b".".join(labels)) > 255:
        return 0
    top = re.fullmatch(rb"(?i:xn--).+|([A-Z]+|[A-Z]?[a-z]+?)|([a-z]+)[A-Z].*", labels[-1])
    if not top:
        return 0
    name = top[1] or top[2] or b""
    if name and (not 2 <= len(name) <= 24 or name.lower().decode() in NOT_TOP):
        return 0
    return len(b".".join(labels[:-1])) + 1 + len(name or labels[-1])


def measure_local(left: bytes) -> int:
    run = re.search(LOCAL + rb"*\Z", left[-65:])[0]  # type: ignore[index]
    run = b"" if run.endswith(b".") else run[run.rfind(b"..") + 1 :]
    before = left[: len(left) - len(run)]
    if len(run) > 64 or before.endswith(b"@") or word_before(before):
        return 0
    escape = None
    if before.endswith(b"%"):
        escape = re.match(rb"[0-9A-Fa-f]{2}", run)
    elif before.endswith(b"\\") and not before.endswith(b"\\\\"):
        escape = re.match(rb"[nrt]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2}", run)
    run = run[escape.end() if escape else 0 :]
    run = run[len(re.match(rb"[._+-]*", run)[0]) :]  # type: ignore[index]
    before = left[: len(left) - len(run)]
    if run.lower() == b"git" or re.search(rb"://(?:[A-Za-z0-9._+%-]{0,64}:)?\Z", before):
        return 0
    return len(run)


# IP


def find_four(left: bytes, right: bytes) -> Span:
    found = re.match(rb"\d{1,3}(?:\.\d{1,3}){3}(?!\d)", right)
    if not found or word_before(left) or not is_public(found[0]):
        return None
    if re.search(rb"[.+]\Z", left) or (left.endswith(b"-") and len(left) > 1):
        return None
    if re.search(rb"[A-Za-z]/\Z", left) if left.endswith(b"/") else re.search(VERSION, left, re.IGNORECASE):
        return None
    rest = right[found.end() :]
    return (0, found.end()) if is_range(rest) or ends_address(rest) else None


def is_public(text: bytes) -> bool:
    try:
        address = IPv4Address(text.decode())
    except AddressValueError:
        return False
    small = sum(byte < 20 for byte in address.packed)
    return small < 3 and not any(address in network for network in SPECIAL)


def is_range(rest: bytes) -> bool:
    found = re.match(rb"-(\d{1,3}(?:\.\d{1,3}){3})(?!\d)", rest)
    try:
        return found is not None and bool(IPv4Address(found[1].decode()))
    except AddressValueError:
        return False


def ends_address(rest: bytes) -> bool:
    return not word_after(rest) and not re.match(rb"@|[.+-][A-Za-z0-9.]", rest)


def find_six(left: bytes, right: bytes) -> Span:
    if not re.match(rb"[23][0-9A-Fa-f]{3}:", right) or word_before(left):
        return None
    if re.search(rb"[.:+]\Z", left) or (left.endswith(b"-") and len(left) > 1):
        return None
    run = re.match(rb"[0-9A-Fa-f:.]{1,47}", right)[0].rstrip(b".")  # type: ignore[index]
    if re.search(rb"[^:]:\Z", run):
        run = run[:-1]
    try:
        address = IPv6Address(run.decode())
    except AddressValueError:
        return None
    groups = sum(2 if b"." in group else 1 for group in run.split(b":") if group)
    special = address not in GLOBAL_SIX or any(address in network for network in SPECIAL_SIX)
    if re.match(rb"\[" if run.endswith(b":") else rb":\[", right[len(run) :]):
        return None
    if groups < 3 or len(run) > 45 or special or not ends_address(right[len(run) :]):
        return None
    return 0, len(run)


# phone


def find_international(left: bytes, right: bytes) -> Span:
    american = right[1:2] == b"1"
    if not re.match(rb"\+[1-9]", right) or not (begins_number(left) or has_cue(left)):
        return None
    size, groups, breaks, closed = read_number(right[1:], left.endswith(b"("), 11 if american else 15)
    digits = b"".join(groups)
    if (
        len(digits) < 8
        or (len(groups) == 1 and not 9 <= len(digits) <= 13)
        or not ends_number(right[1 + size :])
    ):
        return None
    if breaks == [b"."] or not re.match(CODES, groups[0]):
        return None
    if american and not re.fullmatch(rb"1[2-9]\d{9}", digits):
        return None
    return closed, 1 + size


def find_american(left: bytes, right: bytes) -> Span:
    part = rb"(?:[ \-./)]|\xc2\xa0|\xe2\x80[\x89\x90-\x93\xaf])"  # a gap, but for "("
    plain = rb"[2-9]\d\d(-|\.|\xe2\x80[\x89\x90-\x93\xaf])\d{3}\1\d{4}(?!\d)"
    behind = rb"[2-9]\d\d\)" + GAP + rb"?\d{3}" + GAP + rb"\d{4}(?!\d)"
    opened = left.endswith(b"(")
    patterns = [(behind, 1)] if opened else [(plain, 0)]
    patterns += [(rb"1" + part + plain, 0), (rb"1" + part + rb"?\(" + behind, 0)]
    for pattern, closed in patterns:
        found = re.match(pattern, right)
        if found and ends_number(right[found.end() :]) and begins_number(left[: len(left) - closed]):
            return closed, found.end()
    return None


def find_cued(left: bytes, right: bytes) -> Span:
    if re.search(rb"[A-Za-z0-9_]\Z", left):
        return None
    opened = left.endswith(b"(")
    size, groups, breaks, closed = read_number(right, opened, 15)
    if len(b"".join(groups)) < 7 or closed != opened:
        return None
    year = rb"(?:19|20)\d\d"
    if len(groups) == 2 and (breaks == [b"."] or all(re.fullmatch(year, group) for group in groups)):
        return None
    if len(groups) == 3 and size == 10 and any(re.fullmatch(year, group) for group in (groups[0], groups[2])):
        return None
    before = left[: len(left) - opened]
    return (int(opened) + before.endswith(b"+"), size) if has_cue(before) else None


def has_cue(left: bytes) -> bool:
    joined = left.endswith(b".") and skip_back(left) == left[:-1]
    left = skip_back(left)
    for filler in FILLERS:
        if left.lower().endswith(filler.encode()) and not word_before(left[: -len(filler)]):
            left = skip_back(left[: -len(filler)])
            break
    for cue in sorted((cue.encode() for cue in CUES), key=len, reverse=True):
        if left[-len(cue) :].lower() == cue:
            before = left[: -len(cue)]
            if joined and before.endswith((b".", b"-", b"@")):
                return False
            return before.endswith(b"_") or not word_before(before)
    return False


def skip_back(left: bytes) -> bytes:
    skipped = 0
    while found := re.search(SKIP + rb"\Z", left):
        skipped += len(found[0])
        if skipped > 12:
            break
        left = left[: found.start()]
    return left


def read_number(text: bytes, opened: bool, most: int) -> tuple[int, list[bytes], list[bytes], int]:
    """(bytes, groups, breaks between them, 1 if a bracket before the number is closed in it)."""
    depth, closed, position = 0, 0, 0
    groups: list[bytes] = []
    breaks: list[bytes] = []
    found: tuple[int, list[bytes], list[bytes], int] = (0, [], [], 0)
    while True:
        group = re.compile(rb"\d+").match(text, position)
        assert group is not None
        single = len(group[0]) == 1 and len(groups) >= 2 and depth == 0
        if len(b"".join(groups)) + len(group[0]) > most or (
            single and not re.search(rb"-|\xe2\x80[\x90-\x93]", breaks[-1])
        ):
            return found
        groups.append(group[0])
        if depth == 0 and ends_number(text[group.end() :]):
            found = (group.end(), groups[:], breaks[:], closed)
        gap = re.compile(GAP + rb"{1,3}(?=\d)").match(text, group.end())
        if gap is None:
            return found
        for mark in re.findall(rb"[()]", gap[0]):
            depth += 1 if mark == b"(" else -1
            if depth < 0 and opened and not closed:
                closed, depth = 1, 0
            if not 0 <= depth <= 1:
                return found
        if len(b"".join(groups)) >= 12 and gap[0].startswith(b" "):
            return found
        breaks.append(gap[0])
        position = gap.end()


def begins_number(left: bytes) -> bool:
    if left in (b"/", b"-", b","):
        return True
    if not left or left[-1] >= 128:
        return not word_before(left)
    return bool(re.search(rb"[ \t\n\r\x0b\x0c(\[{:;\"'<>=|*]\Z|(?<![0-9]),\Z", left))


def ends_number(rest: bytes) -> bool:
    if re.match(rb"[@%]|\.[0-9a-z]|-[0-9]", rest):
        return False
    return bool(re.match(rb"[xX][0-9]", rest)) or not word_after(rest)


# secrets


def entropy_reaches(data: bytes, bits: float) -> bool:
    def information(count: int) -> int:
        return round(count * math.log2(count) * 65536)

    return information(len(data)) - sum(map(information, Counter(data).values())) >= bits * 65536 * len(data)


def stands_alone(left: bytes, rest: bytes) -> bool:
    return not re.search(rb"[-+.]\Z", left) and not word_before(left) and not word_after(rest)


def find_key(left: bytes, right: bytes) -> Span:
    if right[:1] != b"-" or (re.search(rb"[\w-]\Z", left) and not re.search(rb"\\[nrt]\Z", left)):
        return None
    begin = re.match(rb"-----BEGIN ([A-Z0-9 ]{0,64})-----", right)
    if not begin or not re.search(rb"PRIVATE KEY(?: BLOCK)?\Z", begin[1]):
        return None
    dashes = right.find(b"-----", begin.end(), begin.end() + 65536 + 5)
    if 0 <= right.find(b"[", begin.end()) < dashes:
        return None
    body = right[begin.end() : dashes]
    end = re.compile(rb"-----END [A-Z0-9 ]{0,64}-----").match(right, dashes) if dashes >= 0 else None
    if end is None or len(re.findall(rb"[A-Za-z0-9+/]", body)) < 64:
        return None
    return 0, end.end()


def find_token(left: bytes, right: bytes) -> Span:
    for prefix, alphabet, least, most, digits in TOKENS:
        if right[:1] != prefix[-1:].encode() or not left.endswith(prefix[:-1].encode()):
            continue
        run = re.match(f"{alphabet}{{0,{most + 1}}}".encode(), right[1:])[0]  # type: ignore[index]
        before, rest = left[: len(left) - len(prefix) + 1], right[1 + len(run) :]
        enough = least <= len(run) <= most and len(re.findall(rb"\d", run)) >= digits
        if enough and entropy_reaches(run, 3) and stands_alone(before, rest):
            return len(prefix) - 1, 1 + len(run)
    return None


def find_cloud(left: bytes, right: bytes) -> Span:
    found = re.match(rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])|AIza[\w-]{35}(?![\w-])", right)
    return (0, found.end()) if found and stands_alone(left, right[found.end() :]) else None


def find_web(left: bytes, right: bytes) -> Span:
    if right[:1] != b"J" or not left.endswith(b"ey"):
        return None
    found = re.match(rb"[\w-]{8,}\.eyJ[\w-]{7,}\.[\w-]{10,}", right)
    return (2, found.end()) if found and stands_alone(left[:-2], right[found.end() :]) else None


def find_assignment(left: bytes, right: bytes) -> Span:
    equals = right[:1] == b"="
    name = re.sub(rb":\Z", b"", left) if equals else left
    name = name[: len(name) - min(8, len(re.search(rb"[ \t]*\Z", name)[0]))]  # type: ignore[index]
    name = re.sub(rb"[\"'`]\]?\Z", b"", name)
    if not re.search(NAMES + rb"\Z", name):
        return None
    sign = re.match(rb"=(?!=)>?|:(?![:=])", right)
    if sign is None or (equals and re.search(rb"[=!<>+\-*/|&^%~]\Z", left)):
        return None
    value = re.match(rb"[ \t]{0,8}", right[sign.end() :])[0]  # type: ignore[index]
    start = sign.end() + len(value)
    if quote := re.match(rb"[\"'`]", right[start:]):
        found = re.match(rb"[^\x00-\x20\"'`\\<>{}()\[\]$\x7f-\xff]{8,256}" + quote[0], right[start + 1 :])
        text = found[0][:-1] if found else b""
        good = re.search(rb"[0-9]", text) and re.search(rb"[A-Za-z]", text) and entropy_reaches(text, 3)
        return (-start - 1, start + 1 + len(text)) if good else None
    found = re.match(rb"[A-Za-z0-9+/=_-]{16,256}(?=[ \t\n\r\x0b\x0c;&,#\"'`]|\Z)", right[start:])
    text = found[0] if found else b""
    good = equals and all(re.search(kind, text) for kind in (rb"[0-9]", rb"[a-z]", rb"[A-Z]"))
    return (-start, start + len(text)) if good and entropy_reaches(text, 3.5) else None
