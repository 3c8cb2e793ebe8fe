"""From `! STEP ! STEP` to steps: what is read, what is refused, and what is said then."""

import shlex
from collections.abc import Sequence

import pytest

from poolnorm_cli.cli.command import Command, Family
from poolnorm_cli.cli.fast_parser import execute
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.pipe_steps import LayerStep, TeeStep, TypedStep, pipeline_of, with_steps
from poolnorm_cli.errors import UsageError
from poolnorm_cli.layers.normalization import Normalization
from tests.conftest import Command as Poolnorm


class Caught:
    """A command that takes steps, and keeps what it is called with."""

    def __init__(self) -> None:
        self.steps: Sequence[TypedStep] = ()
        self.flags: LayerFlags | None = None

    def __call__(self, flags: LayerFlags, steps: Sequence[TypedStep] = ()) -> int:
        self.flags, self.steps = flags, steps
        return 0


def read(line: str) -> Caught:
    caught = Caught()
    command = Command(groups=LayerFlags, text="", action=caught, takes_steps=True)
    root = Family("", {"pipe": lambda: Family("", {"it": lambda: command})})
    execute(*with_steps(["pipe", "it", *shlex.split(line)], root))
    return caught


def refused(line: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(line)
    return str(caught.value)


def test_steps_are_layers_with_their_flags() -> None:
    found = read("x.npy -q ! pool max --pool-size 2 ! tee y.npy ! bn --weights w.npz --training")
    pool, tee, bn = found.steps

    assert isinstance(pool, LayerStep)
    assert pool.kind.words == "pool max"
    assert pool.parameters == {"pool_size": (2,)}
    assert tee == TeeStep(2, "y.npy")
    assert isinstance(bn, LayerStep)
    assert bn.flags.weights.weights == "w.npz"
    assert bn.flags.training.training
    assert found.flags is not None
    assert found.flags.inputs.inputs == ["x.npy"]
    assert not found.flags.training.training
    assert [step.number for step in found.steps] == [1, 2, 3]


@pytest.mark.parametrize("mark", ["!", "'!'", r"\!", r"'\!'"])
def test_a_mark_may_be_quoted(mark: str) -> None:
    assert len(read(f"x.npy {mark} bn {mark} ln").steps) == 2


@pytest.mark.parametrize(
    "flags", ["-o y.npy", "-oy.npy", "--output y.npy", "--output=y.npy -q", "-q --output y.npy"]
)
def test_behind_the_last_step_flags_of_the_run_are_taken(flags: str) -> None:
    found = read(f"x.npy ! pool max ! bn --epsilon 0.1 {flags}")

    assert found.flags is not None
    assert found.flags.outputs.output == "y.npy"
    assert found.flags.printing.quiet == ("-q" in flags)
    assert isinstance(found.steps[1], LayerStep)
    assert found.steps[1].parameters == {"epsilon": 0.1}


def test_a_flag_that_a_step_has_is_its_own() -> None:
    found = read("x.npy --training ! bn ! bn --training --save-weights w.npz")

    assert found.flags is not None
    assert found.flags.training.training
    assert [s.flags.training.training for s in found.steps if isinstance(s, LayerStep)] == [0, 1]
    assert found.flags.weights.save_weights is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x.npy ! bn ! ! ln", "step 2: nothing after the !;"),
        ("x.npy ! bn !", "step 2: nothing after the last !;"),
        ("x.npy !", "step 1: nothing after the last !;"),
        ("x.npy ! nope", "step 1: no layer 'nope'; give one of: pool max,"),
        ("x.npy ! pool", "step 1: which pool; give one of: pool max, pool average"),
        ("x.npy ! pool nope", "step 1: no pool 'nope'; give one of: pool max, pool average"),
        ("x.npy ! '!bn'", "step 1: no layer '!bn'; put a space behind the !"),
        ("x.npy ! '! bn'", "step 1: no layer '! bn'; put a space behind the !"),
        ("x.npy ! 'pool max'", "step 1: no layer 'pool max'; put a space behind the !, and quote"),
        ("x.npy ! bn '!ln'", "step 1 (bn): no flag '!ln'; put a space behind the !, and quote"),
        ("x.npy ! pool max '! ln'", "step 1 (pool max): no flag '! ln'; put a space behind the !"),
        ("x.npy ! bn ! ln --nope", "step 2 (ln): no such flag --nope"),
        ("x.npy ! ln --weights", "step 1 (ln): --weights lacks its value;"),
        ("x.npy ! pool max --training", "step 1 (pool max): no such flag --training"),
        ("x.npy ! tee", "step 1 (tee): tee with 0 files;"),
        ("x.npy ! tee a b", "step 1 (tee): tee with 2 files;"),
        (
            "x.npy ! bn -o 'a b.npy' ! ln",
            "step 1 (bn): -o is not of a step but of the run; type "  # noqa: ISC004 - one text
            "poolnorm pipe it x.npy -o 'a b.npy' ! bn ! ln",
        ),
        (
            "x.npy ! tee t.npy -q -j 2 ! ln",
            "step 1 (tee): -q is not of a step but of the run; type "  # noqa: ISC004 - one text
            "poolnorm pipe it x.npy -q -j 2 ! tee t.npy ! ln",
        ),
    ],
)
def test_what_is_wrong_names_its_step(line: str, message: str) -> None:
    assert refused(line).startswith(message)


def test_the_mark_means_something_to_pipe_alone(poolnorm: Poolnorm) -> None:
    result = poolnorm("pool max x.npy ! bn")

    assert result.code == 2
    assert "poolnorm pipe INPUT... ! STEP ! STEP" in result.err


def test_shapes_go_from_step_to_step() -> None:
    pipeline = pipeline_of(read("x.npy ! pool max ! tee y.npy ! bn ! gpool average").steps)

    assert pipeline.shapes(("N", 28, 28, 3)) == [
        ("N", 14, 14, 3),
        ("N", 14, 14, 3),
        ("N", 3),
    ]
    assert [step.name for step in pipeline.steps] == ["pool_max", "bn", "gpool_average"]
    assert [step.number for step in pipeline.steps] == [1, 3, 4]
    assert all(isinstance(layer, Normalization) for layer in pipeline.layers[1:2])
    assert pipeline.dtypes("uint8") == ["uint8", "float32", "float32"]
    with pytest.raises(UsageError, match=r"step 1 \(pool max\)"):
        pipeline.output_shape((4, 28))


def test_steps_have_names_of_their_own() -> None:
    line = "x.npy ! bn --name bn_2 ! bn ! bn ! pool max ! pool max"

    names = [step.name for step in pipeline_of(read(line).steps).steps]

    assert names == ["bn_2", "bn", "bn_3", "pool_max", "pool_max_2"]
    with pytest.raises(UsageError, match=r"step 2 \(ln\): --name a is that of step 1 already"):
        pipeline_of(read("x.npy ! bn --name a ! ln --name a").steps)
    with pytest.raises(UsageError, match="without a layer"):
        pipeline_of(read("x.npy ! tee y.npy").steps)
