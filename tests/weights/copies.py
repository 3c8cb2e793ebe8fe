"""Fixtures beside the test: messages are cut where the path of a checkout is long."""

import re
import shutil

from tests.weights.make_fixtures import FIXTURES


def copied(words: str) -> str:
    """Copy the fixtures that a command line names here, and return it with these names.

    Args:
        words: The command line, in which fixtures are named with their directory.

    Returns:
        The same, without the directory.
    """
    for name in re.findall(rf"{FIXTURES}/([^\s:]+)", words):
        shutil.copy(FIXTURES / name, name)
    return words.replace(f"{FIXTURES}/", "")
