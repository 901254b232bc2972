"""What is measured of the blocks of a page, and which of them are its content."""

from __future__ import annotations

import math

import pytest

from dspipe.extract.pages.content import MEASURES
from dspipe.extract.pages.weights import WEIGHTS, load_weights
from tests.extract.guarded import assert_twins_agree, find_blocks

SENTENCE = "The river rises in the hills above the town, and floods its lower streets in most springs. "
MENU = "".join(f"<li><a href=/{n}>Page number {n}</a>" for n in range(9))
ARTICLE = f"""
    <div class=header><ul class=nav>{MENU}</ul></div>
    <div id=content><h1>The river</h1><p>{SENTENCE * 3}<p>{SENTENCE * 4}<p>{SENTENCE * 2}</div>
    <div class=footer><p>Copyright, all rights reserved.</div>"""


def measure(page: str) -> list[dict[str, float]]:
    """name → measure, for every block; the twin agrees."""
    assert_twins_agree(page.encode())
    found = find_blocks(page.encode())
    assert found is not None
    return [dict(zip(MEASURES, row, strict=True)) for row in found.measures.tolist()]


def test_every_measure_has_a_weight_and_every_weight_a_measure() -> None:
    assert len(set(MEASURES)) == len(MEASURES) and set(WEIGHTS) == set(MEASURES)
    assert load_weights().size == len(MEASURES) + 1


@pytest.mark.parametrize(
    ("text", "stops", "ended"),
    [
        ("one, two. three", 2, False),
        ("Yes!", 1, True),
        ("He said: “no.”", 2, True),
        ("(aside)", 0, True),
        ("«oui»", 0, True),
        ("first, é", 1, False),
        ("first.é", 1, False),
        ("中文，很好。", 2, True),
        ("そうです（笑）", 0, True),
        ("مرحبا، كيف الحال؟", 2, True),
        ("यह एक वाक्य है।", 1, True),
        ("तितली", 0, False),
        ("and so on…", 1, True),
        ("ends in a letter ػ", 0, False),
    ],
)
def test_marks_of_sentences_are_known_in_many_scripts(text: str, stops: int, ended: bool) -> None:
    row = measure(f"<p>{text}")[0]
    assert row["stops"] * 5 == pytest.approx(stops)
    assert row["ended"] == ended


def test_the_share_of_links_is_of_bytes_without_white_space() -> None:
    assert [row["links"] for row in measure("<p>abc <a href=x>defé</a><p><a href=x>all</a><p>none")] == [
        pytest.approx(5 / 9),
        1,
        0,
    ]


def test_blocks_know_their_kind_and_what_is_around_them() -> None:
    rows = measure("<nav><ul><li>a</ul></nav><main><h2>b</h2><blockquote><p>c</blockquote><pre>d</pre>")
    said = [{name for name in row if name.startswith(("is ", "in ")) and row[name]} for row in rows]
    assert [names - {"in best"} for names in said] == [
        {"is item", "in navigation", "in listed"},
        {"is heading", "in main"},
        {"is paragraph", "in main", "in quoted"},
        {"is code", "in main", "in pre"},
    ]


def test_the_best_element_is_the_one_that_holds_the_paragraphs() -> None:
    rows = measure(ARTICLE)
    assert [row["in best"] for row in rows] == [0] * 9 + [1] * 4 + [0]
    assert [row["before best"] for row in rows] == [1] * 9 + [0] * 5
    assert [row["behind best"] for row in rows] == [0] * 13 + [1]
    assert rows[0]["blocks to best"] == pytest.approx(9 / 30)
    assert rows[0]["steps to best"] == pytest.approx(1 / 6)
    assert rows[9]["score of parent"] == pytest.approx(1)
    assert rows[0]["links of parent"] > 0.8 and rows[9]["links of parent"] == 0


def test_a_blocks_neighbours_are_measured() -> None:
    one, two, three = measure("<div><p>One.<p>two <a href=x>two</a></div><div>three</div>")
    assert one["size of previous"] == one["beside previous"] == 0
    assert one["size of next"] == pytest.approx(math.log1p(4) / 5) and one["links of next"] == pytest.approx(
        3 / 7
    )
    assert two["ended of previous"] == two["beside previous"] == two["paragraph of previous"] == 1
    assert two["beside next"] == two["paragraph of next"] == 0
    assert two["sentences before"] == pytest.approx(math.log1p(4) / 7) and two["sentences behind"] == 0
    assert [one["gap"], two["gap"], three["gap"]] == [1, 1, 1]


def test_menus_and_footers_are_left_out_and_the_article_is_kept() -> None:
    found = find_blocks(ARTICLE.encode())
    assert found is not None
    assert found.main.decode().startswith(("The river\n\n" + SENTENCE)[:50])
    assert b"Page number" not in found.main and b"Copyright" not in found.main
    assert b"Page number 8" in found.full and b"Copyright" in found.full


@pytest.mark.parametrize("page", ["", "   ", "<p></p>", "<div hidden>a</div>", "<title>a</title>"])
def test_a_page_without_text_has_no_blocks(page: str) -> None:
    found = find_blocks(page.encode())
    assert found is not None and len(found.blocks) == 0 and found.main == found.full == b""
    assert_twins_agree(page.encode())
