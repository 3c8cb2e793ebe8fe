"""Pictures of tensors look as they did when somebody looked at them."""

import pytest

from poolnorm_cli.pictures.svg import svg
from tests.pictures.tensor_snapshots import CASES, PLACE, drawn, snapshots


SNAPSHOTS = dict(snapshots())


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_picture_looks_as_it_did(name: str) -> None:
    assert SNAPSHOTS[name] == (PLACE / name).read_text()


def test_every_file_is_of_a_picture() -> None:
    assert {path.name for path in PLACE.iterdir()} == set(SNAPSHOTS)


@pytest.mark.parametrize("name", CASES)
def test_lines_and_blocks_are_shapes_in_a_file(name: str) -> None:
    letters = svg(drawn(name, 80)).split("<text")[1:]
    told = "".join(part.split(">")[1].split("<")[0] for part in letters)

    assert not [c for c in told if 0x2580 <= ord(c) < 0x25A0 or 0x2800 <= ord(c) < 0x2900]
