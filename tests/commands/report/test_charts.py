"""Charts: geometry by examples that can be drawn on paper, and nothing lost where curves are thinned."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dspipe.commands.charts.flow import Account, draw_flow
from dspipe.commands.charts.heat import DEPTH, draw_heat, shade
from dspipe.commands.charts.lines import MOST_POINTS, Curve, draw_lines, thin, write_path
from dspipe.commands.charts.scales import make_scale, show_number, show_tick
from dspipe.commands.report.training import smooth

finite = st.floats(-1e6, 1e6, allow_nan=False)


def labels(ticks: Any) -> list[tuple[int, str]]:
    return [(tick.place, tick.label) for tick in ticks]


def test_a_linear_axis_ends_at_ticks_that_are_evenly_spaced() -> None:
    scale = make_scale([2.1, 9.7])
    assert (scale.low, scale.high) == (2.0, 10.0)
    assert labels(scale.ticks) == [(0, "2"), (250, "4"), (500, "6"), (750, "8"), (1000, "10")]
    assert [scale.place(value) for value in (2.0, 6.0, 7.0, 10.0, 99.0)] == [0, 500, 625, 1000, 1000]


def test_a_tight_axis_ends_with_the_values() -> None:
    scale = make_scale([0, 410_000], zero=True, tight=True)
    assert (scale.low, scale.high) == (0, 410_000)
    assert labels(scale.ticks)[-1] == (976, "400k") and scale.place(205_000) == 500


def test_a_logarithmic_axis_gives_each_power_of_ten_the_same_room() -> None:
    scale = make_scale([0.01, 100.0], log=True)
    assert [scale.place(value) for value in (0.01, 0.1, 1.0, 10.0, 100.0)] == [0, 250, 500, 750, 1000]
    assert [label for _, label in labels(scale.ticks)] == ["0.01", "0.1", "1", "10", "100"]
    narrow = make_scale([0.3, 4.0], log=True)
    assert [label for _, label in labels(narrow.ticks)] == ["0.2", "0.5", "1", "2", "5"]


@pytest.mark.parametrize("values", [[5.0], [0.0], [-3.0, -3.0], [1e-12, 1e-12], [1e300, -1e300]])
def test_an_axis_has_room_for_a_single_value_and_for_any_span(values: list[float]) -> None:
    scale = make_scale(values)
    assert scale.low < scale.high and scale.low <= min(values) and max(values) <= scale.high
    assert len(scale.ticks) > 1


@given(st.lists(finite, min_size=1), st.booleans())
def test_all_values_lie_on_their_axis(values: list[float], log: bool) -> None:
    scale = make_scale(values, log=log)
    slack = 1e-6 * (scale.high - scale.low)
    for value in values:
        if not log or value > max(values) / 1e12 > 1e-300:
            assert scale.low - slack <= value <= scale.high + slack
    places = [tick.place for tick in scale.ticks]
    assert places == sorted(set(places)) and all(0 <= scale.place(value) <= 1000 for value in values)


def test_numbers_are_short() -> None:
    assert [show_number(value) for value in (None, float("nan"), 0, 1234, 1.5e9, 0.25)] == [
        "–", "–", "0", "1.234k", "1.5B", "0.25",
    ]  # fmt: skip
    assert show_tick(0.25, 0.05) == "0.25" and show_tick(2e6, 1e6) == "2M" and show_tick(0.0, 0.1) == "0"


def test_a_curve_is_drawn_from_the_top_left() -> None:
    chart = draw_lines("Loss", [Curve("train", [0, 50, 100], [10, 6, 2])], unit="nats")
    assert chart is not None
    (line,) = chart.lines
    assert line.path == "M0 0L500 500L1000 1000" and not line.dots and line.last == "2"
    assert labels(chart.x_ticks) == [
        (0, "0"),
        (200, "20"),
        (400, "40"),
        (600, "60"),
        (800, "80"),
        (1000, "100"),
    ]
    assert chart.summary == "Loss by tokens: train 10 → 2 (least 2, most 10)"


def test_gaps_break_a_curve_and_a_single_point_is_a_dot() -> None:
    nan = float("nan")
    curves = [Curve("a", [0, 1, 2, 3, 4], [1, 2, nan, 2, None]), Curve("b", [4], [2.0])]
    chart = draw_lines("x", curves)
    assert chart is not None
    assert chart.lines[0].path == "M0 1000L250 0M750 0" and chart.lines[1].dots == [(100.0, 0.0)]


def test_a_spike_of_a_single_step_does_not_hide_the_curve() -> None:
    raw = Curve("each", [0, 1, 2], [4.0, 100.0, 2.0], faint=True)
    chart = draw_lines("x", [raw, Curve("smooth", [0, 2], [4.0, 2.0])])
    assert chart is not None
    assert [tick.label for tick in chart.y_ticks][-1] == "5" and chart.beyond == "single steps from 2 to 100"
    assert chart.lines[0].path.startswith("M0 ") and "L500 0" in chart.lines[0].path


def test_a_chart_without_a_number_is_none() -> None:
    assert draw_lines("x", []) is None
    assert draw_lines("x", [Curve("a", [1, 2], [None, float("inf")])]) is None
    assert draw_lines("x", [Curve("a", [1, 2], [0.0, -1.0])], log=True) is None


def test_curves_keep_their_style_where_others_have_no_value() -> None:
    chart = draw_lines(
        "x", [Curve("a", [1], [None]), Curve("b", [1], [1.0]), Curve("c", [1], [1.0], style=7)]
    )
    assert chart is not None
    assert [(line.name, line.style) for line in chart.lines] == [("b", 1), ("c", 7)]


def test_marks_stand_where_something_happened() -> None:
    chart = draw_lines("x", [Curve("a", [0, 100], [1, 2])], marks=[25, 25, 100], marks_name="skipped")
    assert chart is not None and chart.marks == [250, 1000]


def test_points_at_the_same_place_are_drawn_once() -> None:
    assert write_path([(1, 1), (1, 1), (2, 2), None, None, (3, 3)]) == "M1 1L2 2M3 3"


@given(st.lists(finite, min_size=1, max_size=3000), st.integers(10, 200))
def test_thinning_keeps_ends_and_extremes_and_order(values: list[float], most: int) -> None:
    x, y = thin(list(range(len(values))), values, most)
    assert len(x) <= max(most, 1) and x == sorted(x)
    assert (x[0], x[-1]) == (0, len(values) - 1)
    assert min(y) == min(values) and max(y) == max(values)  # type: ignore[type-var]
    assert all(values[int(place)] == value for place, value in zip(x, y, strict=True))


def test_a_single_spike_among_a_hundred_thousand_steps_is_drawn() -> None:
    values = [2.0] * 100_000
    values[77_777], values[33_333] = 50.0, 0.5
    x, y = thin(list(range(100_000)), values)
    assert len(x) <= MOST_POINTS and {(77_777, 50.0), (33_333, 0.5)} <= set(zip(x, y, strict=True))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60))
def test_smoothing_weighs_by_distance_on_both_sides(values: list[float]) -> None:
    decay = 0.5
    expected = []
    for place in range(len(values)):
        weights = [decay ** abs(place - other) for other in range(len(values))]
        expected.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    assert smooth(values) == pytest.approx(expected, abs=1e-9)


def test_smoothing_passes_over_what_is_missing() -> None:
    assert smooth([1.0, float("nan"), 1.0]) == [1.0, 1.0, 1.0]
    assert smooth([float("nan")]) == [None]


def widths(path: str) -> tuple[float, float]:
    """Of a band how wide it is at its two ends: M a … H b at the bottom, and back to the top."""
    if "C" not in path:
        left, right = re.match(r"M([-\d.]+) .*H([-\d.]+)V", path).groups()  # type: ignore[union-attr]
        return (float(right) - float(left),) * 2
    a, c, d, b = re.match(  # type: ignore[union-attr]
        r"M([-\d.]+) \d+C\S+ \d+ \S+ \d+ ([-\d.]+) \d+H([-\d.]+)C\S+ \d+ \S+ \d+ ([-\d.]+) \d+Z", path
    ).groups()
    return float(b) - float(a), float(d) - float(c)


def test_the_widths_of_the_stream_are_the_counts() -> None:
    accounts = [Account("filter", 1000, 0, 900, 100), Account("mix", 900, 300, 800, 400)]
    flow = draw_flow(accounts)
    assert flow.height == 200
    assert [band.kind for band in flow.bands] == ["kept", "dropped", "kept", "dropped", "added"]
    unit = widths(flow.bands[0].path)[0] / 900
    for band, count in zip(flow.bands, (900, 100, 500, 400, 300), strict=True):
        assert widths(band.path) == pytest.approx((count * unit, count * unit), abs=0.3)


def test_the_stream_goes_on_where_it_left_off() -> None:
    """Below a stage its kept documents and the repeats lie side by side: what the next takes in."""
    flow = draw_flow([Account("mix", 900, 300, 800, 400), Account("pack", 800, 0, 800, 0)])
    kept, _, added, below = (band.path for band in flow.bands)
    left = float(added.split("C")[1].split()[4])
    assert below.startswith(f"M{left:g} 100") and f"H{kept.split('H')[1].split('V')[0]}V" in below


def test_a_stage_that_saw_nothing_is_drawn() -> None:
    assert draw_flow([Account("extract", 0, 0, 0, 0)]).bands[0].kind == "kept"


def read_png(address: str) -> tuple[int, int, np.ndarray[Any, Any]]:
    content = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        name, body = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        assert struct.unpack(">I", content[place + 8 + length : place + 12 + length])[0] == zlib.crc32(
            name + body
        )
        chunks[name], place = body, place + 12 + length
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3) and len(chunks[b"PLTE"]) == 3 * len(chunks[b"tRNS"])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    return width, height, rows[:, 1:]


def test_a_heat_map_has_a_pixel_for_each_cell() -> None:
    ratios = np.array([[1.0, 2.0, 0.5], [0.0, 4.0, 100.0]])
    width, height, pixels = read_png(draw_heat(ratios))
    assert (width, height) == (3, 2)
    half = DEPTH // 2
    assert pixels.tolist() == [[DEPTH, DEPTH + half, DEPTH - half], [0, 2 * DEPTH, 2 * DEPTH]]
    assert shade(ratios).tolist() == pixels.tolist()
