"""`bench` on a machine that is pretended to be small and to have no bfloat16 units."""

import time

import pytest
import torch

from benchmarks import bench, bench_metrics
from hazelnut_ae.engine import compiling, device

pytestmark = pytest.mark.slow


def test_a_part_takes_as_many_turns_as_fit_into_its_time():
    calls = []

    def slow():
        calls.append("slow")
        time.sleep(0.02)

    found = bench.alternately(1000, 0.1, {"slow": slow, "quick": lambda: calls.append("quick")})
    assert 2 <= calls.count("slow") <= 7
    assert calls.count("quick") == calls.count("slow")
    assert found["slow"] > 0.02 > found["quick"]
    assert bench.alternately(1000, 0, {"once": lambda: None})["once"] >= 0  # too slow for its time: once all the same


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(bench, "IMAGES", 8)
    monkeypatch.setattr(bench, "PHOTOGRAPH", 64)
    monkeypatch.setattr(bench, "PRODUCT", 64)
    monkeypatch.setattr(bench, "BATCH", 2)
    monkeypatch.setattr(compiling, "compiled_or_not", lambda function: function)
    found = {"compile_s": 30.0, "from_cache_s": 3.0, "eager_s": 0.4, "compiled_s": 0.3}
    monkeypatch.setattr(compiling, "measure", lambda *_, **__: found)
    monkeypatch.setattr(bench, "peak_gb", lambda photographs, run: 1.0)
    monkeypatch.setattr(bench_metrics, "measure", lambda: {})


def test_without_bfloat16_units_nothing_is_timed_in_bfloat16(small_machine, monkeypatch):
    monkeypatch.setattr(device, "best_precision", lambda device: "float32")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda self: pytest.fail("a bfloat16 product would take minutes"))
    result = bench.measure(turns=1, part_seconds=0)
    assert result["precision"] == "float32"
    assert result["matmul_gflops_bfloat16"] is None
    assert result["step_vs_floor_own_precision"] == result["step_vs_floor"]
    assert all(value > 0 for name, value in result.items() if isinstance(value, float))
    shares = [value for name, value in result.items() if name.startswith("step_share_")]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0
    assert result["instructions"] == torch.backends.cpu.get_cpu_capability()


def test_with_them_both_rates_are_measured(small_machine, monkeypatch):
    monkeypatch.setattr(device, "best_precision", lambda device: "bfloat16")
    result = bench.steps(turns=1, seconds=0)
    assert result["matmul_gflops_bfloat16"] > 0
