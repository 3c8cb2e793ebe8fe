"""A cluster of our own serves nobody else: not other users, nor who has no key of it."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poolnorm_cli.batch import dask_cluster
from poolnorm_cli.batch.dask_cluster import LOCAL
from tests.batch.places import children, make_tensors
from tests.conftest import Command


pytest.importorskip("distributed")
pytest.importorskip("cryptography")

NOBODY = 65534
STRANGER = """
import json, os, socket, ssl, sys
import distributed

def plain(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
        return link.recv(1000).decode(errors="replace")

def tls(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        with context.wrap_socket(link) as secret:
            secret.sendall(b"GET /health HTTP/1.0\\r\\n\\r\\n")
            return secret.recv(1000).decode(errors="replace")

def client(protocol, port):
    keys = distributed.Security.temporary() if protocol == "tls" else None
    address = f"{protocol}://127.0.0.1:{port}"
    with distributed.Client(address, timeout=2, security=keys) as there:
        return there.run_on_scheduler(os.getpid)

def answer(way, *words):
    try:
        return str(way(*words))
    except Exception as error:
        return type(error).__name__

ports = [int(word) for word in sys.argv[1:]]
# What is imported where it is used is imported now: the checkout may be closed to the other user.
guarded = next(port for port in ports if not answer(plain, port).startswith("HTTP/"))
for protocol in ("tcp", "tls"):
    answer(client, protocol, guarded)

if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
os.environ["HOME"] = os.getcwd()

for port in ports:
    answers = [answer(plain, port)]
    if not answers[0].startswith("HTTP/"):
        answers += [answer(tls, port), answer(client, "tcp", port), answer(client, "tls", port)]
    print(json.dumps(answers), flush=True)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Any]:
    with dask_cluster.connected(LOCAL) as client:
        yield client


def listening(pids: list[int]) -> set[int]:
    """Return the ports at which processes listen."""
    sockets = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            target = str(file.readlink()) if file.is_symlink() else ""
            sockets.add(target.removeprefix("socket:[").rstrip("]"))
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {int(w[1].rpartition(":")[2], 16) for w in lines if w[3] == "0A" and w[9] in sockets}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_another_user_gets_nothing_at_any_port(own: Any) -> None:
    Path.cwd().chmod(0o777)
    below = children(os.getpid())
    ports = listening([os.getpid(), *below])
    scheduler_port = int(own.scheduler.address.rpartition(":")[2])
    assert own.scheduler.address.startswith("tls://127.0.0.1:")
    assert {scheduler_port, *(int(w.rpartition(":")[2]) for w in own.nthreads())} <= ports

    code = STRANGER.replace("NOBODY", str(NOBODY))
    command = [sys.executable, "-c", code, *map(str, sorted(ports))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert len(answers) == len(ports)
    pages = [each for each in answers if len(each) == 1]
    assert all(page.startswith("HTTP/1.1 404 ") for (page,) in pages)
    for first, second, *clients in (each for each in answers if len(each) > 1):
        assert first == "ConnectionResetError"
        assert second in {"SSLError", "SSLEOFError", "ConnectionResetError"}
        assert clients == ["CommClosedError", "FatalCommClosedError"]


def test_what_workers_write_is_this_users_alone(own: Any) -> None:
    (places,) = {Path(each).parents[1] for each in own.run(_directory).values()}
    assert places.name.startswith("poolnorm-")
    assert stat.S_IMODE(places.stat().st_mode) == 0o700


def _directory(dask_worker: Any) -> str:
    return str(dask_worker.local_directory)


def test_without_its_package_it_says_what_to_install(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tensors("in", 2)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    result = poolnorm("pool max in -O out --dask local")

    assert result.code == 3
    fix = "pip install 'poolnorm-cli[dask]'"
    assert f"error: --dask local needs the package cryptography; {fix}" in result.err


def test_a_cluster_that_cannot_be_started_is_told(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    def fail(**_: object) -> None:
        raise RuntimeError("failed") from OSError("no\nmore")

    make_tensors("in", 2)
    monkeypatch.setattr(distributed, "LocalCluster", fail)
    result = poolnorm("pool max in -O out --dask local")

    assert result.code == 3
    told = "a local cluster cannot be started: OSError: no more; give --jobs N instead"
    assert result.err.startswith(f"error: {told}")
