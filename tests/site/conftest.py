"""The calculator in a real browser: it is built once, and served on the loopback interface."""

import importlib.util
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
GUARD = 60_000
"""Milliseconds after which a page that gives no answer has failed, on the slowest machine."""


def script(name: str) -> ModuleType:
    """Import a script of the documentation by its path below docs/."""
    path = ROOT / "docs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing of requests."""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Build the calculator, serve it, and give its address."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, which fetches Pyodide")
    directory = tmp_path_factory.mktemp("site")
    script("build").build_calculator(directory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=directory)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Start the system's Chromium without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def loaded(browser: Any, site: str) -> Iterator[Any]:
    """Open the page once for all tests: it is Python that takes seconds to load."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(GUARD)
    page.faults = faults = list[str]()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.extend([line.text] * (line.type == "error")))
    page.on("request", lambda asked: faults.extend([asked.url] * _foreign(asked, site)))
    page.goto(site)
    page.wait_for_selector("main[data-answered^='#']")
    yield page
    context.close()


def _foreign(request: Any, site: str) -> bool:
    """Whether a request goes to another host than the page's own."""
    return not request.url.startswith((site.removesuffix("index.html"), "blob:", "data:"))


@pytest.fixture
def page(loaded: Any, site: str) -> Iterator[Any]:
    """Give the page with its first question, on a desk's screen; nothing may go wrong on it."""
    loaded.set_viewport_size({"width": 1100, "height": 900})
    opened(loaded, "layer=pool+max&shape=None,28,28,3")
    yield loaded
    faults, loaded.faults[:] = list(loaded.faults), []
    assert faults == []


_OPEN = """([question, most]) => new Promise((resolve, reject) => {
  document.addEventListener("answered", resolve, { once: true });
  setTimeout(() => reject(`no answer to ${question}`), most);
  if (location.hash === "#" + question) dispatchEvent(new Event("hashchange"));
  else location.hash = question;
})"""


def opened(page: Any, question: str) -> None:
    """Open a link to a question, and wait for its answer."""
    page.evaluate(_OPEN, [question, GUARD])
