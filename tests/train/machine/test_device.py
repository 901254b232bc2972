import re
from pathlib import Path

import torch

from dspipe.recipe import Train
from dspipe.train.machine.device import choose_dtype, describe_computation, find_available
from dspipe.train.schedule.course import Weights
from dspipe.train.step import accumulate_gradient
from tests.reference.networks import random_batch, small_model, small_network

CPU = torch.device("cpu")


def test_what_is_computed_on_is_named() -> None:
    settings = Train(model=small_model(head_width=32, rope_width=16, value_width=32))
    line = describe_computation(CPU, settings)
    assert re.fullmatch(
        r"cpu, \d+ threads, float32; attention flash 48/32 \(values widened to 48\), over rows", line
    )
    line = describe_computation(CPU, Train(model=small_model(), attention="document", dtype="bfloat16"))
    assert re.search(r"bfloat16; attention flash 10/5 \(values widened to 16\), over documents$", line)


def test_a_gpu_computes_in_bfloat16_and_a_cpu_in_float32_unless_told_otherwise() -> None:
    cuda = torch.device("cuda")
    assert choose_dtype(CPU, Train()) == torch.float32
    assert choose_dtype(cuda, Train()) == torch.bfloat16
    assert choose_dtype(cuda, Train(dtype="float32")) == torch.float32
    assert choose_dtype(CPU, Train(dtype="bfloat16")) == torch.bfloat16


def test_a_step_keeps_documents_apart_where_that_is_asked_for() -> None:
    batch, found = random_batch([[5, 8], [13]], 13), {}
    for attention in ("row", "document"):
        network = small_network()
        settings = Train(model=network.config, attention=attention)
        found[attention] = accumulate_gradient(network, batch, settings, Weights(0.0, 0.3), size=1).loss
    assert found["row"] != found["document"]
    network = small_network()
    alone = accumulate_gradient(network, batch.keep_apart(), Train(model=network.config), Weights(0.0, 0.3))
    assert abs(found["document"] - alone.loss) < 1e-5


def test_files_that_a_group_has_read_leave_as_much_memory_as_before(tmp_path: Path) -> None:
    """As in a container after the stages before: its limit is nearly used up, by what can be given up."""
    kinds = "anon 1000\nfile 7000000\nactive_file 2000000\ninactive_file 4000000\nworkingset_x 5\n"
    (tmp_path / "memory.max").write_text("8000000\n")
    (tmp_path / "memory.current").write_text("7500000\n")
    assert find_available(tmp_path) == 500_000
    (tmp_path / "memory.stat").write_text(kinds)
    assert find_available(tmp_path) == 6_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert find_available(tmp_path) > 8_000_000
