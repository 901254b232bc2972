"""Private data: what is found and what is not, the slow twin, and that nothing else changes."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dspipe.filter.private.findings import (
    ALL_KINDS,
    COLUMNS,
    KINDS,
    PLACEHOLDERS,
    Findings,
    choose_kinds,
    count_private,
    find_private,
    mask_kinds,
    replace_private,
)
from dspipe.text.arrow import text_buffers
from tests.filter.private_pieces import KEY, TOKEN, private_texts
from tests.reference.private import find

CORPUS = Path(os.environ.get("DSPIPE_CORPUS", Path(__file__).parents[3] / "shared" / "corpus"))
LINE = KEY.replace("\n", "~")
MARKS = dict(zip(KINDS, PLACEHOLDERS, strict=True))


def binary_array(documents: list[bytes]) -> pa.Array:
    """Bytes of any kind as a column of text, which Arrow does not check."""
    return pa.array(documents, pa.large_binary()).view(pa.large_string())


def find_all(documents: list[bytes]) -> list[list[tuple[str, int, int]]]:
    text, offsets = text_buffers(binary_array(documents))
    wanted = np.full(len(documents), ALL_KINDS, np.uint8)
    findings = Findings(*np.zeros((4, find_private(text, offsets, wanted)[1]), np.int64))
    find_private(text, offsets, wanted, findings)
    found: list[list[tuple[str, int, int]]] = [[] for _ in documents]
    for row, first, last, kind in zip(*(column.tolist() for column in findings), strict=True):
        found[row].append((KINDS[kind], first - int(offsets[row]), last - int(offsets[row])))
    return found


def replace_all(documents: list[bytes], mask: int = ALL_KINDS) -> list[bytes]:
    replaced, _ = replace_private(binary_array(documents), np.full(len(documents), mask, np.uint8))
    return [value or b"" for value in replaced.view(pa.large_binary()).to_pylist()]


def replaced(text: str, kinds: str = "email ip phone secret") -> str:
    return replace_all([text.encode()], mask_kinds(kinds.split()))[0].decode()


# Findings stand between « and »; "~" is a line end; cases are parted by " ¦ " and line ends.
EMAILS = """
write to «bob@example.com». ¦ <«Bob.Smith-3+x_y@mail.example.co.uk»> ¦ mailto:«a@b.cd»?subject=x ¦
(«x@y.org») ¦ "«x@y.org»", ¦ «X@Y.ORG» ¦ «Bob@Example.Com» ¦ «bob@x.com»... ¦ _«bob@x.com»_ ¦
«bob@x.com»- ¦ see..«bob@x.com» ¦ o'«brien@x.com» ¦ \\n«bob@x.com» ¦ %20«bob@x.com» ¦
\\u003c«bob@x.com»\\u003e ¦ %«ZZbob@x.com» ¦ «bob@x.com»(home) ¦ 邮箱«bob@x.com»谢谢 ¦ 메일«bob@x.com»으로 ¦
«bob@x.com»Tel ¦ «bob@xn--80ak6aa92e.xn--p1ai» ¦ é «bob@x.com» ¦ «first@x.com»,«second@y.de» ¦
https://x.com/?q=«bob@x.com»&y=1 ¦ [«a@b.de»](mailto:«a@b.de») ¦ «bob@x.com»:8080
"""
NO_EMAILS = """
@decorator ¦ @angular/core ¦ lodash@4.17.21 ¦ vue@next ¦ icon@2x.png ¦ hi @twitter.com ¦
git@github.com:a/b.git ¦ ssh://git@github.com/a ¦ https://me@host.org/ ¦ https://me:pass@host.org/ ¦
a@b.c@d.e ¦ a@b.co@d.ef ¦ a@b ¦ a@@b.de ¦ user@localhost ¦ getty@tty1.service ¦ éa@b.de ¦ a@b.deé ¦
a@b.de_x ¦ a.@b.de ¦ a@-b.de ¦ a@b.c ¦ a@b..de ¦ a@b.de1 ¦ me at host dot org ¦ me%40host.org ¦
12@1.2.3.4 ¦ x@y.html ¦ a@b.DEf ¦ @@@
"""
ADDRESSES = """
from «30.40.50.60». ¦ http://«30.40.50.60»:8080/x ¦ «30.40.50.60»/24 ¦ [«30.40.50.60»] ¦
ip=«30.40.50.60», ¦ root@«30.40.50.60» ¦ «30.40.50.60»-«30.40.50.70» ¦ («223.30.1.200»|«8.8.40.40») ¦
电话«30.40.50.60»号 ¦ «2606:4700:4700::1111» ¦ [«2a02:8388:0:1:2:3:4:5»]:443 ¦ «2A00:1450:4001:830::200E». ¦
«2600:1f18::1:2»/64 ¦ host «2001:4860:4860::8888»: up ¦ «2400:cb00::30.40.50.60» ¦ ::ffff:«30.40.50.60» ¦
«2001:4f8:3:ba::»/64
"""
NO_ADDRESSES = """
10.20.30.40 ¦ 127.30.40.50 ¦ 192.168.30.40 ¦ 172.20.30.40 ¦ 169.254.30.40 ¦ 203.0.113.77 ¦ 100.64.30.40 ¦
224.30.40.50 ¦ 255.255.255.255 ¦ 8.8.8.8 ¦ 43.6.5.3. Searching ¦ section 43.66.55.30 ¦
version 30.40.50.60 ¦ v30.40.50.60 ¦ Firefox/30.40.50.60 ¦ 30.40.50.60.70 ¦ 030.40.50.60 ¦ 30.40.50.256 ¦
30.40.50 ¦ x-30.40.50.60 ¦ 30.40.50.60-rc1 ¦ 30.40.50.60.tar.gz ¦ 30.40.50.60@x ¦ 30.40.50.6000 ¦
1.30.40.50.60 ¦ 30.40.50.60+dfsg ¦ 30.40.50.60... ¦ 12:30:45 ¦ std::abc ¦ a::b ¦ ::1 ¦ fe80::1 ¦ fc00::1 ¦
ff02::1 ¦ 2001:db8::1 ¦ 2002:1e28:323c::1 ¦ 2000::1 ¦ x[2000::2] ¦ 2606:4700:1:2:3 ¦
2606:4700:4700:::1111 ¦ 2606:4700::1111::2 ¦ 2606:4700::1111g ¦ 26067:4700::1111 ¦
20:cf:30:11:22:33:44:55 ¦ 2009:10:24 12:30:45
"""
PHONES = """
call «+44 20 7946 0958» now ¦ «+1-212-555-0123» ¦ «+1 (212) 555-0123» ¦ «+12125550123» ¦
«+49 (0)30 / 123 45 67-0», ¦ «(+56 2) 2707 7777» ¦ («+33 1 23 45 67 89») ¦ «+86 138 0013 8000» ¦
tel:«+4915208649244» ¦ «(212) 555-0123» ¦ «212-555-0123» ¦ «212.555.0123». ¦ «1-800-555-0123» ¦
«1 (800) 555-0123» ¦ «1(800)555-0123» ¦ «212-155-0123»x45 ¦ «+1 (555) 123-4567» ¦
«212-555-0123»,«212-555-0124» ¦
Tel. «030 1234567» ¦ Tel.: «(030) 123 45 67» ¦ Fax no. «555 1234» ¦ phone number: «5551234» is ¦
"phone": "«5551234»" ¦ Téléphone : «01 23 45 67 89» ¦ тел. «8 (495) 123-45-67» ¦ 电话：«010-63072648» ¦
联系电话«13800138000» ¦ Mobile\u00a0«0417 575 920» ¦ home_phone=«5551234» ¦ fax «555–0123» ¦
WhatsApp «0160 - 24 24 24» ¦ TEL «+82 2 751 1500» ¦ «+49 30 123456 78–0» ¦ «212–555–0123» ¦
Tel «+38 (044) 207-33-05»
"""
NO_PHONES = """
2020-10-12 ¦ phone 12.10.2020 ¦ fax 2020-10-12 ¦ ISBN 978-3-16-148410-0 ¦ doi:10.1234/567.890.1234 ¦
$212.555.0123 ¦ 123-45-6789 ¦ 123-456-7890 ¦ 112-555-0123 ¦ 212 555 0123 ¦ 212-555.0123 ¦ 212-555-01234 ¦
2212-555-0123 ¦ x212-555-0123 ¦ 212-555-0123-4 ¦ 1.212-555-0123.4 ¦ #212-555-0123 ¦ 1,212-555-0123 ¦
+0123456789 ¦ +1234567 ¦ +12345678 ¦ +4412345.678 ¦ +1 112 555 0123 ¦ +999 12345678 ¦ 1+12345678901 ¦
x+4420794609 ¦ +44 20 ¦ +44345678901234567 ¦ +922337203685477 ¦ 5551234 ¦ phone 12345 ¦
megaphone 5551234 ¦ to_phone(5551234) ¦ phone 1999-2004 ¦ phone 3.1415926 ¦ iphone 12345678 ¦
212-555-0123@x ¦ f(212) 555-0123 ¦ (212 555-0123 ¦ +44 2079 46.html ¦ 212-555-0123.html ¦ 1(212-555-0123
"""
SECRETS = f"""
«{LINE}» ¦ key «AKIAIOSFODNN7EXAMPLE», ¦ "«AIza{TOKEN[:35]}»" ¦ «ghp_{TOKEN}» ¦
https://«ghs_{TOKEN}»@github.com ¦ «github_pat_{TOKEN[:22]}_{TOKEN}{TOKEN[:23]}» ¦ «glpat-{TOKEN[:20]}» ¦
«xoxb-123456789012-{TOKEN[:24]}» ¦ «sk_live_{TOKEN[:24]}» ¦ «sk-{TOKEN}{TOKEN[:12]}» ¦
«sk-proj-{TOKEN}_{TOKEN}» ¦ «hf_{TOKEN[:34]}» ¦ «npm_{TOKEN}» ¦ «pypi-AgEIcHlwaS5vcmc{TOKEN}{TOKEN}» ¦
Bearer «eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{TOKEN}» ¦ password = "«Xk29dj2k3jLq»" ¦
"apiKey": "«0279bf37a1cd»" ¦ config['client-secret'] = '«a8f5f167f44f4964e6c998dee827110c»' ¦
:token => "«cf50faa3fe97702ca1ae»" ¦ DB_PASSWORD=«Tr0ub4dor3xKcdQ9» ¦ pwd := `«Xk29dj2k3jLq»`
"""
NO_SECRETS = f"""
password = "changeme" ¦ password = "hunter2" ¦ password == "Xk29dj2k3jLq" ¦ token: "${{TOKEN}}" ¦
password = "Xk29dj2 3jLq" ¦ password = get("Xk29dj2k3jLq") ¦ secret = "aaaaaaaa1111" ¦
token = nextToken2(scanner) ¦ password = "" ¦ ghp_{"x" * 36} ¦ ghp_{TOKEN[:35]} ¦ xghp_{TOKEN} ¦ AKIA123 ¦
AKIAIOSFODNN7EXAMPLEX ¦ task-{TOKEN}{TOKEN} ¦ npm_config_registry ¦
sk-fading-circle-of-dots-and-lines-in-css ¦
-----BEGIN PUBLIC KEY-----~{TOKEN}{TOKEN}~-----END PUBLIC KEY----- ¦
-----BEGIN PRIVATE KEY-----~...~-----END PRIVATE KEY----- ¦ {LINE[:80]} ¦ eyJhbGciOiJIUzI1NiJ9.eyJzdWIi ¦
Password: {TOKEN} ¦ the token: something ¦ hf_hub_download
"""
EXAMPLES = [
    ("email", EMAILS + NO_EMAILS),
    ("ip", ADDRESSES + NO_ADDRESSES),
    ("phone", PHONES + NO_PHONES),
    ("secret", SECRETS + NO_SECRETS),
]
CASES = [
    (case.strip().replace("~", "\n"), kind)
    for kind, listed in EXAMPLES
    for case in re.split(r"¦|\n", listed)
    if case.strip()
]


@pytest.mark.parametrize(("case", "kind"), CASES)
def test_of_each_kind_this_is_found_and_nothing_else(case: str, kind: str) -> None:
    text = re.sub("[«»]", "", case)
    expected = re.sub("«.*?»", MARKS[kind].decode(), case, flags=re.DOTALL)
    assert replaced(text, kind) == expected
    assert count_private(pa.array([text]))[COLUMNS[KINDS.index(kind)]].to_pylist() == [case.count("«")]


def test_the_examples_are_those_of_the_slow_twin() -> None:
    documents = [re.sub("[«»]", "", case).encode() for case, _ in CASES]
    assert find_all(documents) == [list(find(document)) for document in documents]


@settings(max_examples=1500, deadline=None)
@given(st.lists(private_texts, min_size=1, max_size=4))
def test_findings_are_those_of_the_slow_twin_in_strings_of_tricky_pieces(texts: list[str]) -> None:
    documents = [text.encode() for text in texts]
    assert find_all(documents) == [list(find(document)) for document in documents]


@settings(max_examples=300, deadline=None)
@given(
    private_texts,
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.binary(max_size=20),
)
def test_findings_are_those_of_the_slow_twin_in_broken_bytes(
    text: str, changes: list[tuple[int, int]], noise: bytes
) -> None:
    data = bytearray(text.encode() + noise)
    for place, byte in changes:
        if data:
            data[place % len(data)] = byte
    documents = [bytes(data), noise, bytes(data[: len(data) // 2])]
    assert find_all(documents) == [list(find(document)) for document in documents]


def random_bytes(alphabet: bytes, seed: int) -> bytes:
    generator = random.Random(seed)
    return bytes(generator.choice(alphabet) for _ in range(30_000))


@pytest.mark.parametrize(
    "alphabet", [bytes(range(256)), b"0123456789-. ()+", b"0123456789abcdef:.", b"ab@.-_1 ", b"12.-"]
)
def test_findings_are_those_of_the_slow_twin_in_random_bytes(alphabet: bytes) -> None:
    documents = [random_bytes(alphabet, seed) for seed in range(4)]
    assert find_all(documents) == [list(find(document)) for document in documents]


@pytest.mark.parametrize("name", ["multilingual.parquet", "prose.jsonl.gz", "math.jsonl.gz"])
def test_findings_are_those_of_the_slow_twin_in_real_text(name: str) -> None:
    if not (CORPUS / name).is_file():
        pytest.skip(f"{CORPUS / name} is not on this machine")
    if name.endswith("parquet"):
        texts = pq.read_table(CORPUS / name)["text"].to_pylist()
    else:
        with gzip.open(CORPUS / name) as lines:
            texts = [json.loads(line)["text"] for line in lines]
    documents = [text.encode() for text in texts[:: 1 + len(texts) // 60]]
    assert find_all(documents) == [list(find(document)) for document in documents]


@settings(max_examples=400, deadline=None)
@given(private_texts, st.integers(1, ALL_KINDS))
@example("30.40.50.60-2606:4700:4700::1111", ALL_KINDS)
@example("8.8.40.40+1 212 555 0123", ALL_KINDS)
def test_replacing_leaves_the_rest_and_finds_nothing_more_the_second_time(text: str, mask: int) -> None:
    data = text.encode()
    expected, end = b"", 0
    for kind, first, last in find_all([data])[0]:
        if mask >> KINDS.index(kind) & 1:
            expected += data[end:first] + MARKS[kind]
            end = last
    expected += data[end:]
    (once,) = replace_all([data], mask)
    assert once == expected and once.decode() is not None
    assert replace_all([once], mask) == [once]


def test_placeholders_are_not_found_in_any_company() -> None:
    marks = b" ".join(PLACEHOLDERS)
    texts = [
        marks,
        b"@".join(PLACEHOLDERS),
        b"password = " + b"".join(PLACEHOLDERS),
        b'"[SECRET]": "a1b2c3d4e5f6"',
        b"tel " + marks,
    ]
    assert find_all(texts) == [[]] * len(texts)


def test_kinds_differ_by_row_and_by_source() -> None:
    text = "a@b.de 30.40.50.60 +44 20 7946 0958 AKIAIOSFODNN7EXAMPLE"
    sources = pa.array(["web", "code", None, "other"])
    kinds = choose_kinds(sources, {"web": ["email", "phone"], "code": ["secret"]})
    assert kinds.tolist() == [5, 8, 0, 0]
    assert replace_private(pa.array([text] * 4), kinds)[0].to_pylist() == [
        "[EMAIL] 30.40.50.60 [PHONE] AKIAIOSFODNN7EXAMPLE",
        "a@b.de 30.40.50.60 +44 20 7946 0958 [SECRET]",
        text,
        text,
    ]
    assert choose_kinds(sources, ["email", "ip", "secret"]).tolist() == [11] * 4


def test_all_kinds_are_counted_whatever_is_replaced() -> None:
    counts = count_private(pa.array(["a@b.de, c@d.ef", None, "30.40.50.60", ""]))
    assert {name: column.to_pylist() for name, column in counts.items()} == {
        "emails": [2, 0, 0, 0],
        "ip_addresses": [0, 0, 1, 0],
        "phone_numbers": [0, 0, 0, 0],
        "secrets": [0, 0, 0, 0],
    }
    assert all(column.type == pa.int64() for column in counts.values())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_chunks_and_nulls_are_kept(kind: pa.DataType) -> None:
    texts = pa.array(["x", "a@b.de", None, "plain é", "", "30.40.50.60 a@b.de"], kind)
    expected = ["[EMAIL]", None, "plain é", "", "30.40.50.60 [EMAIL]"]
    for column in (texts.slice(1), pa.chunked_array([texts.slice(1, 2), texts.slice(3)])):
        with_counts, numbers = replace_private(column, np.full(5, 1, np.uint8), count_private(column))
        without, again = replace_private(column, np.full(5, 1, np.uint8))
        assert with_counts.to_pylist() == without.to_pylist() == expected
        assert numbers.tolist() == again.tolist() == [2, 0, 0, 0]
        assert with_counts.type == pa.large_string() and with_counts.null_count == 1
        with_counts.validate(full=True)
    assert replace_private(texts.slice(0, 1), np.full(1, 15, np.uint8))[0].to_pylist() == ["x"]
    assert replace_private(pa.array([], kind), np.zeros(0, np.uint8))[0].to_pylist() == []


def test_public_addresses_are_those_of_the_standard_library() -> None:
    generator = random.Random(1)
    fours = [IPv4Address(generator.getrandbits(32)) for _ in range(2000)]
    fours += [
        IPv4Address(start + generator.getrandbits(24))
        for start in (0x0A000000, 0xAC000000, 0xC0000000, 0xC6000000)
    ] * 50
    fours = [
        four
        for four in fours
        if sum(byte < 20 for byte in four.packed) < 3 and four.packed[:3] != b"\xc0\x00\x00"
    ]
    found = find_all([f"<{four}>".encode() for four in fours])
    assert [bool(each) for each in found] == [four.is_global and not four.is_multicast for four in fours]
    heads = (
        0x2001,
        0x2002,
        0x2606,
        0x2A02,
        0x3000,
        0x4000,
        0x64,
        0xFC00,
        0xFE80,
        0xFF02,
        0x20010DB8,
        0x20010001,
    )
    sixes = [
        IPv6Address((head << (112 if head < 1 << 16 else 96)) | generator.getrandbits(90))
        for head in heads * 60
    ]
    changed = [
        IPv6Network(each) for each in ("2001::/23", "2002::/16", "3fff::/20")
    ]  # with Python's versions
    sixes = [six for six in sixes if not any(six in network for network in changed)]
    found = find_all([f"[{six}]".encode() for six in sixes])
    assert [bool(each) for each in found] == [
        six.is_global and six in IPv6Network("2000::/3") for six in sixes
    ]


def test_hostile_documents_take_time_in_proportion_to_their_bytes() -> None:
    # No time is measured: looking at everything around each mark would take hours, not a second.
    pieces = '@|a@b.c.|a.a@|1.|1-|1 |+1|(|eyJ|token="|token=|sk-|xoxb-1|2001:|tel1|_|=|:|\\x|A'
    for piece in [*pieces.split("|"), "-----BEGIN PRIVATE KEY-----"]:
        data = piece.encode() * (1_000_000 // len(piece))
        assert [column.to_pylist() for column in count_private(binary_array([data])).values()] == [[0]] * 4
