"""Shares become amounts of each cell, or a refusal that says what is short and what can be had instead."""

from __future__ import annotations

import tomllib

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dspipe.mix.cells import Cap, Cell, find_cap
from dspipe.mix.nearest import fill, round_shares
from dspipe.mix.refusal import refuse
from dspipe.mix.solver import Grant, Supply, solve
from dspipe.recipe import Epochs, Mix


def supply(available: int, epochs: float = 1.0, key: str = "max_epochs") -> Supply:
    once, giving = int(min(epochs, 1) * available), int(epochs * available)
    return Supply(available, once, giving, (Cap(epochs, key),) if available else ())


def refusal(settings: Mix, supplies: dict[Cell, Supply]) -> str:
    grants = solve(settings, supplies)
    assert any(grant.short for grant in grants)
    return str(refuse(settings, supplies, grants))


def met(settings: Mix, supplies: dict[Cell, Supply]) -> list[Grant]:
    grants = solve(settings, supplies)
    assert not any(grant.short for grant in grants)
    return grants


def read_settings(message: str, settings: Mix) -> Mix:
    """The recipe with what a refusal says to write in it."""
    _, found, lines = message.partition("write in [mix]:")
    assert found
    return msgspec.convert(msgspec.to_builtins(settings) | tomllib.loads(lines.replace("\n  ", "\n")), Mix)


def test_what_cannot_be_met_is_refused_with_the_cell_that_is_short_and_the_nearest_mix() -> None:
    settings = Mix(bytes=1000, domains={"web": 0.5, "code": 0.5})
    supplies = {("web", "en"): supply(5000), ("code", ""): supply(300)}
    message = refusal(settings, supplies)
    assert message.splitlines() == [
        "mix: the shares cannot be met; ask for mix.bytes = 600, raise mix.max_epochs, or lower the shares "
        "of what is short",
        "  cell     share  asked  available  can give  granted  its share  limit",
        "  code    0.5000    500        300       300      300     0.3000  max_epochs 1",
        "  web/en  0.5000    500      5,000     5,000      700     0.7000",
        "  to have what is granted, write in [mix]:",
        "  bytes = 1000",
        "  domains = { code = 0.3, web = 0.7 }",
    ]
    met(Mix(bytes=600, domains=settings.domains), supplies)
    met(read_settings(message, settings), supplies)
    supplies["code", ""] = supply(300, 2.0)
    met(settings, supplies)


def test_the_keys_that_bind_are_named() -> None:
    caps = (Cap(2.0, "max_epochs.sources.books"), Cap(0.5, "max_epochs.languages.no"))
    supplies = {("web", "no"): Supply(100, 100, 150, caps), ("web", "en"): supply(1000)}
    message = refusal(Mix(bytes=400, languages={"no": 0.5, "en": 0.5}), supplies)
    assert message.splitlines()[2].endswith("  max_epochs.sources.books 2, max_epochs.languages.no 0.5")


def test_a_share_of_something_absent_is_refused_and_can_be_left_out() -> None:
    settings = Mix(domains={"web": 0.5, "law": 0.5})
    message = refusal(settings, {("web", "en"): supply(5000)})
    assert "leave out the cells with nothing there, or" in message and "max_epochs" not in message
    assert "nothing there" in message.splitlines()[2] and "domains = { web = 1.0 }" in message


def test_a_domain_that_cannot_take_the_rest_of_its_share_is_refused() -> None:
    supplies = {("web", "en"): supply(5000), ("web", "fr"): supply(5000), ("books", "en"): supply(5000)}
    settings = Mix(bytes=1000, domains={"web": 0.5, "books": 0.5}, languages={"en": 0.5}, temperature=1.5)
    assert "books/others" in refusal(settings, supplies)


def test_where_nothing_can_be_given_nothing_is_proposed() -> None:
    message = refusal(Mix(bytes=9, domains={"law": 1.0}), {("web", "en"): supply(5000)})
    assert "leave out" in message and "write in" not in message and "mix.bytes =" not in message


def test_languages_are_proposed_where_one_domain_has_them() -> None:
    supplies = {("web", "en"): supply(9000), ("web", "no"): supply(100), ("math", ""): supply(2000)}
    settings = Mix(bytes=2000, domains={"web": 0.5, "math": 0.5}, languages={"en": 0.6, "no": 0.4})
    message = refusal(settings, supplies)
    found = read_settings(message, settings)
    amounts = {grant.cell: grant.asked for grant in met(found, supplies)}
    assert amounts["web", "no"] == pytest.approx(100, abs=1)
    assert amounts["math", ""] / amounts["web", "en"] == pytest.approx(1000 / 600, rel=0.01)
    assert sum(amounts.values()) == pytest.approx(2000, abs=2)


def test_names_that_are_no_bare_keys_are_quoted() -> None:
    supplies = {("web", "en"): supply(9000), ("my texts", "en"): supply(10)}
    settings = Mix(bytes=2000, domains={"web": 0.5, "my texts": 0.5})
    assert read_settings(refusal(settings, supplies), settings).domains == {"web": 0.995, "my texts": 0.005}


shares = st.lists(st.integers(1, 9), min_size=3, max_size=3).map(lambda n: [each / sum(n) for each in n])
amounts = st.one_of(st.integers(0, 60), st.integers(1000, 10**6))


@given(shares, shares, st.lists(amounts, min_size=7, max_size=7), st.integers(1, 10**6), st.booleans())
def test_what_a_refusal_proposes_can_be_had(
    domains: list[float], languages: list[float], available: list[int], size: int, books: bool
) -> None:
    cells = [("code", ""), ("web", "en"), ("web", "no"), ("web", "zh")]
    cells += [("books", language) for language in ("en", "no", "zh")] if books else [("math", "")]
    names = ["code", "web", "books" if books else "math"]
    supplies = {cell: supply(amount, 1.5) for cell, amount in zip(cells, available, strict=False) if amount}
    settings = Mix(
        bytes=size, domains=dict(zip(names, domains, strict=True)),
        languages=dict(zip(("en", "no", "zh"), languages, strict=True)),
    )  # fmt: skip
    grants = solve(settings, supplies)
    assume(any(grant.short for grant in grants))
    message = str(refuse(settings, supplies, grants))
    if "ask for mix.bytes = " in message:
        most = int(message.partition("mix.bytes = ")[2].partition(",")[0])
        met(Mix(bytes=most, domains=settings.domains, languages=settings.languages), supplies)
        assert most < size
    if "write in" in message:
        found = read_settings(message, settings)
        given_ = met(found, supplies)
        assert found.bytes is not None and found.bytes <= size
        if not books:  # then shares of domains and languages say all that there is to say
            limits = {grant.cell: float(grant.supply.giving) for grant in grants}
            best = fill({grant.cell: grant.share for grant in grants}, limits, size)
            assert sum(grant.asked for grant in given_) >= 0.98 * sum(best.values()) - 3


@given(
    st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 100)), min_size=1, max_size=8), st.floats(0.1, 500)
)
def test_water_fills_vessels(vessels: list[tuple[float, float]], total: float) -> None:
    shares = {str(number): share for number, (share, _) in enumerate(vessels)}
    limits = {str(number): limit for number, (_, limit) in enumerate(vessels)}
    filled = fill(shares, limits, total)
    assert sum(filled.values()) == pytest.approx(min(total, sum(limits.values())))
    levels = {name: filled[name] / share for name, share in shares.items()}
    assert all(amount <= limits[name] * (1 + 1e-9) for name, amount in filled.items())
    # who is not full has the highest level of all
    assert all(
        level == pytest.approx(max(levels.values())) or filled[name] == pytest.approx(limits[name])
        for name, level in levels.items()
    )


@given(st.dictionaries(st.text(), st.tuples(st.floats(1, 9e9), st.floats(0, 9e9)), min_size=1, max_size=9))
def test_rounded_shares_sum_to_one_and_only_what_has_room_grows(
    known: dict[str, tuple[float, float]],
) -> None:
    amounts = {name: amount for name, (amount, _) in known.items()}
    rounded = round_shares(amounts, {name: room for name, (_, room) in known.items()})
    assert sum(rounded.values()) == pytest.approx(1.0, abs=1e-12)
    exact = {name: amount / sum(amounts.values()) for name, amount in amounts.items()}
    grown = [name for name, share in rounded.items() if share > exact[name] * (1 + 1e-9)]
    assert len(grown) <= 1 and all(
        known[name][1] == max(room for _, room in known.values()) for name in grown
    )
    assert all(abs(rounded.get(name, 0.0) - share) < 1e-6 * len(known) for name, share in exact.items())


def test_temperature_spreads_the_rest_over_the_languages_not_named() -> None:
    supplies = {("web", "en"): supply(8000), ("web", "zh"): supply(4000), ("web", "no"): supply(1000)}
    grants = {g.cell[1]: g.share for g in solve(Mix(languages={"en": 0.4}, temperature=2.0), supplies)}
    assert grants["en"] == 0.4
    assert grants["zh"] / grants["no"] == pytest.approx(2.0)  # the root of 4
    assert sum(grants.values()) == pytest.approx(1.0)
    named = solve(Mix(languages={"en": 0.4, "no": 0.6}, temperature=2.0), supplies)
    assert [grant.cell[1] for grant in named] == ["en", "no"]


def test_small_temperatures_end_well() -> None:
    supplies = {("web", "en"): supply(8000), ("web", "zh"): supply(4000)}
    cold = {grant.cell[1]: grant.share for grant in solve(Mix(temperature=0.01), supplies)}
    assert cold["en"] == pytest.approx(1.0)


def test_without_a_budget_the_scarcest_cell_decides() -> None:
    supplies = {("web", "en"): supply(8000), ("code", ""): supply(100, 0.5)}
    grants = met(Mix(domains={"web": 0.75, "code": 0.25}), supplies)
    assert {grant.cell[0]: grant.asked for grant in grants} == {"web": 150, "code": 50}


def test_the_least_of_what_is_said_of_source_domain_and_language_holds() -> None:
    epochs = Epochs(
        default=3.0, sources={"books": 4.0}, domains={"web": 2.0, "code": 6.0}, languages={"no": 1.5}
    )
    settings = Mix(bytes=1, max_epochs=epochs)
    assert find_cap(settings, ("web", "en", "books")) == (2.0, "max_epochs.domains.web")
    assert find_cap(settings, ("web", "no", "books")) == (1.5, "max_epochs.languages.no")
    assert find_cap(settings, ("code", "", "books")) == (4.0, "max_epochs.sources.books")
    assert find_cap(settings, ("law", "en", "crawl")) == (3.0, "max_epochs.default")
    assert find_cap(Mix(max_epochs=epochs), ("law", "en", "crawl")).epochs == 1.0
    assert find_cap(Mix(tokens=1, max_epochs=7), ("law", "en", "crawl")) == (7.0, "max_epochs")
