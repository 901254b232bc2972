"""Lines are counted by the host of a document, or by its source."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.dedup.strings.groups import NO_GROUP, find_groups, hash_hosts
from dspipe.recipe import Lines
from dspipe.text.words import hash_bytes
from tests.reference.strings import find_host

HOSTS = {
    "https://www.Example.org:8080/a?b#c": "example.org",
    "HTTP://bob:secret@example.org/": "example.org",
    "//example.org?x=//other.org": "example.org",
    "example.org/path": "example.org",
    "example.org.": "example.org",
    "  https://example.org\n": "example.org",
    "https://[2001:DB8::1]:80/": "[2001:db8::1",
    "https://www.www.org": "www.org",
    "https://www.": "www",
    "https://www..": "www",
    "https://wwww.org": "wwww.org",
    "https://a@b@example.org": "example.org",
    "https:///path": "",
    "": "",
    "/path": "",
    "...": "",
}


def hash_one(url: str) -> int:
    return int(hash_hosts(pa.array([url]))[0])


def name_host(host: str) -> int:
    name = host.encode()
    return int(hash_bytes(np.frombuffer(name, np.uint8), 0, len(name))) if host else NO_GROUP


@pytest.mark.parametrize(("url", "host"), HOSTS.items())
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert find_host(url) == host
    assert hash_one(url) == name_host(host)


@given(st.text(alphabet="wW.aB:/@?#[]\\ \té", max_size=24))
@settings(deadline=None)
def test_hosts_are_those_of_the_twin(url: str) -> None:
    assert hash_one(url) == name_host(find_host(url))


def test_different_hosts_have_different_hashes_wherever_they_stand() -> None:
    urls = pa.array([None, "x", "http://a.org", "http://b.org", "http://www.a.org", None]).slice(1)
    hosts = hash_hosts(urls).tolist()
    assert hosts[1] == hosts[3] and len(set(hosts)) == 4 and hosts[-1] == NO_GROUP


def make_rows(**columns: list[str | None]) -> pa.RecordBatch:
    size = max(map(len, columns.values()))
    empty = {"source": ["s"] * size, "domain": [None] * size, "url": [None] * size}
    return pa.RecordBatch.from_pydict(
        {**empty, **columns}, pa.schema([(name, pa.string()) for name in empty])
    )


def test_a_document_without_a_url_counts_by_its_source() -> None:
    batch = make_rows(source=["a", "a", "b", None, "a"], url=[None, "", None, None, "https://x.org"])
    groups = find_groups(batch, Lines(by="host")).tolist()
    assert groups[0] == groups[1] and len(set(groups)) == 4 and NO_GROUP not in groups
    assert len(set(find_groups(batch, Lines(by="source")).tolist())) == 3


def test_code_and_mathematics_take_no_part() -> None:
    batch = make_rows(domain=["code", "math", "web", None], url=["https://x.org"] * 4)
    assert (find_groups(batch, Lines()) == NO_GROUP).tolist() == [True, True, False, False]
