"""Web servers that do not send, or without end, are told as such; no secret of a URL is shown."""

import base64
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from tests.conftest import Command


pytest.importorskip("aiohttp")
pytest.importorskip("fsspec")

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages that talk to the server

SECRETS = ("hunter2", "c0ffee")


def array(*shape: int) -> bytes:
    file = io.BytesIO()
    np.save(file, np.ones(shape, np.float32))
    return file.getvalue()


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


class Web(http.server.BaseHTTPRequestHandler):
    """Answers as the first part of a path says."""

    protocol_version = "HTTP/1.1"
    files: ClassVar[dict[str, bytes]] = {}
    over: ClassVar[threading.Event]

    def log_message(self, *_: object) -> None:
        """Keep silent."""

    def do_GET(self) -> None:
        way, _, rest = self.path.lstrip("/").partition("/")
        try:
            getattr(self, f"be_{way}")(rest.partition("?")[0])
        except OSError:
            self.close_connection = True

    def head(self, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def be_plain(self, name: str) -> None:
        self.head(Content_Length=str(len(self.files[name])), ETag='"1"')
        self.wfile.write(self.files[name])

    def be_chunked(self, name: str) -> None:
        self.head(Transfer_Encoding="chunked")
        self.chunk(self.files[name])
        self.chunk(b"")

    def be_endless(self, name: str) -> None:
        self.head(Transfer_Encoding="chunked")
        self.chunk(self.files.get(name, b"<html>"))
        while not self.over.is_set():
            self.chunk(bytes(1 << 16))

    def be_silent(self, name: str) -> None:
        del name
        self.over.wait()

    def be_stuck(self, name: str) -> None:
        self.head(Content_Length=str(len(self.files[name])))
        self.wfile.write(self.files[name][:200])
        self.over.wait()

    def be_dripping(self, name: str) -> None:
        self.head(Content_Length=str(len(self.files[name])), ETag='"1"')
        for place in range(len(self.files[name])):
            self.wfile.write(self.files[name][place : place + 1])
            if self.over.wait(0.01):
                return

    def be_unheaded(self, name: str) -> None:
        del name
        for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 10_000:
            self.wfile.write(bytes([letter]))
            if self.over.wait(0.01):
                return

    def be_round(self, name: str) -> None:
        self.head(302, Location=f"/round/{name}?token=c0ffee", Content_Length="0")

    def be_elsewhere(self, name: str) -> None:
        self.head(302, Location=f"/plain/{name}", Content_Length="0")

    def be_refused(self, name: str) -> None:
        del name
        self.head(403, Content_Length="0")

    def be_private(self, name: str) -> None:
        given = self.headers.get("Authorization", "")
        if given == "Basic " + base64.b64encode(b"me:hunter2").decode():
            self.be_plain(name)
        else:
            self.head(401, Content_Length="0")

    def be_listed(self, name: str) -> None:
        if not name or name.endswith("/"):
            page = "".join(f'<a href="{each}">' for each in self.files[f"/{name}"].decode().split())
            self.head(Content_Length=str(len(page)))
            self.wfile.write(page.encode())
        else:
            self.be_plain("x.npy")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve; yields the address without its scheme."""
    from poolnorm_cli.tensors import cloud

    monkeypatch.setattr(cloud, "COPIED_FROM_WEB_BYTES", 1 << 10)
    files = {
        "x.npy": array(4, 8, 8, 3),
        "x.npz": archive(a=np.ones((1, 4, 4, 3), np.float32)),
        "/": b"a.npy b.txt .hidden.npy deep/ /plain/x.npy ../ ?C=M;O=A http://other.invalid/z.npy",
        "/deep/": b"c.npy .d.npy .e/ deeper/ ../",
        "/deep/deeper/": b"e.NPY ./",
    }
    facts = {"files": files, "over": threading.Event()}
    handler = type("Handler", (Web,), facts)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"127.0.0.1:{running.server_port}"
        facts["over"].set()  # type: ignore[attr-defined]
        running.shutdown()
        thread.join()


@pytest.fixture
def unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server that says nothing a fraction of a second."""
    monkeypatch.setattr("poolnorm_cli.tensors.web.SILENCE", 0.2)


@pytest.mark.usefixtures("unheard")
@pytest.mark.parametrize("verb", ["pool max {} -o y.npy", "compare {} {}"])
@pytest.mark.parametrize("path", ["silent/x.npy", "silent/x.npz", "unheaded/x.npy", "stuck/x.npz"])
def test_a_server_that_says_nothing_is_told(
    poolnorm: Command, web: str, verb: str, path: str
) -> None:
    url = f"http://{web}/{path}"
    result = poolnorm(verb.format(*[url] * verb.count("{}")))

    assert (result.code, result.err.count("\n")) == (2 if "compare" in verb else 4, 1)
    assert result.err.startswith(f"error: {url}: the server sent nothing for 0 seconds; try again")
    assert not list(Path().rglob("*.np*"))


@pytest.mark.usefixtures("unheard")
def test_a_directory_on_a_silent_server_is_told(poolnorm: Command, web: str) -> None:
    result = poolnorm(f"pool max http://{web}/silent/ -O out")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert "the server sent nothing for 0 seconds" in result.err


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_server_that_sends_too_little_is_told(
    poolnorm: Command, web: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("poolnorm_cli.tensors.web.PATIENCE", 0.2)
    result = poolnorm(f"bn --training http://{web}/dripping/{name} -O out")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert " bytes came in " in result.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("endless/x.npy", "goes on after the 3200 bytes that it should have"),
        ("endless/x.npz --max-memory 100M", "more than 104857600 bytes came, of no known size"),
        ("endless/x.npz", "more than 2000000 bytes came, of no known size"),
        ("endless/ -O out", "more than 1000000 bytes, too many for the page of a directory"),
    ],
)
def test_what_has_no_end_is_refused_as_such(
    poolnorm: Command, web: str, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    from poolnorm_cli.tensors import spool, web as module

    monkeypatch.setattr(spool, "LARGEST_UNSIZED_BYTES", 2_000_000)
    monkeypatch.setattr(module, "LARGEST_PAGE_BYTES", 1_000_000)
    result = poolnorm(f"pool max http://{web}/{words}")

    assert (result.code, result.err.count("\n")) == (4, 1)
    assert told in result.err


def test_a_copy_without_room_is_refused_by_what_the_server_says(
    poolnorm: Command, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poolnorm_cli.tensors import spool

    monkeypatch.setattr(spool, "free_space_in", lambda _: 100)
    for name in ("x.npz", "x.npy"):
        result = poolnorm(f"pool max http://{web}/chunked/{name}")
        if name == "x.npz":
            assert "more than 50 bytes came, of no known size" in result.err
        else:
            assert result.code == 3
            assert "a temporary copy needs 3200 bytes, and 100 are free there" in result.err
    result = poolnorm(f"pool max http://{web}/plain/x.npz")
    assert result.code == 3
    assert " are free there; set TMPDIR to a directory with room" in result.err


@pytest.mark.parametrize("way", ["plain", "chunked", "elsewhere"])
@pytest.mark.parametrize("verb", ["pool max", "bn --training"])
def test_a_file_comes_in_any_way(poolnorm: Command, web: str, way: str, verb: str) -> None:
    Path("x.npy").write_bytes(array(4, 8, 8, 3))
    result = poolnorm(f"{verb} http://{web}/{way}/x.npy -o y.npy")
    poolnorm(f"{verb} x.npy -o one.npy")

    assert result.code == 0, result.err
    assert Path("y.npy").read_bytes() == Path("one.npy").read_bytes()
    assert poolnorm(f"{verb} http://{web}/{way}/x.npz -o z.npz").code == 0


def test_redirections_without_an_end_are_told(poolnorm: Command, web: str) -> None:
    result = poolnorm(f"pool max http://{web}/round/x.npy")

    assert result.code == 4
    assert "redirected from place to place" in result.err
    assert "c0ffee" not in result.err


def test_a_file_that_changes_between_two_passes_is_noticed(poolnorm: Command, web: str) -> None:
    from poolnorm_cli.errors import InputError
    from poolnorm_cli.tensors.sources import open_tensors

    (tensor,) = open_tensors(f"http://{web}/plain/x.npy")
    assert sum(len(block) for block in tensor.blocks(1)) == 4
    tensor._version = (0, 0)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="changed while reading"):
        list(tensor.blocks(1))


WORDS = [
    "pool max {} -O out",
    "pool max {} -O out --json --overwrite",
    "pool max {} x.npy -O out --skip-existing --json",
    "pool max {} x.npy -O two --journal j --progress json",
    "pool max {} x.npy -O two --journal j --resume --json",
    "pool max {} --dry-run",
    "pool max {} --dry-run --json",
    "pool max {}",
    "pool max {} {} -O three",
    "bn {} --training --save-weights w.npz --overwrite --export l.onnx",
    "bn {} --mask {}",
    "bn x.npy --adjustment {} --training",
    "bn x.npy --weights {}",
    "pool max x.npy -o {}",
    "pool max x.npy --save-config {}",
    "info {}",
    "info {} --stats --json",
    "compare {} x.npy",
    "compare {} {} --json",
    "shape pool max {}",
    "bn {} --weights {} --keras",
    "bn {} --torch",
    "pool max {} -vv -o y.npz --overwrite",
    "pool max {}::a -O four",
    "pool max {} --key nothing",
    "gpool max {} -O five -j 2",
]


@pytest.mark.parametrize("way", ["private", "refused", "plain"])
@pytest.mark.parametrize("words", WORDS)
def test_no_secret_is_shown_or_written(poolnorm: Command, web: str, words: str, way: str) -> None:
    if "onnx" in words:
        pytest.importorskip("onnx")
    np.save("x.npy", np.ones((1, 4, 4, 3), np.float32))
    suffix = ".npz" if "::" in words or "weights" in words or "adjust" in words else ".npy"
    url = f"http://me:hunter2@{web}/{way}/x{suffix}?X-Amz-Signature=c0ffee&x=1"
    result = poolnorm(words.format(*[url] * words.count("{}")))

    written = "".join(path.name for path in Path().rglob("*"))
    for path in Path().rglob("*"):
        if path.is_file():
            written += path.read_bytes().decode("latin-1")
    for secret in SECRETS:
        assert secret not in result.out
        assert secret not in result.err
        assert secret not in written
    assert "this is a bug" not in result.err


def test_a_url_with_secrets_is_resumed_with_other_ones(poolnorm: Command, web: str) -> None:
    np.save("x.npy", np.ones((1, 4, 4, 3), np.float32))
    words = "pool max http://me:{}@{}/plain/x.npy?signature={} x.npy -O out --journal j --json"
    assert poolnorm(words.format("hunter2", web, "c0ffee")).code == 2  # one name for both
    words += " --output-name {{index}}{{ext}}"
    assert poolnorm(words.format("hunter2", web, "c0ffee")).code == 0
    again = poolnorm(words.format("another", web, "newer") + " --resume")

    assert again.code == 0, again.err
    assert all(each.get("skipped") for each in json.loads(again.out)["results"])
    assert f'"http://{web}/plain/x.npy?..."' in Path("j").read_text()


def test_a_password_is_sent(poolnorm: Command, web: str) -> None:
    assert poolnorm(f"pool max http://me:hunter2@{web}/private/x.npy").code == 0
    assert poolnorm(f"pool max http://me:wrong@{web}/private/x.npy").code == 4


def test_an_output_of_a_signed_url_has_the_plain_name(poolnorm: Command, web: str) -> None:
    assert poolnorm(f"pool max http://{web}/plain/x.npz?sig=a/b.c -O out -q").code == 0
    assert poolnorm(f"pool max http://{web}/plain/x.npz?sig=1::a -o y.npy -q").code == 0

    assert [path.name for path in Path("out").iterdir()] == ["x.npz"]
    assert zipfile.ZipFile("out/x.npz").namelist() == ["a.npy"]


def test_the_pages_of_a_directory_are_followed_below_it(poolnorm: Command, web: str) -> None:
    assert poolnorm(f"pool max http://{web}/listed/ -r -O out").code == 0
    assert poolnorm(f"pool max http://{web}/listed/ -O flat").code == 0
    found = {str(path.relative_to("out")) for path in Path("out").rglob("*.*")}

    assert found == {"a.npy", "deep/c.npy", "deep/deeper/e.NPY"}
    assert [path.name for path in Path("flat").iterdir()] == ["a.npy"]


def test_nothing_is_written_on_a_web_server(poolnorm: Command, web: str) -> None:
    np.save("x.npy", np.ones((1, 4, 4, 3), np.float32))
    result = poolnorm(f"pool max x.npy -o http://{web}/silent/y.npy")

    assert result.code == 3
    assert "nothing can be written there; write to a file, s3:// or gs://" in result.err
