"""Inputs and outputs in Google's storage, spoken by an emulator on the loopback."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.batch.places import make_tensors, tree
from tests.conftest import Command


gcsfs = pytest.importorskip("gcsfs")
emulator = pytest.importorskip("gcp_storage_emulator.server")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that talk to the store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    running = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="data")
    running.start()
    server = running._api._httpd
    server.handle_error = lambda *_: None  # of readers that have seen enough
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield gcsfs.GCSFileSystem(use_listings_cache=False)
    running.stop()
    gcsfs.GCSFileSystem.clear_instance_cache()


def upload(store: Any, directory: str) -> None:
    for path in Path(directory).rglob("*.np[yz]"):
        store.pipe(f"data/{path}", path.read_bytes())


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    names = store.find(f"data/{prefix}")
    return {name.removeprefix(f"data/{prefix}"): store.cat(name) for name in names}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tree_in_the_store_gives_the_local_tree(poolnorm: Command, store: Any, jobs: str) -> None:
    make_tensors("in", 5)
    make_tensors("in/deep", 2)
    np.savez("in/two.npz", a=np.ones((1, 4, 4, 3), np.float32), b=np.ones((1, 2, 2, 3)))
    upload(store, "in")
    result = poolnorm(f"pool max gs://data/in/ -r -O gs://data/out -j {jobs}")
    assert result.code == 0, result.err
    poolnorm("pool max in -r -O out -q")

    found = objects(store, "out/")
    assert found == {name: Path("out", name).read_bytes() for name in tree("out")}
    assert len(found) == 8
    assert result.out.splitlines()[0].startswith("gs://data/in/0000.npy\t")


def test_a_large_object_is_read_and_written_in_pieces(poolnorm: Command, store: Any) -> None:
    x = np.random.default_rng(2).standard_normal((64, 128, 128, 8)).astype(np.float32)  # 32 MiB
    np.save("x.npy", x)
    store.put_file("x.npy", "data/x.npy")
    result = poolnorm("bn gs://data/x.npy --training -o gs://data/y.npy -q")

    assert result.code == 0, result.err
    poolnorm("bn x.npy --training -o y.npy -q")
    assert store.cat("data/y.npy") == Path("y.npy").read_bytes()


def test_an_object_that_exists_is_not_replaced_unasked(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 1)
    store.pipe("data/out/0000.npy", b"mine")
    refused = poolnorm("pool max in -O gs://data/out")
    assert refused.code == 2
    assert "gs://data/out/0000.npy: exists; give --overwrite" in refused.err
    assert poolnorm("pool max in -O gs://data/out --skip-existing -q").code == 0
    assert objects(store, "out/") == {"0000.npy": b"mine"}
    assert poolnorm("pool max in -O gs://data/out --overwrite -q").code == 0
    assert np.load(io.BytesIO(objects(store, "out/")["0000.npy"])).shape == (4, 4, 4, 3)


def test_an_object_is_not_its_own_output(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 1)
    upload(store, "in")
    result = poolnorm("pool max gs://data/in/0000.npy -O gs://data/in --overwrite")

    assert result.code == 2
    assert "gs://data/in/0000.npy: the output is the input" in result.err


def test_a_run_that_fails_leaves_no_object(poolnorm: Command, store: Any) -> None:
    x = np.zeros((4, 4, 4, 3), np.float32)
    x[3, 0, 0, 0] = np.nan
    np.save("x.npy", x)
    assert poolnorm("bn x.npy --training -o gs://data/y.npy").code == 4

    assert objects(store, "") == {}


def test_a_run_in_the_store_is_resumed(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 3)
    upload(store, "in")
    words = "pool max gs://data/in/ -O gs://data/out -q --journal j"
    assert poolnorm(words).code == 0
    store.rm("data/out/0001.npy")
    changed = io.BytesIO()
    np.save(changed, np.ones((1, 2, 2, 1), np.float32))
    store.pipe("data/in/0002.npy", changed.getvalue())
    assert poolnorm(f"{words} --resume").code == 0
    lines = [json.loads(line) for line in Path("j").read_text().splitlines()]

    done = [line["input"][-8:] for line in lines if line.get("status") == "done"]
    assert done[3:] == ["0001.npy", "0002.npy"]
    assert np.load(io.BytesIO(objects(store, "out/")["0002.npy"])).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("pool max gs://data/nothing.npy", 4, "gs://data/nothing.npy: no such file"),
        ("pool max gs://nowhere/x.npy", 4, "gs://nowhere/x.npy: no such file"),
        (
            "pool max gs://data/void/",
            4,
            "gs://data/void/: no .npy, .npz or .safetensors files, pictures or tables there",
        ),
        ("pool max gs://data/bad.npy", 4, "gs://data/bad.npy: not a .npy file"),
        ("pool max gs://data/cut.npy", 4, "gs://data/cut.npy: truncated: 6 of 12 bytes"),
        ("pool max x.npy -o gs://nowhere/y.npy", 3, "gs://nowhere/y.npy: "),
    ],
)
def test_faults_in_the_store_are_told_in_one_line(
    poolnorm: Command, store: Any, words: str, code: int, told: str
) -> None:
    file = io.BytesIO()
    np.save(file, np.ones(3, np.float32))
    np.save("x.npy", np.ones((1, 2, 2, 1), np.float32))
    store.pipe("data/bad.npy", b"no tensor, but bytes")
    store.pipe("data/cut.npy", file.getvalue()[:-6])
    result = poolnorm(words)

    assert result.code == code, result.err
    assert result.err.startswith(f"error: {told}")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("words", ["gs://data/x.npy", "gs://data/in/", "x.npy -o gs://data/y.npy"])
def test_a_store_that_does_not_answer_is_told_in_seconds(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    gcsfs.GCSFileSystem.clear_instance_cache()
    np.save("x.npy", np.ones((1, 2, 2, 1), np.float32))
    result = poolnorm(f"pool max {words}")

    assert result.code == (3 if "-o" in words else 4), result.err
    assert result.err.startswith("error: gs://data/")
    assert result.err.count("\n") == 1
    assert os.listdir() == ["x.npy"]  # noqa: PTH208 - names


def test_an_upload_that_breaks_off_leaves_no_object(
    poolnorm: Command, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sent = gcsfs.core.GCSFile._upload_chunk, []

    def breaking(file: Any, **words: Any) -> Any:
        sent.append(file)
        if len(sent) == 2:
            raise ConnectionResetError(104, "Connection reset by peer")
        return whole(file, **words)

    monkeypatch.setattr(gcsfs.core.GCSFile, "_upload_chunk", breaking)
    # The emulator cannot end an upload, and is asked again for half a minute.
    ended: list[Any] = []

    def end(file: Any) -> None:
        ended.append(file)

    monkeypatch.setattr(gcsfs.core.GCSFile, "discard", end)
    np.save("x.npy", np.ones((48, 128, 128, 8), np.float32))  # 24 MiB
    result = poolnorm("bn x.npy -o gs://data/y.npy")

    assert result.code == 3
    assert result.err.startswith("error: gs://data/y.npy: ")
    assert result.err.count("\n") == 1
    assert len(sent) == 2
    assert ended == sent[:1]
    assert objects(store, "") == {}
