"""Runs of earlier versions are taken up where they ended: their journals are read as they are."""

import json
import os
from pathlib import Path

import pytest

import poolnorm_cli
from tests.batch.make_journals import JOURNALS, make_inputs, words_of
from tests.batch.places import tree
from tests.conftest import Command


EARLIER = json.loads(JOURNALS.read_text())


@pytest.mark.parametrize("command", EARLIER["runs"])
def test_a_journal_of_an_earlier_version_is_taken_up(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    lines = EARLIER["runs"][command]
    entries = [json.loads(line) for line in lines[1:]]
    make_inputs()
    for entry in entries:
        os.utime(entry["input"], ns=(entry["mtime_ns"],) * 2)
    poolnorm(f"{command} in -O out -q")
    for entry in entries:
        if entry["status"] == "done":
            os.utime(entry["output"], ns=(entry["output_mtime_ns"],) * 2)
            assert Path(entry["output"]).stat().st_size == entry["bytes"]
    before = tree("out")
    Path("j").write_text("\n".join([*lines, ""]))
    monkeypatch.setattr(poolnorm_cli, "__version__", EARLIER["version"])
    result = poolnorm(" ".join([*words_of(command), "--resume"]))

    failed = [f"error: {e['error']}; {e['fix']}" for e in entries if e["status"] == "failed"]
    assert result.code == bool(failed)
    assert result.err.splitlines()[: len(failed)] == failed
    assert Path("j").read_text().splitlines() == [*lines, lines[0]]  # nothing is done again
    assert tree("out") == before
