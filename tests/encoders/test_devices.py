import pytest

from mmsearch.encoders import devices, heavy
from mmsearch.encoders.devices import Device, choose
from mmsearch.errors import DeviceUnavailable


@pytest.fixture(autouse=True)
def chosen_anew(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    choose.cache_clear()
    yield
    choose.cache_clear()


@pytest.fixture
def gpus(monkeypatch):
    """As if there were three GPUs."""
    monkeypatch.setattr(devices, "_count_without_torch", lambda: 3)
    monkeypatch.setattr(devices, "_count", lambda: 3)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(devices, "_count", lambda: 0)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, Device("cuda", (0, 1, 2), "float16")),
        ("auto", Device("cuda", (0, 1, 2), "float16")),
        ("cuda", Device("cuda", (0, 1, 2), "float16")),
        ("cuda:1", Device("cuda", (1,), "float16")),
        ("cuda:2,0/bfloat16", Device("cuda", (2, 0), "bfloat16")),
        ("auto/float32", Device("cuda", (0, 1, 2), "float32")),
        ("cpu", Device("cpu", (), "float32")),
        ("CPU/bfloat16", Device("cpu", (), "bfloat16")),
    ],
)
def test_names_with_gpus(gpus, named, expected):
    assert choose(named) == expected


def test_without_a_gpu_auto_is_the_cpu(no_gpu, monkeypatch):
    monkeypatch.setattr(heavy, "torch", lambda: pytest.fail("torch was imported for nothing"))
    assert choose() == choose("auto") == Device("cpu", (), "float32")
    assert choose().is_plain and choose().places == ("cpu",)
    assert not choose("cpu/bfloat16").is_plain


def test_the_variable_is_asked_when_nothing_is_named(gpus, monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "cpu/bfloat16")
    assert choose() == Device("cpu", (), "bfloat16")
    assert choose("cuda:2").places == ("cuda:2",)


@pytest.mark.parametrize("named", ["gpu", "cuda:", "cuda:x", "cpu:0", "cpu/int8", "cuda/", "auto:1", " "])
def test_what_is_no_device(gpus, named):
    with pytest.raises(DeviceUnavailable, match="no device; there are auto, cpu, cuda"):
        choose(named)


def test_cuda_is_asked_for_and_absent(no_gpu):
    with pytest.raises(
        DeviceUnavailable, match="cuda:0 was asked for, and torch finds no NVIDIA GPU .*use cpu or auto"
    ):
        choose("cuda:0")


def test_a_gpu_too_many(gpus):
    with pytest.raises(DeviceUnavailable, match="cuda:3 was asked for.*0 to 2"):
        choose("cuda:3")


def test_auto_counts_gpus_without_torch(monkeypatch, tmp_path):
    """A question must not wait for torch on a machine with a GPU either."""

    class Driver:
        def cuInit(self, flags):  # noqa: N802
            return 0

        def cuDeviceGetCount(self, count):  # noqa: N802
            count._obj.value = 2
            return 0

    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(heavy, "torch", lambda: pytest.fail("torch was imported"))
    monkeypatch.setattr(devices.ctypes, "CDLL", lambda name: Driver())
    monkeypatch.setattr(
        devices, "find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "torch" / "__init__.py")})
    )
    (tmp_path / "torch" / "version.py").write_text("cuda: Optional[str] = '13.0'\nhip = None\n")
    assert choose("auto") == Device("cuda", (0, 1), "float16")
    choose.cache_clear()
    (tmp_path / "torch" / "version.py").write_text("cuda: Optional[str] = None\nhip = None\n")
    assert choose("auto") == Device("cpu", (), "float32")


def test_a_gpu_that_torch_cannot_use(monkeypatch):
    if heavy.torch().cuda.is_available():
        pytest.skip("it can")
    with pytest.raises(DeviceUnavailable, match="torch cannot use it"):
        Device("cuda", (0,), "float16").check()
