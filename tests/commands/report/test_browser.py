"""The pages in a real browser: nothing overflows at the width of a phone or a desk, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.report.browser import CHROMIUM, running, visit
from tests.commands.runs import call

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")

MEASURE = """(() => {
  document.querySelectorAll('details').forEach(one => { one.open = true; });
  const width = document.documentElement.clientWidth;
  const scrolled = one => one.closest('.scroll, pre') !== null;
  const wide = [...document.body.querySelectorAll('*')].filter(one =>
    one.getBoundingClientRect().right > width + 1 && !scrolled(one) && !one.closest('svg'));
  const small = [...document.querySelectorAll('text, p, td, th, li')].filter(one =>
    one.textContent.trim() && parseFloat(getComputedStyle(one).fontSize) < 11);
  return {
    overflow: document.documentElement.scrollWidth - width,
    wide: wide.map(one => one.outerHTML.slice(0, 200)),
    small: small.length,
    images: [...document.images].every(one => one.naturalWidth > 0),
    alerted: document.querySelectorAll('script, [onerror]').length,
    paper: getComputedStyle(document.body).backgroundColor,
    lines: [...document.querySelectorAll('path.line')].filter(one =>
      one.getBoundingClientRect().width > 50).length,
  };
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(scope="module")
def pages(made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    call("report", made, "--out", folder / "report.html")
    call("compare", made, made, "--out", folder / "compare.html")
    return {name: folder / f"{name}.html" for name in ("report", "compare")}


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", ["report", "compare"])
def test_a_page_fits_its_window_and_loads_nothing(
    browser: str, pages: dict[str, Path], name: str, width: int
) -> None:
    page = visit(browser, pages[name], width, MEASURE)
    assert page.errors == []
    assert [url for url in page.requests if not url.startswith("data:")] == [pages[name].resolve().as_uri()]
    assert page.value["overflow"] <= 0 and page.value["wide"] == []
    assert page.value["small"] == 0 and page.value["images"] and page.value["alerted"] == 0
    assert page.value["lines"] > 10
    assert page.picture.startswith(b"\x89PNG")


def test_a_page_is_dark_where_that_is_asked_for(browser: str, pages: dict[str, Path]) -> None:
    light, dark = (
        visit(browser, pages["report"], 1440, MEASURE, dark=dark).value["paper"] for dark in (False, True)
    )
    assert light == "rgb(255, 255, 255)" and sum(map(int, dark[4:-1].split(","))) < 150
