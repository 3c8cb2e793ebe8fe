"""The lowest versions that this package allows, together: `python -m tests.versions` writes them.

`.ci/run` installs `tests/lowest.txt` as constraints, so that no floor is only a claim.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.conftest import ROOT


LOWEST = ROOT / "tests" / "lowest.txt"
PROJECT = ROOT / "pyproject.toml"
ALONE = ("cuda", "cuda12", "dev", "oracle", "release")
"""Extras that are left out: other builds of what `cpu` has, tools, frameworks to compare with."""
CHOSEN = {"aiobotocore": "2.12.4", "boto3": "1.34.106", "botocore": "1.34.106"}
"""What those need that pip would search for minutes: versions that go together."""
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[a-z,]+\])?>=(?P<floor>[0-9.]+)(,<[0-9.]+)?")


def requirements() -> Iterator[str]:
    """List what is required of others, to build, to run and to test."""
    known: dict[str, Any] = tomllib.loads(PROJECT.read_text())
    yield from known["build-system"]["requires"]
    yield from known["project"]["dependencies"]
    for extra, wanted in known["project"]["optional-dependencies"].items():
        if extra not in ALONE:
            yield from (each for each in wanted if not each.startswith("poolnorm-cli"))


def lowest() -> str:
    """Return the constraints that allow of each package its lowest version alone.

    Raises:
        ValueError: A requirement has no floor, or two floors of one package differ.
    """
    floors: dict[str, str] = {}
    for requirement in requirements():
        found = _REQUIREMENT.fullmatch(requirement.partition(";")[0].strip())
        if found is None:
            raise ValueError(f"{requirement} has no floor")
        if floors.setdefault(found["name"], found["floor"]) != found["floor"]:
            raise ValueError(f"{found['name']} has two floors")
    floors |= CHOSEN
    return "".join(f"{name}=={floor}\n" for name, floor in sorted(floors.items()))


if __name__ == "__main__":
    LOWEST.write_text(lowest())
