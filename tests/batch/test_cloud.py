"""Inputs and outputs in an object store, which runs here on the loopback."""

import http.server
import io
import json
import os
import re
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.errors import InputError
from tests.batch.places import make_files_of_every_format, make_tensors, tree
from tests.conftest import Command


pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that talk to the store


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield client
    urllib.request.urlopen(f"http://{host}:{port}/moto-api/reset", data=b"").close()
    running.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def upload(store: Any, directory: str) -> None:
    for path in Path(directory).rglob("*.np[yz]"):
        store.upload_file(str(path), "data", str(path))


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    listed = store.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
    keys = [each["Key"] for each in listed]
    return {
        key.removeprefix(prefix): store.get_object(Bucket="data", Key=key)["Body"].read()
        for key in keys
    }


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tree_in_the_store_gives_the_local_tree(poolnorm: Command, store: Any, jobs: str) -> None:
    make_tensors("in", 4)
    make_tensors("in/deeper", 2)
    np.savez_compressed("in/two.npz", a=np.ones((1, 4, 4, 2), np.float32), b=np.ones((1, 2, 2, 1)))
    upload(store, "in")
    result = poolnorm(f"pool max s3://data/in/ -r -O s3://data/out -j {jobs}")
    assert result.code == 0, result.err
    poolnorm("pool max in -r -O out -q")

    found = objects(store, "out/")
    assert found == {name: Path("out", name).read_bytes() for name in tree("out")}
    assert len(found) == 7
    assert result.out.splitlines()[0].startswith("s3://data/in/0000.npy\t")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_files_of_every_format_come_from_the_store_and_go_there(
    poolnorm: Command, store: Any, jobs: str
) -> None:
    names = make_files_of_every_format("in")
    for name in names:
        store.upload_file(f"in/{name}", "data", f"in/{name}")
    assert poolnorm("unit -O out -q", *(f"in/{name}" for name in names)).code == 0

    words = [f"s3://data/in/{name}" for name in names]
    result = poolnorm(f"unit -O s3://data/out -q -j {jobs}", *words)

    assert result.code == 0, result.err
    expected = {name: Path("out", name).read_bytes() for name in tree("out")}
    assert objects(store, "out/") == expected
    assert len(expected) == len(names)
    for name in ("y.safetensors", "y.npz", "y.npy"):
        assert poolnorm(f"ln s3://data/in/c.safetensors::q -o s3://data/{name} -q").code == 0
        assert poolnorm(f"ln in/c.safetensors::q -o {name} -q").code == 0
        assert objects(store, name)[""] == Path(name).read_bytes()


def test_a_large_object_is_read_and_written_in_pieces(poolnorm: Command, store: Any) -> None:
    x = np.random.default_rng(2).standard_normal((64, 128, 128, 8)).astype(np.float32)  # 32 MiB
    np.save("x.npy", x)
    store.upload_file("x.npy", "data", "x.npy")
    result = poolnorm("bn s3://data/x.npy --training -o s3://data/y.npy -q")

    assert result.code == 0, result.err
    poolnorm("bn x.npy --training -o y.npy -q")
    assert objects(store, "y.npy")[""] == Path("y.npy").read_bytes()


def test_the_store_and_this_machine_mix(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 1)
    upload(store, "in")
    assert poolnorm("gpool max s3://data/in/0000.npy -o y.npy -q").code == 0
    assert poolnorm("gpool max in/0000.npy -o s3://data/y.npy -q").code == 0

    assert objects(store, "y.npy")[""] == Path("y.npy").read_bytes()


def test_an_object_that_exists_is_not_replaced_unasked(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 1)
    store.put_object(Bucket="data", Key="out/0000.npy", Body=b"mine")
    refused = poolnorm("pool max in -O s3://data/out")
    assert refused.code == 2
    assert "s3://data/out/0000.npy: exists; give --overwrite" in refused.err
    assert objects(store, "out/") == {"0000.npy": b"mine"}
    assert poolnorm("pool max in -O s3://data/out --skip-existing -q").code == 0
    assert objects(store, "out/") == {"0000.npy": b"mine"}
    assert poolnorm("pool max in -O s3://data/out --overwrite -q").code == 0
    assert np.load(io.BytesIO(objects(store, "out/")["0000.npy"])).shape == (4, 4, 4, 3)


def test_an_object_is_not_its_own_output(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 1)
    upload(store, "in")
    result = poolnorm("pool max s3://data/in/0000.npy -O s3://data/in --overwrite")

    assert result.code == 2
    assert "s3://data/in/0000.npy: the output is the input" in result.err


def test_a_run_that_fails_leaves_no_object_and_no_part_of_one(
    poolnorm: Command, store: Any
) -> None:
    x = np.zeros((4, 4, 4, 3), np.float32)
    x[3, 0, 0, 0] = np.nan
    np.save("x.npy", x)
    assert poolnorm("bn x.npy --training -o s3://data/y.npy").code == 4
    assert poolnorm("pool max x.npy -o s3://nowhere/y.npy").code == 3

    assert objects(store, "") == {}
    assert "Uploads" not in store.list_multipart_uploads(Bucket="data")


def test_a_run_in_the_store_is_resumed(poolnorm: Command, store: Any) -> None:
    make_tensors("in", 3)
    upload(store, "in")
    words = "pool max s3://data/in/ -O s3://data/out -q --journal j"
    assert poolnorm(words).code == 0
    store.delete_object(Bucket="data", Key="out/0001.npy")
    np.save("changed.npy", np.ones((1, 2, 2, 1), np.float32))
    store.upload_file("changed.npy", "data", "in/0002.npy")
    assert poolnorm(f"{words} --resume").code == 0
    lines = [json.loads(line) for line in Path("j").read_text().splitlines()]

    done = [line["input"][-8:] for line in lines if line.get("status") == "done"]
    assert done[3:] == ["0001.npy", "0002.npy"]
    assert np.load(io.BytesIO(objects(store, "out/")["0002.npy"])).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("pool max s3://data/nothing.npy", 4, "s3://data/nothing.npy: no such file"),
        (
            "pool max s3://data/void/",
            4,
            "s3://data/void/: no .npy, .npz or .safetensors files, pictures or tables there",
        ),
        ("pool max s3://data/bad.npy", 4, "s3://data/bad.npy: not a .npy file"),
        ("pool max s3://data/cut.npy", 4, "s3://data/cut.npy: truncated: 6 of 12 bytes"),
        ("pool max s3://data/cut.txt", 4, "s3://data/cut.txt: "),
        ("pool max odd://data/x.npy", 4, "odd://data/x.npy: "),
    ],
)
def test_faults_in_the_store_are_told_in_one_line(
    poolnorm: Command, store: Any, words: str, code: int, told: str
) -> None:
    file = io.BytesIO()
    np.save(file, np.ones(3, np.float32))
    store.put_object(Bucket="data", Key="bad.npy", Body=b"no tensor, but bytes")
    store.put_object(Bucket="data", Key="cut.npy", Body=file.getvalue()[:-6])
    result = poolnorm(words)

    assert result.code == code
    assert result.err.startswith("error: ")
    assert told in result.err
    assert result.err.count("\n") == 1


def test_an_object_that_changes_meanwhile_is_refused(poolnorm: Command, store: Any) -> None:
    from poolnorm_cli.tensors.sources import open_tensors

    make_tensors("in", 1)
    upload(store, "in")
    (tensor,) = open_tensors("s3://data/in/0000.npy")
    store.put_object(Bucket="data", Key="in/0000.npy", Body=b"another")

    with pytest.raises(InputError, match=r"s3://data/in/0000\.npy: "):
        list(tensor.blocks(1))


@pytest.fixture
def web() -> Iterator[str]:
    """Serve the directory of the test, without parts of files, as simple servers do."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(Path.cwd()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_web_server_without_ranges_is_asked_for_whole_files(poolnorm: Command, web: str) -> None:
    make_tensors("in", 2, (4, 64, 64, 3))
    np.savez("in/two.npz", a=np.ones((1, 4, 4, 3), np.float32), b=np.ones((1, 2, 2, 3)))
    result = poolnorm(f"bn {web}/in/ --training -O out -q")
    assert result.code == 0, result.err
    poolnorm("bn in --training -O one -q")

    assert tree("out") == tree("one")
    assert len(tree("out")) == 3


def test_a_presigned_url_is_read_and_its_signature_shown_nowhere(
    poolnorm: Command, store: Any
) -> None:
    make_tensors("in", 1)
    upload(store, "in")
    url = store.generate_presigned_url("get_object", {"Bucket": "data", "Key": "in/0000.npy"})
    secret = url.rpartition("Signature=")[2].partition("&")[0]
    words = f"bn --training {url} -O out"
    results = [poolnorm(f"{words} --json"), poolnorm(f"{words} --overwrite --journal j")]
    poolnorm("bn --training in -O one -q")

    assert "Signature=" in url
    assert tree("out") == tree("one")
    for told in (*(r.out + r.err for r in results), Path("j").read_text()):
        assert secret not in told
        assert "/data/in/0000.npy?..." in told


def test_a_web_server_takes_no_outputs(poolnorm: Command, web: str) -> None:
    make_tensors("in", 1)
    result = poolnorm(f"pool max in/0000.npy -o {web}/y.npy")

    assert result.code == 3
    assert f"{web}/y.npy: nothing can be written there; write to a file" in result.err


def test_without_the_package_it_says_what_to_install(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    result = poolnorm("pool max s3://data/x.npy")

    assert result.code == 3
    assert "s3:// needs the package s3fs; pip install 'poolnorm-cli[cloud]'" in result.err


class _Web(http.server.BaseHTTPRequestHandler):
    """Serves one file, in parts or not, and may break off in the middle of large answers."""

    data = b""
    ranges = True
    breaks = False

    def log_message(self, *_: object) -> None:
        """Keep silent."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        data = self._answer()
        if self.breaks and len(data) > 1 << 20:
            self.wfile.write(data[: 1 << 20])
            self.connection.close()
        else:
            self.wfile.write(data)

    def _answer(self) -> bytes:
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "") * self.ranges)
        start, stop = int(asked[1]) if asked else 0, len(self.data)
        if asked and asked[2]:
            stop = min(stop, int(asked[2]) + 1)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(stop - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(self.data)}")
        self.end_headers()
        return self.data[start:stop]


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("ranges", [False, True])
def test_a_web_server_that_breaks_off_leaves_nothing(
    poolnorm: Command, ranges: bool, breaks: bool
) -> None:
    x = np.random.default_rng(1).standard_normal((48, 128, 128, 8)).astype(np.float32)  # 24 MiB
    np.save("x.npy", x)
    facts = {"data": Path("x.npy").read_bytes(), "ranges": ranges, "breaks": breaks}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Web", (_Web,), facts)) as running:
        running.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{running.server_port}/x.npy"
        result = poolnorm(f"pool max {url} -o y.npy -q")
        running.shutdown()
        thread.join()

    if breaks:
        told = f"error: {url}: the connection was lost before all had come; try again\n"
        assert (result.code, result.err) == (4, told)
        assert os.listdir() == ["x.npy"]  # noqa: PTH208 - names
    else:
        assert result.code == 0, result.err
        poolnorm("pool max x.npy -o one.npy -q")
        assert Path("y.npy").read_bytes() == Path("one.npy").read_bytes()


def test_a_web_server_that_is_not_there_is_told(poolnorm: Command) -> None:
    result = poolnorm("pool max http://127.0.0.1:1/x.npy -o y.npy")

    assert result.code == 4
    assert result.err == (
        "error: http://127.0.0.1:1/x.npy: cannot connect to 127.0.0.1:1;"
        " check the address, or try again\n"
    )


@pytest.mark.parametrize(
    ("words", "code"), [("s3://data/x.npy", 4), ("x.npy -o s3://data/y.npy", 3)]
)
def test_a_store_that_is_not_there_is_told(
    poolnorm: Command, store: Any, monkeypatch: pytest.MonkeyPatch, words: str, code: int
) -> None:
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    s3fs.S3FileSystem.clear_instance_cache()
    make_tensors(".", 1)
    Path("0000.npy").rename("x.npy")
    result = poolnorm(f"pool max {words}")

    assert result.code == code
    assert result.err.startswith("error: s3://data/")
    assert result.err.count("\n") == 1
