"""A recipe gives back the layers that it was written of, and says what is wrong with one."""

import re
from typing import Any

import pytest

from poolnorm_cli.errors import InputError, UsageError
from poolnorm_cli.layers import LAYERS, find
from poolnorm_cli.layers.make_layer import make_layer
from poolnorm_cli.layers.recipe import RecipeStep, parse, step_of, text_of, with_files
from tests.cases import CASES, Case


WRITTEN = """\
schema = 1

[[step]]
layer = "pool max"
pool_size = 2

[[step]]
layer = "bn"
name = "norm"
axis = -1
epsilon = 0.001
gamma_initializer = "random_uniform(minval=0.5, maxval=1.5, seed=3)"
renorm = true
renorm_clipping = { rmin = 0.123456789, rmax = 2.0 }
weights = "w/bn.npz::a"

[[step]]
layer = "gpool average"
keepdims = true
"""


def recipe_steps() -> list[RecipeStep]:
    initializer = "random_uniform(minval=0.5, maxval=1.5, seed=3)"
    own: dict[str, Any] = {"name": "norm", "renorm": True, "gamma_initializer": initializer}
    own["renorm_clipping"] = {"rmin": 0.123456789, "rmax": 2}
    kinds: Any = find("pool", "max"), find("bn"), find("gpool", "average")
    return [
        step_of(kinds[0](), None),
        step_of(kinds[1](**own), "w/bn.npz::a"),
        step_of(kinds[2](keepdims=True), None),
    ]


def test_a_recipe_is_written_as_a_person_would() -> None:
    assert text_of(recipe_steps()) == WRITTEN


def test_a_recipe_that_is_read_and_written_again_is_the_same() -> None:
    layers = [
        (make_layer(step.kind, step.parameters, {}, ""), step.weights)
        for step in parse(WRITTEN, "r.toml")
    ]
    assert text_of([step_of(*pair) for pair in layers]) == WRITTEN


def said(case: Case) -> str:
    return repr(case.layer)


@pytest.mark.parametrize("case", {said(case): case for case in CASES}.values(), ids=said)
def test_every_layer_of_the_table_comes_back(case: Case) -> None:
    if any(isinstance(value, dict) for value in case.parameters.values()):
        return  # arrays in memory, which no recipe has
    layer = case.layer
    (step,) = parse(text_of([step_of(layer, None)]), "r.toml")
    assert repr(make_layer(step.kind, step.parameters, {}, "")) == repr(layer)


def test_every_kind_of_layer_is_in_the_table() -> None:
    assert {case.words for case in CASES} == set(LAYERS)


@pytest.mark.parametrize("name", ["a b", 'quo"te', "back\\slash", "tab\t", "ü∂", "\x7f", "#"])
def test_a_name_comes_back(name: str) -> None:
    kind: Any = find("ln")
    (step,) = parse(text_of([step_of(kind(name=name), f"{name}.npz")]), "r.toml")
    assert (step.parameters["name"], step.weights) == (name, f"{name}.npz")


def test_a_name_that_is_no_text_cannot_be_written() -> None:
    kind: Any = find("ln")
    with pytest.raises(UsageError, match="not UTF-8"):
        text_of([step_of(kind(), "a\udcff.npz")])


def test_files_of_a_step_may_have_other_names() -> None:
    text = 'schema = 1\n[[step]]\nlayer = "bn"\nweights = "w.npz::a"\nadjustment = "d/a.npz"\n'
    (step,) = parse(text, "r.toml")
    moved = with_files(step, lambda name: f"there/{name}")
    assert moved.weights == "there/w.npz::a"
    assert moved.parameters["adjustment"] == "there/d/a.npz"
    drawn = 'schema = 1\n[[step]]\nlayer = "bn"\nadjustment = "scale=ones"\n'
    (step,) = parse(drawn, "r.toml")
    assert with_files(step, lambda name: f"there/{name}") == step


def test_what_stands_on_one_line_is_read_too() -> None:
    (step,) = parse('schema = 1\nstep = [{ layer = "pool max", pool_size = [2, 3] }]', "r.toml")
    assert step.parameters == {"pool_size": (2, 3)}


BAD = {
    "schema = ": (InputError, "not TOML: Invalid value (at end of document)"),
    "[" * 5000: (InputError, "not TOML"),
    "x = " + "[" * 5000: (InputError, "not TOML: it is nested too deep"),
    "": (UsageError, "r.toml: no schema; begin it with schema = 1"),
    "schema = 1": (UsageError, "r.toml: no step; write [[step]]"),
    "schema = 2": (UsageError, "r.toml, line 1: schema is 2; this version reads schema = 1"),
    "schema = true": (UsageError, "r.toml, line 1: schema is true"),
    "schema = 1\nsteps = 3": (UsageError, "r.toml, line 2: no key 'steps' in a recipe"),
    "schema = 1\nstep = 3": (UsageError, "r.toml: step is 3, not a table"),
    "schema = 1\nstep = []": (UsageError, "r.toml: no step"),
    "schema = 1\n[[step]]": (UsageError, "r.toml, line 2: step 1: no layer; give one of: pool"),
    "schema = 1\n[[step]]\nlayer = 'tee'": (UsageError, "line 3: step 1: layer is 'tee'"),
    "schema = 1\n[[step]]\nlayer = 3": (UsageError, "line 3: step 1: layer is 3; give one of"),
}
WRONG = {
    "pool_size = 'a'": "line 8: step 2 (pool max): pool_size is 'a'; give a whole number, or",
    "pool_size = true": "step 2 (pool max): pool_size is true",
    "pool_size = []": "step 2 (pool max): pool_size is []",
    "pool_size = [1, 2.5]": "step 2 (pool max): pool_size is [1, 2.5]",
    "pool_size = 0": "line 6: step 2 (pool max): --pool-size must be positive, not '0'",
    "padding = 3": "step 2 (pool max): padding is 3; give a text",
    "padding = 'full'": "step 2 (pool max): --padding 'full' is not known",
    "poolsize = 3": "line 8: step 2 (pool max): pool max has no 'poolsize'; it has pool_size,",
    "weights = 'w.npz'": "step 2 (pool max): pool max has no 'weights'",
    "name = 3": "step 2 (pool max): name is 3; give a text",
}


@pytest.mark.parametrize(("text", "expected"), BAD.items(), ids=range(len(BAD)))
def test_what_is_wrong_is_said_with_its_place(text: str, expected: tuple[type, str]) -> None:
    kind, words = expected
    with pytest.raises(kind, match=re.escape(words)):
        parse(text, "r.toml")


@pytest.mark.parametrize(("line", "words"), WRONG.items(), ids=WRONG)
def test_a_wrong_value_is_said_with_its_line(line: str, words: str) -> None:
    text = f'schema = 1\n\n[[step]]\nlayer = "ln"\n\n[[step]]\nlayer = "pool max"\n{line}\n'
    with pytest.raises(UsageError, match=re.escape(words)):
        parse(text, "r.toml")


@pytest.mark.parametrize(
    ("line", "words"),
    {
        "epsilon = '1'": "epsilon is '1'; give a number",
        "epsilon = true": "epsilon is true; give a number",
        "epsilon = -1": "--epsilon must not be negative, and is -1.0",
        "center = 1": "center is 1; give true or false",
        "gamma_initializer = 3": "gamma_initializer is 3; give a text, as Keras has it",
        "gamma_initializer = 'huh'": "--gamma-initializer",
        "weights = ''": "weights is ''; give a file",
        "weights = 3": "weights is 3; give a file",
        "groups = 2.0": "groups is 2.0; give a whole number",
    }.items(),
)
def test_a_wrong_value_of_a_normalization(line: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"step 1 (gn): {words}")):
        parse(f'schema = 1\n[[step]]\nlayer = "gn"\n{line}\n', "r.toml")


def test_a_layer_that_lacks_what_must_be_given() -> None:
    with pytest.raises(UsageError, match=r"line 2: step 1 \(apool max\): --output-size is missing"):
        parse('schema = 1\n[[step]]\nlayer = "apool max"', "r.toml")
