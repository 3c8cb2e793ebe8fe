"""Real schedulers and workers of Dask, as processes on the loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.batch.places import ENVIRONMENT, FAULTS, children, start, until


class Place:
    """A scheduler and its workers."""

    def __init__(self, protocol: str = "tcp") -> None:
        """Start a scheduler that writes its address to a file."""
        words = ["--port", "0", "--scheduler-file", "scheduler", "--protocol", protocol]
        self.processes = [self._dask("scheduler", *words)]
        until(lambda: Path("scheduler").exists() and Path("scheduler").read_text())
        self.address: str = json.loads(Path("scheduler").read_text())["address"]

    def add_workers(self, count: int) -> None:
        """Start workers of one thread each."""
        for _ in range(count):
            words = ["--nthreads", "1", "--no-nanny", "--local-directory", "scratch"]
            self.processes.append(self._dask("worker", self.address, *words))

    def add_limited_worker(self, threads: int, memory: str) -> None:
        """Start a worker with a limit, under the nanny that kills it when it takes more."""
        words = ["--nthreads", str(threads), "--memory-limit", memory]
        words += ["--local-directory", "scratch"]
        self.processes.append(self._dask("worker", self.address, *words))

    def stop(self) -> None:
        """Kill all, and the workers of nannies too."""
        for process in self.processes:
            for child in children(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.kill()
        for process in self.processes:
            process.wait()

    def _dask(self, kind: str, *words: str) -> "subprocess.Popen[bytes]":
        module = f"distributed.cli.dask_{kind}"
        command = [sys.executable, "-m", module, "--host", "127.0.0.1", "--no-dashboard", *words]
        quiet = {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}
        with Path("dask.log").open("ab") as log:
            return subprocess.Popen(
                command, env=os.environ | ENVIRONMENT | quiet, stdout=log, stderr=log
            )


@contextmanager
def cluster(workers: int, protocol: str = "tcp") -> Iterator[Place]:
    place = Place(protocol)
    try:
        place.add_workers(workers)
        yield place
    finally:
        place.stop()


def run(*words: str) -> tuple[int, str]:
    """Return the exit code, and what is told beside the warning of plain connections."""
    code = start(*words).wait()
    told = Path(FAULTS).read_text().splitlines(keepends=True)
    return code, "".join(line for line in told if not line.startswith("warning: tcp://127.0.0.1"))
