"""CUDA is there or the run ends, in one line that says what is missing and what to type."""

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from poolnorm_cli.backends import installed, open_backend, providers
from poolnorm_cli.errors import UnavailableError
from tests.backends.doubles import CPU, CUDA, install, runtime
from tests.conftest import Command


AGAIN = "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'poolnorm-cli[cuda]'"
LIBRARIES = ("libcublas.so.13", "libcudnn.so.9")


def fault(monkeypatch: pytest.MonkeyPatch, module: Any, **machine: Any) -> UnavailableError:
    install(monkeypatch, module, **machine)
    with pytest.raises(UnavailableError) as caught:
        open_backend("onnx", "cuda")
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_cpu_build_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(available=(CPU,)), distributions=("onnxruntime",))
    assert error.message == "cuda: onnxruntime 1.32.0 is the CPU build, which has no CUDA"
    assert error.fix == AGAIN


def test_two_builds_over_each_other_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("onnxruntime", "onnxruntime-gpu")
    error = fault(monkeypatch, runtime(available=(CPU,)), distributions=both)
    assert error.message.endswith("are both installed, and the CPU build lies on top")
    assert error.fix == AGAIN


def test_libraries_that_do_not_load_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(loads=False), lost=LIBRARIES)
    libraries = "libcublas.so.13, libcudnn.so.9"
    assert error.message == f"cuda: the libraries of CUDA 13 cannot be loaded: {libraries}"
    assert error.fix == "pip install 'poolnorm-cli[cuda]', or [cuda12] for a driver of CUDA 12"


def test_a_build_for_cuda_12_is_mended_by_its_own_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    module = runtime(loads=False)
    module.cuda_version = "12.8"
    error = fault(monkeypatch, module, lost=("libcublas.so.12",))
    assert error.fix == "pip install 'poolnorm-cli[cuda12]', or give --provider cpu"


def test_all_that_is_missing_is_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(loads=False), lost=("libcuda.so.1", "libcudnn.so.9"))
    assert error.message == (
        "cuda: no NVIDIA driver (libcuda.so.1 does not load), and the libraries of CUDA 13 cannot"
        " be loaded: libcudnn.so.9"
    )
    assert error.fix == (
        "install the driver and pip install 'poolnorm-cli[cuda]', or give --provider cpu"
    )


def test_a_missing_driver_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(raises="CUDA failure 35"), lost=("libcuda.so.1",))
    assert error.message == "cuda: no NVIDIA driver (libcuda.so.1 does not load)"
    assert error.fix == "install the driver, or give --provider cpu"


def test_a_driver_that_is_too_old_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(raises="CUDA failure 35"), driver=(12, 4))
    assert error.message == (
        "cuda: the driver serves CUDA 12.4, and this build of onnxruntime wants 13"
    )
    assert error.fix == f"update the driver, or {AGAIN.replace('[cuda]', '[cuda12]')}"


def test_a_machine_without_a_device_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(raises="CUDA failure 100"), devices=0)
    assert str(error) == "cuda: the driver has no device; give --provider cpu"


def test_what_the_runtime_says_is_reported_where_nothing_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = fault(monkeypatch, runtime(raises="line one\nline two " + "x" * 300))
    assert error.message.startswith("cuda: line one line two xxx")
    assert len(error.message) < 200


def test_a_session_that_fell_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    error = fault(monkeypatch, runtime(loads=False))
    assert error.message == "cuda: the runtime took another provider"


def test_cuda_runs_every_operator_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    module = runtime()
    install(monkeypatch, module)
    open_backend("onnx", "cuda")
    ((options, asked),) = module.seen
    assert asked == [CUDA]
    assert options.entries["session.disable_cpu_ep_fallback"] == "1"


def test_nothing_the_runtime_prints_gets_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = runtime()
    install(monkeypatch, module)
    open_backend("onnx", "cuda")
    assert capsys.readouterr() == ("", "")
    assert module.severity == [4]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (runtime(), "provider: cuda"),
        (runtime(raises="broken"), "provider: cpu (cuda: broken)"),
    ],
)
def test_auto_says_which_one_it_took(
    monkeypatch: pytest.MonkeyPatch, module: Any, said: str
) -> None:
    install(monkeypatch, module)
    messages: list[str] = []
    open_backend("onnx", "auto", notify=messages.append)
    assert messages == [said]


def hide(monkeypatch: pytest.MonkeyPatch, error: ImportError, package: str) -> None:
    real = builtins.__import__

    def fail(name: str, *rest: Any) -> Any:
        if name == package:
            raise error
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fail)


def test_a_runtime_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "builds", dict)
    absent = ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    hide(monkeypatch, absent, "onnxruntime")
    with pytest.raises(UnavailableError) as caught:
        installed.import_runtime()
    assert str(caught.value) == "onnxruntime is not installed; pip install 'poolnorm-cli[cpu]'"


def test_onnx_may_be_missing_but_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        hide(patch, ModuleNotFoundError("No module named 'onnx'", name="onnx"), "onnx")
        assert installed.onnx_if_installed() is None
    hide(monkeypatch, ImportError("libprotobuf.so: cannot open"), "onnx")
    with pytest.raises(UnavailableError, match="onnx is installed and cannot be imported: libp"):
        installed.onnx_if_installed()


def test_without_any_runtime_cuda_wants_the_build_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "builds", dict)
    absent = ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")
    hide(monkeypatch, absent, "onnxruntime")
    with pytest.raises(UnavailableError) as caught:
        open_backend("onnx", "cuda")
    assert str(caught.value) == "onnxruntime is not installed; pip install 'poolnorm-cli[cuda]'"


def test_a_build_that_cannot_be_imported_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "builds", lambda: {"onnxruntime-gpu": "1.32.0"})
    hide(monkeypatch, ImportError("libcudart.so.13: cannot open shared object"), "onnxruntime")
    with pytest.raises(UnavailableError) as caught:
        installed.import_runtime()
    assert caught.value.message == (
        "onnxruntime is installed and cannot be imported:"
        " libcudart.so.13: cannot open shared object"
    )
    assert caught.value.fix == AGAIN


def test_a_damaged_installation_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    module = runtime()
    del module.InferenceSession
    install(monkeypatch, module)
    with pytest.raises(UnavailableError, match="onnxruntime is damaged: two builds overwrote it"):
        installed.import_runtime()


def test_libraries_are_looked_for_where_pip_puts_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lib = tmp_path / "nvidia" / "cudnn" / "lib"
    lib.mkdir(parents=True)
    (lib / "libcudnn.so.9").touch()
    (tmp_path / "nvidia" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nvidia", raising=False)
    assert list(providers._from_packages("libcudnn.so.9")) == [str(lib / "libcudnn.so.9")]


def test_cuda_that_is_not_there_ends_the_command_before_any_output(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, x: object
) -> None:
    install(monkeypatch, runtime(loads=False), lost=LIBRARIES)
    done = poolnorm("pool max x.npy --provider cuda -o y.npy --export y.onnx")
    assert done.code == 3
    assert done.out == ""
    assert done.err.startswith("error: cuda: the libraries of CUDA 13 cannot be loaded")
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["x.npy"]


@pytest.mark.skipif(
    CUDA in installed.import_runtime().get_available_providers(), reason="this build has CUDA"
)
def test_the_cpu_build_ends_the_command_too(poolnorm: Command, x: object) -> None:
    done = poolnorm("bn x.npy --training --backend onnx --provider cuda -o y.npy")
    assert done.code == 3
    assert "is the CPU build, which has no CUDA; pip uninstall" in done.err
    assert not Path("y.npy").exists()


def test_a_model_that_does_not_load_on_the_cpu_is_reported() -> None:
    provider = providers.choose("cpu", lambda _: None)
    with pytest.raises(UnavailableError) as caught:
        provider.session(b"no model")
    assert caught.value.message.startswith("cpu: ")
    assert caught.value.fix == "--backend numpy"
