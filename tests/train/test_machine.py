import re

import torch

from dspipe.recipe import Train
from dspipe.train.loop import accumulate_gradient
from dspipe.train.machine import choose_dtype, describe_computation
from dspipe.train.schedule import Weights
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
        settings = Train(model=network.config, attention=attention, micro_batch=1)
        values, _ = accumulate_gradient(network, batch, settings, Weights(0.0, 0.3))
        found[attention] = values["loss"]
    assert found["row"] != found["document"]
    network = small_network()
    alone = accumulate_gradient(network, batch.keep_apart(), Train(model=network.config), Weights(0.0, 0.3))
    assert abs(found["document"] - alone[0]["loss"]) < 1e-5
