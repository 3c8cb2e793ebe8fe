"""Training through a pipe: states move on per step, and weights are kept by the step's name."""

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command


CHAIN = ["bn --momentum 0.9", "pool max", "bn --renorm --name second", "ln --axis 0", "bn --fused"]


@pytest.fixture(autouse=True)
def batches() -> None:
    for number in range(3):
        x = np.random.default_rng(number).standard_normal((6, 8, 8, 3)) * 2 + number
        np.save(f"x{number}.npy", x.astype("f4"))


def weights_of(name: str) -> dict[str, np.ndarray]:
    with np.load(name) as found:
        return {key: found[key] for key in found}


def one_after_another(poolnorm: Command, chain: list[str]) -> None:
    """Train each step on all batches, and then the next on what it gave: out/, w0.npz, w1.npz..."""
    sources = [f"x{number}.npy" for number in range(3)]
    for place, step in enumerate(chain):
        more = f"--training --save-weights w{place}.npz" if step.startswith("bn") else ""
        words = f"{step} {' '.join(sources)} -O between{place} -q {more}"
        assert poolnorm(words).code == 0
        sources = [f"between{place}/x{number}.npy" for number in range(3)]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_states_move_on_as_if_each_step_were_trained_alone(poolnorm: Command, jobs: str) -> None:
    one_after_another(poolnorm, CHAIN)
    steps = " ".join(f"! {step}" for step in CHAIN)

    result = poolnorm(
        f"pipe x0.npy x1.npy x2.npy -O out -q -j {jobs} --training --save-weights w.npz {steps}"
    )

    assert result.code == 0, result.err
    for number in range(3):
        expected = Path(f"between4/x{number}.npy").read_bytes()
        assert Path(f"out/x{number}.npy").read_bytes() == expected
    found = weights_of("w.npz")
    for place, name in ((0, "bn"), (2, "second"), (4, "bn_2")):
        own = weights_of(f"w{place}.npz")
        assert own.keys() == {key.split("/")[1] for key in found if key.startswith(f"{name}/")}
        for key, value in own.items():
            assert value.tobytes() == found[f"{name}/{key}"].tobytes()
    assert {key.split("/")[0] for key in found} == {"bn", "second", "bn_2", "ln"}


def test_what_was_saved_is_read_back_by_the_name_of_the_step(poolnorm: Command) -> None:
    steps = "! bn ! pool max ! bn"
    assert poolnorm(f"pipe x0.npy -q --training --save-weights w.npz {steps}").code == 0

    poolnorm("bn x1.npy -o a.npy -q --weights w.npz::bn")
    poolnorm("pool max a.npy -o b.npy -q")
    poolnorm("bn b.npy -o c.npy -q --weights w.npz::bn_2")
    whole = poolnorm(f"pipe x1.npy -o y.npy -q --weights w.npz {steps}")
    each = "! bn --weights w.npz::bn ! pool max ! bn --weights w.npz::bn_2"
    apart = poolnorm(f"pipe x1.npy -o z.npy -q {each}")

    assert whole.code == apart.code == 0
    assert Path("y.npy").read_bytes() == Path("z.npy").read_bytes() == Path("c.npy").read_bytes()


def test_weights_in_place_go_on_from_run_to_run(poolnorm: Command) -> None:
    steps = "! bn ! pool max ! bn"
    words = "pipe {} -q --training --save-weights {} {} " + steps
    assert poolnorm(words.format("x0.npy x1.npy", "w.npz", "")).code == 0
    assert poolnorm(words.format("x0.npy", "v.npz", "")).code == 0

    assert poolnorm(words.format("x1.npy", "v.npz", "--weights v.npz")).code == 0

    one, other = weights_of("w.npz"), weights_of("v.npz")
    assert all(one[key].tobytes() == other[key].tobytes() for key in one)
    refused = poolnorm("pipe x1.npy -q --save-weights v.npz --weights v.npz ! bn")
    assert refused.code == 2
    assert "which --save-weights would drop" in refused.err


def test_one_step_alone_is_trained_and_saved(poolnorm: Command) -> None:
    result = poolnorm("pipe x0.npy -q ! bn ! bn --training --save-weights own.npz")

    assert result.code == 0
    moved = weights_of("own.npz")["moving_mean"]
    poolnorm("bn x0.npy -q -o a.npy")
    poolnorm("bn a.npy -q --training --save-weights w.npz")
    assert moved.tobytes() == weights_of("w.npz")["moving_mean"].tobytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x0.npy --training ! pool max", "--training without a step that is trained"),
        ("x0.npy -O out --training --skip-existing ! bn", "--skip-existing with --training"),
        ("x0.npy --training ! bn --synchronized", "step 1 (bn): --synchronized in training"),
        ("x0.npy --training --dask local -O out ! bn", "--dask with --training of a pipe"),
        ("x0.npy --save-weights w.txt ! bn", "--save-weights 'w.txt' is not an .npz file"),
        ("x0.npy -O out --save-weights w.npz ! pool max", "--save-weights without a step that has"),
        (
            "x0.npy -O out --overwrite ! bn --save-weights w.npz ! ln --save-weights w.npz",
            "w.npz: --save-weights in step 1 (bn) is the file of --save-weights in step 2 (ln)",
        ),
        (
            "x0.npy -O out --training --overwrite --save-weights w.npz ! bn --save-weights ./w.npz",
            "is the file of --save-weights",
        ),
        ("x0.npy --weights none.npz ! pool max ! bn", "step 2 (bn): none.npz"),
    ],
)
def test_what_cannot_be_trained_or_saved_is_refused(
    poolnorm: Command, words: str, message: str
) -> None:
    result = poolnorm(f"pipe {words}")

    assert result.code in (2, 4)
    assert message in result.err
    assert not Path("out").exists()


def test_a_batch_that_a_step_refuses_ends_the_run_with_its_title(poolnorm: Command) -> None:
    x = np.load("x1.npy")
    x[0, 0, 0, 0] = np.inf
    np.save("x1.npy", x)

    result = poolnorm("pipe x0.npy x1.npy -O out --training --save-weights w.npz ! pool max ! bn")

    assert result.code == 1
    assert "x1.npy: step 2 (bn): " in result.err
    assert not Path("w.npz").exists()
    assert not Path("out/x1.npy").exists()
