"""Every document of --json is one of docs/schema.json, and every verb that has --json is tried."""

import json
import shlex
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.cli.command import Family, Node
from poolnorm_cli.cli.verbs import ROOT
from poolnorm_cli.layers import LAYERS
from tests.conftest import ROOT as TREE, Command as Run


jsonschema = pytest.importorskip("jsonschema")
FIXTURES = TREE / "tests" / "weights" / "fixtures"
FLAGS = {"apool max": "--output-size 3", "apool average": "--output-size 3", "gn": "--groups 3"}

RUNS = [f"{layer} x.npy {FLAGS.get(layer, '')}" for layer in LAYERS]
RUNS += [
    "gpool max x.npy --explain --profile",
    "gpool max small.npz missing.npy",
    "gpool average nan.npy",
    "bn x.npy --gamma-regularizer l2 --gamma-constraint non_neg --save-weights w.npz",
    "bn x.npy missing.npy x.npy --training --save-weights v.npz",
    "pool max x.npy small.npz -O out --journal log",
    "pool max x.npy -o x2.npy --skip-existing",
    "pool max N,H,W,3 --export f.onnx",
    "pool max image.npy --unbatched",
    "unpool x.npy --indices i.npy --output-size 99",
    "pool max x.npy --show",
    "bn nan.npy --save-svg b.svg",
]
DRY = [
    "pool max x.npy --dry-run",
    "ln x.npy missing.npy --dry-run",
    "gn x.npy --groups 3 --dry-run -O out",
]
SHAPES = [
    "shape pool max 4,28,28,3",
    "shape bn N,H,W,3 --explain",
    "shape unpool 2,6,6,3 --explain --conventions",
    "shape pool max 4,28,28,3 --draw",
    "shape pool average N,H,W,3 --explain --padding same --strides 2",
    "shape pool average 1,9,9,3 --conventions --padding same",
    "shape gpool max 4,28,28,3 --explain",
    "shape apool max None,28,28,3 --output-size 3 --explain --conventions",
    *(f"shape {layer} 2,6,6,3 {FLAGS.get(layer, '')} --explain --conventions" for layer in LAYERS),
]
DOCUMENTS = {
    "run": RUNS,
    "dry_run": DRY,
    "pipe_run": [
        "pipe x.npy ! pool max ! bn ! gpool average",
        "pipe x.npy small.npz missing.npy -O out ! pool max ! tee tees/",
        "pipe x.npy --show ! pool max ! bn",
    ],
    "pipe_dry_run": ["pipe x.npy --dry-run ! pool max ! tee y.npy ! ln"],
    "folded": ["bn x.npy --weights given.npz --fold"],
    "programs": ["pool max x.npy --keras --torch", "ln x.npy --keras"],
    "shape_of_layer": SHAPES,
    "shape_pipe": [
        "shape pipe 4,28,28,3 ! pool max ! bn ! gpool average",
        "shape pipe N,H,W,3 ! pool max --padding same ! ln --explain",
        "shape pipe 4,28,28,3 --draw ! pool max ! bn",
    ],
    "shape_solve": ["shape solve 24,24 12,12", "shape solve 5 4 --max-size 2"],
    "shape_inputs": ["shape solve --input 12,12 --pool-size 3"],
    "info": [
        "info x.npy small.npz --stats",
        "info nan.npy --stats",
        f"info {FIXTURES}/keras.keras {FIXTURES}/keras.h5",
    ],
    "compare": [
        "compare x.npy x.npy",
        "compare x.npy x2.npy",
        "compare small.npz small.npz --key a",
    ],
    "show": ["show x.npy", "show nan.npy", "show small.npz", "show x.npy --sample 1 --channel 0"],
    "doctor": ["doctor"],
    "error": [
        "pool max missing.npy",
        "pool max x.npy --pool-size 99",
        "pool max x.npy --nope",
        "pool max x.npy -o x2.npy",
        "compare x.npy missing.npy",
        "shape pool max 4,28",
        "info missing.npy",
        "show missing.npy",
        "shape solve 5",
        "nope",
    ],
}


@cache
def schema() -> Any:
    return json.loads((TREE / "docs" / "schema.json").read_text())


def validator(name: str) -> Any:
    part = {"$schema": schema()["$schema"], "$ref": f"#/$defs/{name}", "$defs": schema()["$defs"]}
    return jsonschema.Draft202012Validator(part)


@pytest.fixture(autouse=True)
def _files(x: Any) -> None:
    rng = np.random.default_rng(1)
    np.save("x2.npy", x + np.float32(1e-3))
    np.save("nan.npy", np.array([[[np.nan, np.inf], [-np.inf, 1]]], np.float32))
    np.save("image.npy", x[0])
    np.save("i.npy", np.zeros(x.shape, np.int64))
    np.savez("small.npz", a=x[:, :4, :4], b=x[:, :2])
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights: dict[str, Any] = {name: rng.uniform(0.5, 1, 3).astype(np.float32) for name in names}
    np.savez("given.npz", **weights)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    named = {branch["$ref"].removeprefix("#/$defs/") for branch in schema()["oneOf"]}

    assert named == DOCUMENTS.keys()


@pytest.mark.parametrize(
    ("name", "words"), [(name, words) for name, lines in DOCUMENTS.items() for words in lines]
)
def test_a_document_is_as_the_schema_has_it(poolnorm: Run, name: str, words: str) -> None:
    first, mark, steps = words.partition(" ! ")
    done = poolnorm("", *shlex.split(f"{first} --json{mark}{steps}"))
    document = json.loads(done.out)

    validator(name).validate(document)
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert document["schema"] == 1


def test_progress_is_as_the_schema_has_it(poolnorm: Run) -> None:
    done = poolnorm("pool max x.npy -o y.npy --progress json")
    for line in done.err.splitlines():
        validator("progress").validate(json.loads(line))
    assert done.err


def verbs(node: Node, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List the commands that have --json."""
    if isinstance(node, Family):
        for word, make in node.members.items():
            yield from verbs(make(), (*words, word))
    elif any(flag.name == "json" for flag in node.flags()):
        yield words


def test_every_verb_is_tried() -> None:
    lines = [shlex.split(line) for many in DOCUMENTS.values() for line in many]
    tried = {tuple(line[:count]) for line in lines for count in (1, 2, 3)}

    assert [words for words in verbs(ROOT) if words not in tried] == []


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("error", {"schema": 1, "error": "x", "fix": ""}),
        ("compare", {"schema": 1, "command": "compare", "equal": True, "comparisons": []}),
        ("run", {"schema": 1, "command": "ln", "layer": {}, "results": [{"input": "x.npy"}]}),
        ("run", {"schema": 2, "command": "ln", "layer": {}, "results": []}),
        ("doctor", {"schema": 1, "command": "doctor", "ok": True, "findings": [], "more": 1}),
    ],
)
def test_another_document_is_refused(name: str, document: Any) -> None:
    assert list(validator(name).iter_errors(document))
