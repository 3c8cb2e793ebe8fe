"""Addresses, certificates and clusters that will not do: told in one line before any work."""

import asyncio
import concurrent.futures
import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from poolnorm_cli.batch.dask_cluster import checked_address, insecure
from poolnorm_cli.batch.dask_executor import DaskExecutor
from poolnorm_cli.batch.file_parts import Part
from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.tasks import Task
from poolnorm_cli.errors import UnavailableError, UsageError
from tests.batch.clusters import cluster, run
from tests.batch.places import make_tensors, tree
from tests.conftest import Command


pytest.importorskip("distributed")


def test_files_that_workers_do_not_see_are_told_before_any_work(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.batch import dask_cluster as module

    make_tensors("in", 2)
    with cluster(1) as place:
        monkeypatch.setattr(module, "probe", _blind)
        result = poolnorm(f"pool max in -O out -q --dask {place.address}")

    assert result.code == 3
    assert "does not see /somewhere; give files on a file system that all workers share" in (
        result.err
    )
    assert tree("out") == {}


def _blind(paths: object) -> object:
    from poolnorm_cli.batch.dask_worker import probe

    return probe(["/somewhere"])


def test_a_scheduler_that_is_not_there_is_told_with_what_to_start(poolnorm: Command) -> None:
    make_tensors("in", 2)
    result = poolnorm("pool max in -O out --dask tcp://127.0.0.1:1")

    assert result.code == 3
    assert result.err.splitlines()[-1] == (
        "error: no Dask scheduler answers at tcp://127.0.0.1:1; start one with: dask scheduler"
    )


def test_a_server_of_another_kind_is_told(poolnorm: Command) -> None:
    make_tensors("in", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        result = poolnorm(f"pool max in -O out --dask tcp://127.0.0.1:{port}")
        thread.join()

    assert result.code == 3
    assert result.err.splitlines()[1] == (
        f"error: what answers at tcp://127.0.0.1:{port} is not a Dask scheduler;"
        " give its own port, not that of its dashboard"
    )


TLS = "DASK_DISTRIBUTED__COMM__TLS__"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates")
def test_a_cluster_behind_tls_takes_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tensors("in", 5)
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-days", "2"]
    more = ["-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", *words, *more], check=True, capture_output=True)
    monkeypatch.setenv(f"{TLS}CA_FILE", os.path.abspath("cert.pem"))  # noqa: PTH100
    for role, (end, file) in itertools.product(
        ("SCHEDULER", "WORKER", "CLIENT"), (("CERT", "cert.pem"), ("KEY", "key.pem"))
    ):
        monkeypatch.setenv(f"{TLS}{role}__{end}", os.path.abspath(file))  # noqa: PTH100
    with cluster(1, "tls") as place:
        assert place.address.startswith("tls://")
        assert run("pool", "max", "in", "-O", "out", "-q", "--dask", place.address) == (0, "")
    assert run("pool", "max", "in", "-O", "one", "-q")[0] == 0

    assert tree("out") == tree("one")


@pytest.mark.parametrize(
    ("file", "told"), [("", "Dask's configuration has none"), ("void", "cannot be read: ")]
)
def test_tls_without_certificates_says_what_to_set(poolnorm: Command, file: str, told: str) -> None:
    import dask

    make_tensors("in", 2)
    Path("void").touch()
    names = ["ca-file", "client.cert", "client.key"]
    with dask.config.set({f"distributed.comm.tls.{name}": file or None for name in names}):
        result = poolnorm("pool max in -O out --dask tls://127.0.0.1:1")

    assert result.code == 3
    assert told in result.err
    assert f"; set {TLS}CA_FILE and {TLS}CLIENT__CERT" in result.err


@pytest.mark.parametrize(
    "fault", [asyncio.CancelledError, concurrent.futures.CancelledError, OSError]
)
def test_an_answer_that_is_lost_with_its_worker_is_waited_for_again(
    fault: type[BaseException],
) -> None:
    class Future:
        status, given_up = "finished", False

        def result(self) -> None:
            raise fault

        def cancelled(self) -> bool:
            return self.given_up

    future, waiting = Future(), list[Future]()
    work: Any = None
    place = DaskExecutor(work, "tcp://127.0.0.1:1", [], print)
    place._client = client = SimpleNamespace(status="running", submit=lambda *_, **__: future)
    place._completed = SimpleNamespace(add=waiting.append)
    place.submit(Task(0, Input("x.npy"), part=Part(0, 1, (0, 0))))
    assert place._on_completed(future) == []
    assert waiting == [future, future]
    for client.status, future.given_up in (("closed", False), ("running", True)):
        with pytest.raises(UnavailableError, match="lost the Dask scheduler"):
            place._on_completed(future)
    assert waiting == [future, future]


def test_tasks_whose_workers_died_are_sent_apart_and_the_one_that_kills_fails() -> None:
    from distributed import KilledWorker

    sent = list[list[str]]()

    def submit(_: object, work: object, tasks: list[Task], **more: object) -> object:
        assert work is None
        assert more["retries"]
        sent.append([Path(task.input.word).name for task in tasks])
        return object()

    work = worker = cast("Any", None)
    place = DaskExecutor(work, "tcp://127.0.0.1:1", [], print)
    place._client, place._completed = SimpleNamespace(submit=submit), SimpleNamespace(add=id)
    tasks = [Task(0, Input("x.npy")), Task(1, Input("y.npy"))]
    error = KilledWorker("task", worker, 3)
    assert place._on_error(tasks, error) == []
    assert sent == [["x.npy"], ["y.npy"]]
    ((task, result),) = place._on_error(tasks[:1], error)

    assert task is tasks[0]
    assert str(result.error) == "x.npy: its worker died every time; give the workers more memory"
    with pytest.raises(UnavailableError, match="cannot do this work: ImportError: poolnorm_cli"):
        place._on_error(tasks, ImportError("poolnorm_cli"))


def test_a_scheduler_without_workers_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 2)
    monkeypatch.setattr("poolnorm_cli.batch.dask_cluster._WORKERS", 1)
    with cluster(0) as place:
        result = poolnorm(f"pool max in -O out --dask {place.address}")

    assert result.code == 3
    assert f"start one with: dask worker {place.address}" in result.err


def test_without_the_package_it_says_what_to_install(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 2)
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = poolnorm("pool max in -O out --dask local")

    assert result.code == 3
    assert "--dask needs the package distributed; pip install 'poolnorm-cli[dask]'" in result.err


@pytest.mark.parametrize("address", ["here", "http://x:1", "tcp://x", "x:port", "", "tcp://:1"])
def test_what_is_no_address_is_refused(poolnorm: Command, address: str) -> None:
    with pytest.raises(UsageError, match="is not the address of a scheduler"):
        checked_address(address)


@pytest.mark.parametrize(
    ("address", "open_to_all"),
    [
        ("tcp://10.0.0.1:8786", True),
        ("tcp://node7:8786", True),
        ("tcp://[2001:db8::1]:8786", True),
        ("tls://node7:8786", False),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://[::1]:8786", True),
        ("tcp://localhost:8786", True),
        ("local", False),
    ],
)
def test_plain_addresses_are_warned_of(address: str, open_to_all: bool) -> None:
    assert insecure(address) is open_to_all
