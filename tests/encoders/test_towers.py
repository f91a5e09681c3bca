"""Chunks, and towers in torch and ONNX Runtime: the same vectors, whatever is run where and however much at once."""

import numpy as np
import pytest

from mmsearch.encoders import heavy
from mmsearch.encoders.chunks import Chunks
from mmsearch.encoders.devices import Device
from mmsearch.encoders.export import ExportFailed, export
from mmsearch.encoders.towers import Either, OnnxTower, TorchTower, in_chunks, tower
from mmsearch.errors import DeviceUnavailable
from mmsearch.types import Role

CPU = Device("cpu", (), "float32")
FEED = {"x": np.arange(60, dtype=np.float32).reshape(20, 3)}


def doubled(part):
    return lambda: part["x"] * 2


def test_chunks_double_while_it_pays():
    chunks = Chunks(4, 64)
    for rate in (100, 200, 300):  # rows a second: 4, 8 and 16 at once
        assert chunks.is_searching
        chunks.took(chunks.size, chunks.size / rate)
    assert chunks.size == 32
    chunks.took(32, 32 / 310)  # hardly faster
    assert chunks.size == 16 and not chunks.is_searching


def test_chunks_stop_at_the_largest():
    chunks = Chunks(4, 8)
    chunks.took(4, 1.0)
    chunks.took(8, 1.0)
    assert chunks.size == 8 and not chunks.is_searching


def test_a_part_of_a_chunk_says_nothing():
    chunks = Chunks(4, 64)
    chunks.took(3, 1e-9)
    assert chunks.size == 4


def test_rows_stay_in_order():
    assert np.array_equal(in_chunks(FEED, Chunks(7), doubled, "here"), FEED["x"] * 2)
    assert np.array_equal(in_chunks(FEED, Chunks(1, 16), doubled, "here"), FEED["x"] * 2)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("Failed to allocate memory")]
)
def test_a_chunk_too_large_is_halved_and_nothing_is_lost(error):
    tried = []

    def greedy(part):
        tried.append(len(part["x"]))
        if len(part["x"]) > 3:
            raise error
        return doubled(part)

    chunks = Chunks(16)
    assert np.array_equal(in_chunks(FEED, chunks, greedy, "here"), FEED["x"] * 2)
    assert tried[:4] == [16, 8, 4, 2]
    assert chunks.size == 2  # it is not tried again
    assert max(tried[4:]) == 2


def test_memory_runs_out_beside_work_that_is_under_way():
    """The chunk before is still being waited for: its rows must not get lost either."""
    calls = []

    def second_fails(part):
        calls.append(len(part["x"]))
        if len(calls) == 2:
            raise MemoryError
        return doubled(part)

    assert np.array_equal(in_chunks(FEED, Chunks(8), second_fails, "here"), FEED["x"] * 2)


def test_not_enough_memory_for_a_single_row():
    def never(part):
        raise MemoryError

    with pytest.raises(DeviceUnavailable, match="cuda:0 has not enough memory for a single input"):
        in_chunks(FEED, Chunks(4), never, "cuda:0")


def test_other_errors_are_passed_on():
    def broken(part):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        in_chunks(FEED, Chunks(4), broken, "here")


@pytest.fixture(scope="module")
def module():
    torch = heavy.torch()
    torch.manual_seed(0)

    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(6, 32), torch.nn.GELU(), torch.nn.Linear(32, 8))

        def forward(self, rows):
            given = rows.to(self.layers[0].weight.dtype)
            return torch.nn.functional.normalize(self.layers(given).float(), dim=-1)

    return Small().eval()


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "mapped"])
def graph(request, module, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "small.onnx"
    export(module, {"rows": heavy.torch().randn(3, 6)}, path, {"rows": {0: "n"}}, mapped=request.param)
    return path, request.param


ROWS = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)


def test_onnx_and_torch_give_the_same(graph, module):
    path, mapped = graph
    reference = module(heavy.torch().from_numpy(ROWS)).detach().numpy()
    assert np.allclose(OnnxTower(path, mapped=mapped).run({"rows": ROWS}), reference, atol=1e-6)
    assert np.allclose(TorchTower(lambda: module, CPU).run({"rows": ROWS}), reference, atol=1e-6)
    assert np.allclose(OnnxTower(path, mapped=mapped).run({"rows": ROWS[:1]}), reference[:1], atol=1e-6)


def test_half_precision_stays_close_and_gives_float32(module):
    found = TorchTower(lambda: module, Device("cpu", (), "bfloat16")).run({"rows": ROWS})
    reference = TorchTower(lambda: module, CPU).run({"rows": ROWS})
    assert found.dtype == np.float32
    cosines = (found * reference).sum(axis=1) / np.linalg.norm(found, axis=1)
    assert 0.999 < cosines.min() < 0.9999999


def test_rows_are_shared_out_among_processors(module):
    class Two(Device):
        places = ("cpu", "cpu")

    found = TorchTower(lambda: module, Two("cpu", (), "float32")).run({"rows": ROWS[:21]})
    assert np.allclose(found, TorchTower(lambda: module, CPU).run({"rows": ROWS[:21]}), atol=1e-6)


def test_a_question_does_not_load_torch(graph, module):
    path, mapped = graph
    torch = TorchTower(lambda: module, Device("cpu", (), "bfloat16"))
    either = Either(OnnxTower(path, mapped=mapped), torch)
    asked = either.run({"rows": ROWS[:3]}, Role.QUERY)
    assert not torch.is_loaded
    indexed = either.run({"rows": ROWS[:3]})
    assert torch.is_loaded  # what is indexed has one precision, however little it is
    assert np.array_equal(either.run({"rows": ROWS[:3]}, Role.QUERY), indexed)
    assert not np.array_equal(asked, indexed)


def test_what_was_not_exported_runs_in_torch(tmp_path, module):
    assert isinstance(tower(tmp_path / "none.onnx", lambda: module, CPU), TorchTower)


def test_a_graph_that_computes_something_else_is_not_used(tmp_path):
    torch = heavy.torch()

    class Forgetful(torch.nn.Module):
        """Gives other vectors whenever it is asked, so that no graph agrees with it."""

        def forward(self, rows):
            return rows + torch.randn(2, 6)

    with pytest.raises(ExportFailed, match="gives other vectors: cosine"):
        export(Forgetful().eval(), {"rows": torch.randn(2, 6)}, tmp_path / "x.onnx", {})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_says_why(tmp_path):
    torch = heavy.torch()

    class Eigen(torch.nn.Module):
        """ONNX has no such operator."""

        def forward(self, rows):
            return torch.linalg.eigvals(rows.T @ rows).real[None] + rows

    with pytest.raises(ExportFailed, match="x cannot be exported: "):
        export(Eigen().eval(), {"rows": torch.randn(2, 6)}, tmp_path / "x.onnx", {"rows": {0: "n"}})
    assert not list(tmp_path.iterdir())


@pytest.mark.gpu
def test_the_gpu_gives_the_same(module):
    if not heavy.torch().cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    many = np.tile(ROWS, (200, 1))
    reference = TorchTower(lambda: module, CPU).run({"rows": many})
    for precision, least in (("float32", 0.99999), ("float16", 0.9999), ("bfloat16", 0.999)):
        found = TorchTower(lambda: module, Device("cuda", (0,), precision)).run({"rows": many})
        assert (found * reference).sum(axis=1).min() > least
