"""Runs command lines in one process, and prints what each left behind as a line of JSON."""

import contextlib
import io
import json
import sys


def main() -> None:
    """Run the command lines that standard input has, one a line, as JSON lists."""
    from poolnorm_cli.cli.main import run

    for line in sys.stdin.read().splitlines():
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(json.loads(line))
            out.flush()
        sys.stdout.write(
            json.dumps([code, out.buffer.getvalue().decode("latin-1"), err.getvalue()]) + "\n"
        )


if __name__ == "__main__":
    main()
