"""`doctor`: what is there, what loads, and the command that mends the rest."""

import json
from typing import Any

import pytest

from poolnorm_cli.kernels import native
from tests.backends.doubles import CPU, CUDA, install, runtime
from tests.conftest import Command


def findings(done: Any) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in json.loads(done.out)["findings"]}


def test_this_machine_is_sound(poolnorm: Command) -> None:
    done = poolnorm("doctor --json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["ok"] is True
    found = findings(done)
    assert found["numpy"]["state"] == "ok"
    assert found["onnxruntime"]["state"] == "ok"
    assert found[CPU]["detail"] == "loads"


def test_the_compiled_loops_are_told(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_LOOPS", None)
    found = findings(poolnorm("doctor --json"))["compiled loops"]
    assert (found["state"], found["detail"]) == ("missing", "NumPy does their work, more slowly")
    monkeypatch.setattr(native, "_LOOPS", object())
    assert findings(poolnorm("doctor --json"))["compiled loops"]["state"] == "ok"


def test_lines_have_name_state_detail_and_fix(poolnorm: Command) -> None:
    for line in poolnorm("doctor").out.splitlines():
        name, state, detail, fix = line.split("\t")
        assert name
        assert state in {"ok", "missing", "broken"}
        assert detail
        assert not (fix and state == "ok")


def test_quiet_says_only_what_is_broken(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, runtime(raises="cannot load"))
    done = poolnorm("doctor -q")
    assert done.code == 3
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [CUDA]
    assert "cannot load\tpip uninstall -y onnxruntime onnxruntime-gpu" in done.out


def test_two_builds_are_broken(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("onnxruntime", "onnxruntime-gpu")
    install(monkeypatch, runtime(), distributions=both)
    done = poolnorm("doctor --json")
    assert done.code == 3
    for name in both:
        found = findings(done)[name]
        assert found["state"] == "broken"
        assert "they overwrite each other's files" in found["detail"]
        assert found["fix"].startswith("pip uninstall -y onnxruntime onnxruntime-gpu && pip")


def test_libraries_and_devices_are_looked_for(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, runtime(), lost=("libcuda.so.1", "libcudnn.so.9"), devices=0)
    found = findings(poolnorm("doctor --json"))
    assert found["libcuda.so.1"]["fix"] == "install the NVIDIA driver"
    assert found["libcudnn.so.9"]["detail"] == "CUDA 13: does not load"
    assert found["libcudnn.so.9"]["fix"] == "pip install 'poolnorm-cli[cuda]'"
    assert found["libcublas.so.13"]["state"] == "ok"
    assert found["devices"]["state"] == "missing"
    assert found[CUDA]["state"] == "ok"


def test_a_device_is_counted(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, runtime(), devices=2)
    found = findings(poolnorm("doctor --json"))
    assert found["devices"]["detail"] == "2"
    assert found["libcuda.so.1"]["detail"] == "loads, for CUDA up to 13.0"


def test_a_provider_that_falls_back_does_not_load(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, runtime(loads=False))
    found = findings(poolnorm("doctor --json"))
    assert found[CUDA]["detail"] == "the runtime took another provider"
    assert found[CPU]["state"] == "ok"


def test_what_cuda_lacks_is_told_with_its_own_fix(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, runtime(loads=False), lost=("libcudnn.so.9",))
    done = poolnorm("doctor --json")
    assert (done.code, done.err) == (3, "")
    found = findings(done)[CUDA]
    assert found["detail"] == "the libraries of CUDA 13 cannot be loaded: libcudnn.so.9"
    assert found["fix"].startswith("pip install 'poolnorm-cli[cuda]'")


def test_a_provider_that_is_not_used_may_be_missing(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = "TensorrtExecutionProvider"
    module = runtime(raises="no TensorRT", failing=unused, available=(unused, CUDA, CPU))
    install(monkeypatch, module)
    done = poolnorm("doctor --json")
    assert (done.code, done.err) == (0, "")
    assert findings(done)[unused]["state"] == "missing"
    assert findings(done)[CUDA]["state"] == "ok"
    assert module.severity == [4]  # the runtime prints nothing beside


def test_nothing_installed_is_missing_and_not_broken(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.backends import installed
    from poolnorm_cli.errors import UnavailableError

    def absent(**_: str) -> None:
        raise UnavailableError("onnxruntime is not installed", "pip install 'poolnorm-cli[cpu]'")

    monkeypatch.setattr(installed, "builds", dict)
    monkeypatch.setattr(installed, "version", lambda _: None)
    monkeypatch.setattr(installed, "import_runtime", absent)
    done = poolnorm("doctor --json")
    assert done.code == 0
    found = findings(done)
    assert found["onnxruntime"]["state"] == "missing"
    assert "import onnxruntime" not in found
    assert found["onnx"]["fix"] == "pip install 'poolnorm-cli[check]'"


def test_a_terminal_gets_a_table_and_the_commands_below(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, runtime(raises="cannot load"))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = poolnorm("doctor").out
    assert "┃" in out
    assert f"for {CUDA}:\n    pip uninstall -y onnxruntime onnxruntime-gpu && pip install" in out
