"""`dspipe bench model`: a small shape beside transformers, and what the bench makes of it."""

from __future__ import annotations

import pytest

from dspipe.bench import Options, model
from dspipe.bench.timing import Spread
from dspipe.recipe import DspipeError


def test_both_networks_take_steps_of_the_same_shape_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "SHAPES", [model.Shape("smoke", 32)])
    monkeypatch.setattr(model, "TOKENS", 64)
    monkeypatch.setattr(model, "VOCABULARY", 128)
    lines: list[str] = []
    (shape,) = model.run(Options(workers=1, repeat=2), lines.append)["shapes"]
    assert (shape["preset"], shape["length"], shape["rows"], shape["dtype"]) == ("smoke", 32, 2, "float32")
    names = ["dspipe", "dspipe, multi-token", "eager", "grouped_mm"]
    assert list(shape["seconds"]) == names
    assert all(isinstance(spread, Spread) and spread.least > 0 for spread in shape["seconds"].values())
    assert shape["transformers"]["experts"] in ("eager", "grouped_mm")
    assert shape["transformers"]["memory"] > 0
    assert any("times as fast as transformers" in line for line in lines)


def test_the_faster_way_of_transformers_counts() -> None:
    def answers(seconds: list[float], peak: float) -> list[dict[str, float]]:
        return [{"seconds": each, "peak": peak} for each in seconds]

    found = {
        "dspipe": answers([1.0, 2.0, 1.0], 3.0),
        "eager": answers([9.0, 9.0, 9.0], 1.0),
        "grouped_mm": answers([3.0, 3.0, 4.0], 6.0),
    }
    said: list[str] = []
    compared = model.compare(found, said.append)
    assert compared == {"experts": "grouped_mm", "speed": Spread(3.0, 1.5, 4.0), "memory": 0.5}
    assert model.compare({"dspipe": found["dspipe"]}, said.append) is None


class Broken:
    def ask(self, work: str) -> dict[str, float]:
        raise DspipeError("ended")


def test_a_way_that_does_not_run_drops_out_and_ours_does_not() -> None:
    assert model.take_turns({"eager": Broken()}, 1) == {}  # type: ignore[dict-item]
    with pytest.raises(DspipeError):
        model.take_turns({"dspipe": Broken()}, 1)  # type: ignore[dict-item]
