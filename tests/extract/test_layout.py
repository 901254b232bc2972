"""Blocks of pages against their slow twin, and what each of the rules of HTML comes to."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dspipe.extract.markup import tags
from dspipe.extract.markup.attributes import hashed
from dspipe.extract.markup.blocks import FLAGS, KIND, LINKED
from dspipe.extract.mathematics.formulas import rewrite_mathematics
from dspipe.extract.pages.charset import recode_page
from dspipe.extract.pages.page import extract_page
from dspipe.recipe import Extract
from tests.extract.guarded import assert_twins_agree, find_blocks
from tests.extract.markup import ODDITIES, REFERENCES, SWALLOWING, TEXTS, make_page, pages, random_bytes

SAMPLE = Path(__file__).parents[2] / "shards" / "sample"
FULL = Extract(profile="full")
quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(pages, st.booleans(), st.booleans())
def test_pages_of_broken_markup_equal_the_slow_twin(page: bytes, links: bool, alt: bool) -> None:
    assert_twins_agree(page, links, alt)


@quick
@given(random_bytes)
def test_random_bytes_equal_the_slow_twin(page: bytes) -> None:
    assert_twins_agree(page)


def test_long_pages_of_broken_markup_equal_the_slow_twin() -> None:
    draw = Random(7)
    for _ in range(400):
        assert_twins_agree(make_page(draw, draw.randint(20, 120)), draw.random() < 0.5, draw.random() < 0.5)


def test_every_oddity_equals_the_slow_twin_wherever_it_stands_or_is_cut() -> None:
    around = ("<p>a{}b</p>c", "<pre>a{}b</pre>c", "<a href='{}'>t</a>", "a<br>{}<br>b", "<b hidden>{}</b>a")
    for piece in [*ODDITIES, *REFERENCES, *TEXTS, *SWALLOWING]:
        pages = [form.format(piece).encode() for form in around]
        if len(piece) < 60:
            pages += [piece.encode()[:end] for end in range(len(piece) + 1)]
        for page in pages:
            assert_twins_agree(page, links=True, alt=True)


def test_pages_of_the_sample_equal_the_slow_twin() -> None:
    compared = 0
    for path in sorted(SAMPLE.glob("*.warc.gz")):
        with path.open("rb") as file:
            for number, record in enumerate(ArchiveIterator(file, record_types=WarcRecordType.response)):
                if number % 3 == 0:
                    assert_twins_agree(rewrite_mathematics(recode_page(record.reader.read())))
                    compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("page", "text"),
    [
        # what ends without an end tag
        ("<p>one<p>two", "one\n\ntwo"),
        ("<p>one<div>two</div>three", "one\n\ntwo\nthree"),
        ("<ul><li>one<li>two</ul>end", "- one\n- two\n\nend"),
        ("<dl><dt>term<dd>what it is<dt>next</dl>", "term\nwhat it is\nnext"),
        ("<table><tr><td>a<td>b<tr><td>c<td>d</table>", "a | b\nc | d"),
        ("<table><thead><tr><th>a<tbody><tr><td>b</table>c", "a\nb\n\nc"),
        ("<h1>one<h2>two</h2>three", "one\n\ntwo\n\nthree"),
        ("<h1>one</h2>two", "one\n\ntwo"),
        ("one</p>two", "one\n\ntwo"),
        ("<table><tr><td><p>a<td><p>b</p></p></table>", "a | b"),
        ("<ul><li>a<div><ul><li>b</ul></div><li>c</ul>", "- a\n\n  - b\n\n- c"),
        ("<div><p><b><i>all<ul><li>left<a href=x>open", "all\n\n- leftopen"),
        ("<div><table><tr><td>a</div>b</table>", "ab"),
        ("<p>a<button><p>b</button>c", "ac"),
        # white space and lines
        (" a \n\t b ", "a b"),
        ("a<b> b </b> c", "a b c"),
        ("a&nbsp;\u00a0 b", "a b"),
        ("ex\u00adam&shy;ple\u200b&ZeroWidthSpace;s\ufeff", "examples"),
        ("a<br>b<br/>c</br>d", "a\nb\nc\nd"),
        ("a<br><br>b<br>\n<br>&nbsp;<br>c", "a\n\nb\n\nc"),
        ("<br><br>a", "a"),
        ("<div>a<hr>b</div>", "a\n\nb"),
        ("a<span>b</span><wbr>c<img>d", "abcd"),
        ("a\0b\x01c", "a b c"),
        # characters
        ("&lt;b&gt; &amp;amp; &quot;&eacute;&quot;", '<b> &amp; "é"'),
        ("AT&ampT &copy 2020 &notit; &notin; &nothing", "AT&T © 2020 ¬it; ∉ ¬hing"),
        ("&#233;&#xE9;&#XE9 &#8364", "ééé €"),
        ("&#128; &#x93;x&#148; &#150;", "€ “x” –"),
        ("&#0; &#xD800; &#x110000; &#99999999999999999999;", "\ufffd \ufffd \ufffd \ufffd"),
        ("a & b &c; &#; &#x; &", "a & b &c; &#; &#x; &"),
        ("1 < 2 <3 a<", "1 < 2 <3 a<"),
        ("中文<b>字</b>\U0001f600e\u0301", "中文字\U0001f600e\u0301"),
        # what is no text
        ("a<!-- b --><!-->c<!--->d<!---->e<!-- -- > --!>f", "acdef"),
        ("a<!doctype html><?php echo '<p>' ?>b</>c</ d>e", "a' ?>bce"),
        ("a<script>if (1<2) '</p>'; </scripty></script >b<style></style>c", "abc"),
        ("a<!-- b", "a"),
        ("a<b c='d>e", "a"),
        ("a<script>b", "a"),
        ('<a title="1 > 0" b=\'"\'>a</a  c>b', "ab"),
        ("a<textarea><div>b</textarea>c", "ac"),
        ("a<noscript><p>b</noscript>c", "ac"),
        ("a <select><option>b<option>c</select> d", "a d"),
        ("a<svg/>b<svg><path/><title>c</title></svg>d", "abd"),
        ("a<template><div>b</div></template>c", "ac"),
        ("<ruby>漢<rp>(<rt>kan<rp>)</ruby>字", "漢字"),
        # what is hidden
        ("a<p hidden>b</p>c", "a\n\nc"),
        ("a<b hidden>b</b>c", "ac"),
        ("a<b aria-hidden=true>b</b>c<b aria-hidden=false>d</b>", "acd"),
        ("a<b style='color:red; DISPLAY: none'>b</b>c<b style='display:block'>d</b>", "acd"),
        ("a<b style='visibility:hidden !important'>b</b>c", "ac"),
        ("a<b class='x sr-only'>b</b>c<b class=xsr-only>d</b>", "acd"),
        ("a <b hidden><p>b</p><ul><li>c</ul></b> d", "a d"),
        ("a<b hidden><i>b</b>c</i>d", "acd"),
        # code
        ("<pre>\n\n  if a &lt; b:\n    <b>x</b>  y\n\n\n</pre>", "  if a < b:\n    x  y"),
        ("a<pre>b\r\nc\rd\n</pre>e", "a\n\nb\nc\nd\n\ne"),
        ("<pre>a\u00a0&nbsp;b\u200b</pre>", "a  b"),
        ("<pre>a<br>b<div>c</div>d</pre>", "a\nb\nc\nd"),
        ("<pre><div>a</div>\n<div>b</div><div>\n</div><div>c</div></pre>", "a\nb\n\nc"),
        ("<pre><ol><li>a</li><li>b</li></ol></pre>", "a\nb"),
        ("<p>a</p><pre> \n </pre><p>b</p>", "a\n\nb"),
        ("a <b class=blob-code>b  c</b> d", "a b  c d"),
        (
            "<table><tr><td class=blob-num>1<td class=blob-code>def f():<tr><td class=blob-num>2"
            "<td class=blob-code>    <span>return</span> 1</table>",
            "def f():\n    return 1",
        ),
        (
            "<table class=highlighttable><tr><td class=linenos><pre>1\n2</pre></td><td class=code>"
            "<pre><span></span><span class=k>if</span> a:\n    b</pre></td></tr></table>",
            "if a:\n    b",
        ),
    ],
)
def test_a_rule_of_html(page: str, text: str) -> None:
    assert extract_page(page.encode(), None, FULL).text == text
    assert_twins_agree(page.encode())


@pytest.mark.parametrize(
    ("page", "links", "alt", "text"),
    [
        ("<a href=/x?a=1&amp;b=2&copy=3>t</a>!", True, False, "t (/x?a=1&b=2&copy=3)!"),
        ("<a href=/x?a=1&amp;b=2&copy=3>t</a>!", False, False, "t!"),
        ("<a href=1 href=2>t</a>", True, False, "t (1)"),
        ("a <a href=1><img alt=x></a>", True, False, "a"),
        ("a <a href=1><img alt=x></a>", True, True, "a x (1)"),
        ("<a name=x>t</a> <a href=''>u</a>", True, False, "t u"),
        ("<p>a <a href=1>b</p><p>c</a>", True, False, "a b\n\nc"),
        ("a<img alt='b &amp; c'>d", False, True, "a b & c d"),
        ("a<img alt='b' hidden><b hidden><img alt=c></b>d", False, True, "ad"),
    ],
)
def test_addresses_and_descriptions_are_written_where_asked_for(
    page: str, links: bool, alt: bool, text: str
) -> None:
    settings = Extract(profile="full", links=links, alt_text=alt)
    assert extract_page(page.encode(), None, settings).text == text
    assert_twins_agree(page.encode(), links, alt)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title> A &amp; <b>B</b>\n C </title>", "A & <b>B</b> C"),
        ("<svg><title>icon</title></svg><title>page</title><title>more</title>", "page"),
        ("<title></title><title>second</title>", None),
        ("<title>never ends <p>text", "never ends <p>text"),
        ("<p>none", None),
        ("<title>" + "é" * 600 + "</title>", "é" * 500),
    ],
)
def test_the_title_is_the_first_that_is_no_drawings(page: str, title: str | None) -> None:
    assert extract_page(page.encode(), None, FULL).title == title


def test_the_words_of_attributes_are_handed_down() -> None:
    def flags(page: str) -> int:
        found = find_blocks(page.encode())
        assert found is not None
        assert_twins_agree(page.encode())
        return int(found.blocks[0, FLAGS])

    assert flags("<div class='mainNavBar x'><p>a") == tags.MAIN | tags.NAVIGATION
    assert flags("<div id=site-footer_2><div role=comment>a") == tags.FOOTER | tags.COMMENTS
    assert flags("<DIV CLASS=Sidebar>a") == tags.SIDE
    assert flags("<nav><ul><li>a") == tags.NAVIGATION | tags.LISTED
    assert flags("<div class=navigate title=nav>a") == 0
    assert flags("<div class=nav></div><div>a") == 0


def test_the_text_of_links_is_counted_and_code_is_not() -> None:
    found = find_blocks("<p>a <a href=x>bé<b> c</b></a> d<p>e<pre><a href=x>f&lt;</a>".encode())
    assert found is not None
    assert found.blocks[:, LINKED].tolist() == [4, 0, 0]
    assert found.blocks[:, KIND].tolist() == [tags.PARAGRAPH, tags.PARAGRAPH, tags.CODE]


def test_what_is_nested_deeper_than_512_is_text_of_the_element_there() -> None:
    page = "<div>" * 600 + "<p>one</p>two<ul><li>three</ul>" + "</div>" * 600 + "<div hidden>no</div><p>four"
    assert extract_page(page.encode(), None, FULL).text == "one\n\ntwo\n\nthree\n\nfour"
    assert_twins_agree(page.encode())


def test_end_tags_go_on_working_behind_what_was_nested_too_deep() -> None:
    page = (
        "<section>"
        + "<div>" * 600
        + "a</section>b<div hidden>c</div>d"
        + "<svg>"
        + "<path/>" * 700
        + "</svg>"
    )
    page += "<span hidden>e</span>f<span hidden>g</span>h"
    assert extract_page(page.encode(), None, FULL).text == "a\n\nb\ndfh"
    assert_twins_agree(page.encode())


def test_names_of_the_kernel_are_hashed_as_in_its_tables() -> None:
    assert all(int(hashed(name)) == tags.hash_name(name) for name in ("class", "aria-hidden", "none"))
    table = tags.load_names().table
    assert np.count_nonzero(table[:, 0]) * 2 <= len(table)
