"""Fuzz the readers with Atheris, which is among the development extras.

    python -m tests.fuzz CORPUS -max_total_time=60

CORPUS is a directory; the seeds are written into it. An input that makes a reader fail is left as
`crash-...`; with its name instead of CORPUS it is repeated.
"""

import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any


atheris: Any = import_module("atheris")
FOLDER = tempfile.mkdtemp()

with atheris.instrument_imports(include=["poolnorm_cli"]):
    from tests.fuzz.readers import read, seeds

    SEEDS = list(seeds())
    for seed in SEEDS:
        read(seed, FOLDER)  # imports what a reader imports when it is first used


def one(data: bytes) -> None:
    """Try an input; the fuzzer's own limit tells of memory that matters."""
    with suppress(MemoryError):
        read(data, FOLDER)


for corpus in (Path(word) for word in sys.argv[1:] if not word.startswith("-")):
    if corpus.is_dir():
        for number, seed in enumerate(SEEDS):
            (corpus / f"seed-{number}").write_bytes(seed)
atheris.Setup(sys.argv, one)
atheris.Fuzz()
