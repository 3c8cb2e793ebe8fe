"""`poolnorm` and `python -m poolnorm_cli`: what has to be so before anything else is imported.

So nothing is imported here that Python has not imported by itself.
"""

import gc
import os
import sys


GARBAGE = 100_000
"""Objects that may be made before garbage is looked for; Python's own number is 700."""


def main() -> None:
    """Run the command."""
    # A short command makes no garbage worth looking for, at its start or when the process ends.
    gc.set_threshold(GARBAGE)
    try:
        leave_out_current_directory()
        from poolnorm_cli.cli.main import main as command

        command()
    except KeyboardInterrupt:  # before the command heeds it, or when it has ended
        os._exit(130)


def leave_out_current_directory() -> None:
    """Take the current directory off the path, as `python -P` does: it may be anyone's.

    `python -m` puts it there, and so does an empty word in PYTHONPATH. It stays where PYTHONPATH
    names it from the root. Processes that are started from here do the same.
    """
    here = _current_directory()
    words = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    words = [word for word in words if word.startswith(os.sep) or not _is(word, here)]
    named = [] if sys.flags.ignore_environment else words
    # What follows the standard library comes from the installation, even if it is this directory.
    standard = os.path.dirname(os.__file__)  # noqa: PTH120 - pathlib is not imported yet
    end = sys.path.index(standard) if standard in sys.path else len(sys.path)
    first = [each for each in sys.path[:end] if each in named or not _is(each, here)]
    sys.path[:end] = first
    # Where this package was found in the current directory, others have to find it again.
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if own not in sys.path:
        sys.path.append(own)
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ.pop("PYTHONPATH", None)
    if words:
        os.environ["PYTHONPATH"] = os.pathsep.join(words)


def _current_directory() -> str:
    try:
        return os.path.realpath(os.getcwd())  # noqa: PTH109 - as above
    except OSError:  # it was removed
        return ""


def _is(entry: str, here: str) -> bool:
    """Whether an entry of the path is the current directory."""
    try:
        return not entry or os.path.realpath(entry) == here
    except OSError:
        return True


if __name__ == "__main__":
    main()
