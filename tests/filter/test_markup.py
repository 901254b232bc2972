"""XML headers, and the visible text of files of HTML."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dspipe.filter.domains.markup import measure_markup
from tests.reference import markup as reference

MARKS = (
    "< > </ <b <b> </b> <br/> <p class= \" ' = <script> <SCRIPT src='x>y'> </script> </Script > <style> "
    "</style> <scripts> <!-- --> - ! <!doctype <? & &amp; &nbsp; &#160; &#xA0; &#32; &#x; &#; &x &#1a; &#0a; "
    "; a b ü 字 <1 </1"
)
PIECES = st.sampled_from([*MARKS.split(), " ", "\n", "\t", "\x00", "\u00a0", "\u2028", "\u3000"])


def measure(*texts: str | bytes, extension: str | None = "html") -> dict[str, list[Any]]:
    encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
    column = pa.array(encoded, pa.large_binary()).view(pa.large_string())
    columns = measure_markup(column, pa.array([extension] * len(texts), pa.string()))
    return {name: values.to_pylist() for name, values in columns.items()}


@pytest.mark.parametrize(
    ("html", "visible"),
    [
        ("<p>Two  words</p>", "Two words"),
        ("<p>one</p>\n\n  <p>two</p>\n", "one two"),
        ("<td>a</td><td>b</td>", "ab"),
        ("<title>T</title><script>if (a < b) write('</p>')</script>x", "Tx"),
        ("<style>p > b { color: red }</style>seen<STYLE>", "seen"),
        ("<SCRIPT type=a>no</script >yes", "yes"),
        ("<scripted>yes</scripted>", "yes"),
        ("before<!-- <p>hidden</p> -->after", "beforeafter"),
        ("<!doctype html><?php echo 1 ?>x", "x"),
        ("<a title=\"1 > 0\" href='>'>link</a>", "link"),
        ("a < b && c <3", "a < b && c <3"),
        ("&lt;p&gt;&amp;&#228;&#xE4;", "<p>&ää"),
        ("a&nbsp;&#160;&#xA0; b", "a b"),
        ("fish&chips &; &unfinished", "fish&chips &; &unfinished"),
        ("ein Wörterbuch\u00a0\u3000字典", "ein Wörterbuch 字典"),
        ("open <!-- never closed", "open"),
        ('open <a href="never closed', "open"),
        ("open <script>never closed</scrip", "open"),
        ("", ""),
    ],
)
def test_visible_is_what_a_reader_of_the_page_could_see(html: str, visible: str) -> None:
    assert measure(html)["visible_characters"] == [len(visible)]
    assert reference.measure(html) == (len(visible), len(html))


def test_the_share_is_of_all_characters() -> None:
    assert measure("<b>äöü</b>", "", "<hr>")["visible_text"] == [pytest.approx(0.3), 0.0, 0.0]


def test_only_files_of_html_have_visible_text() -> None:
    for extension in (None, "xml", "py", "HTML"):
        assert measure("<p>text", extension=extension)["visible_characters"] == [None]
        assert measure("<p>text", extension=extension)["visible_text"] == [None]
    for extension in ("html", "htm", "xhtml"):
        assert measure("<p>text", extension=extension)["visible_characters"] == [4]


def test_an_xml_header_counts_within_a_hundred_characters() -> None:
    header = "<?xml version="
    assert measure(header, "\ufeff" + header + '"1.0"?>', header[:-1], "")["xml_header"] == [
        True,
        True,
        False,
        False,
    ]
    assert measure("ä" * 86 + header, "ä" * 87 + header)["xml_header"] == [True, False]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(PIECES).map("".join) | st.text(), max_size=4))
def test_the_kernels_equal_their_slow_twin(texts: list[str]) -> None:
    found = measure(*texts)
    wanted = [reference.measure(text) for text in texts]
    assert found["visible_characters"] == [visible for visible, _ in wanted]
    assert found["visible_text"] == [float(np.float32(visible / max(1, total))) for visible, total in wanted]
    assert found["xml_header"] == ["<?xml version=" in text[:100] for text in texts]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary() | st.lists(PIECES).map("".join).map(str.encode).map(lambda b: b[:-1]), max_size=4)
)
def test_broken_utf8_is_counted_and_no_more_visible_than_there_is(texts: list[bytes]) -> None:
    found = measure(*texts)
    for text, visible, share in zip(texts, found["visible_characters"], found["visible_text"], strict=True):
        assert 0 <= visible <= len(text) and 0 <= share <= 1


@pytest.mark.parametrize(
    ("piece", "visible"),
    [
        ("<", 1_000_000),
        ("< ", 999_999),
        ("</", 1_000_000),
        ("&#", 1_000_000),
        ("<!", 0),
        ("<!--", 0),
        ("<a b='", 0),
        ("<script>", 0),
        ("<style></styl", 0),
    ],
)
def test_a_megabyte_of_markup_that_nobody_closes_is_walked_once(piece: str, visible: int) -> None:
    assert measure(piece * (1_000_000 // len(piece)))["visible_characters"] == [visible]
