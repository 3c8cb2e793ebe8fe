"""How a fault is told."""

import sys

from poolnorm_cli.errors import PoolnormError
from poolnorm_cli.report.text import printable


def line(error: PoolnormError) -> str:
    """Return the one line of an error."""
    return f"error: {printable(str(error))}"


def tell(error: PoolnormError, *, as_json: bool) -> None:
    """Print one line on standard error, and with `--json` the same as a document on output."""
    print(line(error), file=sys.stderr)
    if as_json:
        import json

        print(json.dumps(document(error)))


def document(error: PoolnormError) -> dict[str, object]:
    """Return the document of an error: `schema`, `error`, `fix` and the exit code."""
    return {"schema": 1, "error": error.what, "fix": error.fix, "code": error.code}
