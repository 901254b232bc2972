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
    assert list(shape["passes"]) == list(shape["steps"]) == names
    assert list(shape["steps"]["dspipe"]) == ["bfloat16", "float32"]
    assert list(shape["steps"]["eager"]) == ["default", "fused"]
    for name in names:
        for spread in shape["steps"][name].values():
            assert isinstance(spread, Spread) and spread.least > shape["passes"][name].least > 0
    assert shape["transformers"]["experts"] in ("eager", "grouped_mm")
    assert shape["transformers"]["memory"] > 0
    assert any("times as fast as transformers" in line for line in lines)


def test_the_faster_way_of_transformers_and_the_faster_update_count() -> None:
    def answers(passes: list[float], peak: float, **updates: float) -> list[model.Answer]:
        return [{"passes": each, "clip": 0.5, "updates": updates, "peak": peak} for each in passes]

    found = {
        "dspipe": answers([1.0, 2.0, 1.0], 3.0, bfloat16=0.5, float32=1.5),
        "eager": answers([9.0, 9.0, 9.0], 1.0, default=0.0, fused=0.0),
        "grouped_mm": answers([3.0, 3.0, 4.0], 6.0, default=2.0, fused=0.5),
    }
    said: list[str] = []
    compared = model.compare(found, said.append)
    assert compared is not None
    assert (compared["experts"], compared["update"], compared["memory"]) == ("grouped_mm", "fused", 0.5)
    assert compared["passes"] == Spread(3.0, 1.5, 4.0)
    assert compared["steps"]["bfloat16"] == Spread(2.0, 4 / 3, 2.5)
    assert compared["steps"]["float32"] == Spread(4 / 3, 1.0, 5 / 3)
    assert model.compare({"dspipe": found["dspipe"]}, said.append) is None


class Broken:
    def ask(self, work: str) -> dict[str, float]:
        raise DspipeError("ended")


def test_a_way_that_does_not_run_drops_out_and_ours_does_not() -> None:
    assert model.take_turns({"eager": Broken()}, 1) == {}  # type: ignore[dict-item]
    with pytest.raises(DspipeError):
        model.take_turns({"dspipe": Broken()}, 1)  # type: ignore[dict-item]
