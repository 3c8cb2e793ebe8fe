"""`--show` on layer verbs: input and output side by side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poolnorm_cli.layers import LAYERS
from tests.conftest import ROOT, Command


SHOWN = ROOT / "tests" / "cli" / "shown"
PHOTO = str(ROOT / "samples" / "photo.npy")
FLAGS = {"apool max": "--output-size 3", "apool average": "--output-size 3", "gn": "--groups 3"}


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_output_stands_beside_the_input_or_below_it(
    poolnorm: Command, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")
    monkeypatch.chdir(ROOT)
    told = poolnorm("pool max samples/photo.npy --pool-size 8 --show").out
    picture = "\n".join(told.splitlines()[1:]) + "\n"  # the line before it tells seconds

    assert picture == (SHOWN / f"pooled_{columns}.txt").read_text()


@pytest.mark.parametrize("words", LAYERS)
@pytest.mark.parametrize("shape", [(2, 12, 10, 6), (2, 30, 6), (2, 5, 6, 7, 3), (2, 6)], ids=str)
def test_every_layer_can_be_shown(poolnorm: Command, words: str, shape: tuple[int, ...]) -> None:
    if len(shape) == 2 and "pool" in words:
        pytest.skip("no axis of space")
    np.save("x.npy", normal(*shape))
    shown = poolnorm(f"{words} x.npy {FLAGS.get(words, '')} --show")

    assert (shown.code, shown.err) == (0, "")
    assert "x.npy (2, " in shown.out.partition("\n")[2]
    assert "min" in shown.out


def test_the_picture_is_of_what_is_written(poolnorm: Command) -> None:
    x = normal(5, 12, 10, 4).astype(np.float16)
    np.save("x.npy", x)
    told = poolnorm("pool average x.npy -o y.npy --show --sample 3 --channel 2 --json").out
    pictures = json.loads(told)["results"][0]["pictures"]
    y = np.load("y.npy")[3, :, :, 2]

    assert pictures["output"]["dtype"] == "float16"
    assert pictures["output"]["stats"]["maximum"]["value"] == float(y.max())
    assert pictures["input"]["stats"]["minimum"]["value"] == float(x[3, :, :, 2].min())
    assert (pictures["output"]["sample"], pictures["output"]["channel"]) == (3, 2)


@pytest.mark.parametrize("words", ["pool max", "bn --training", "ln", "gpool max"])
def test_samples_in_strips_make_the_same_picture(
    poolnorm: Command, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("x.npy", normal(2, 200, 150, 3))
    verb, *flags = words.split(" --")
    more = " ".join(f"--{flag}" for flag in flags)

    def seen() -> Any:
        told = poolnorm(f"{verb} x.npy {more} --show --json").out
        return json.loads(told)["results"][0]["pictures"]

    whole = seen()
    for name, value in (("WHOLE_SAMPLE_BYTES", 1 << 12), ("BLOCK_BYTES", 1 << 12)):
        monkeypatch.setattr(f"poolnorm_cli.engine.blocks.{name}", value)
    cut = seen()
    for side in ("input", "output"):
        assert cut[side]["stats"]["maximum"] == whole[side]["stats"]["maximum"]
        assert cut[side]["histogram"] == whole[side]["histogram"]
        assert cut[side]["values"] == whole[side]["values"]


def test_values_come_when_they_are_asked_for(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 4, 4, 1))

    assert "[[" not in poolnorm("pool max x.npy --show").out
    assert "[[" in poolnorm("pool max x.npy --show --values").out
    assert poolnorm("pool max x.npy --show -q").out == ""


def test_a_stream_is_shown_too(poolnorm: Command) -> None:
    np.save("x.npy", normal(2, 6, 6, 3))
    shown = poolnorm("bn - --training --show", stdin=Path("x.npy").read_bytes())

    assert shown.code == 0
    assert "- (2, 6, 6, 3) float32" in shown.out


def test_of_many_inputs_the_first_are_drawn(poolnorm: Command) -> None:
    for place in range(6):
        np.save(f"{place}.npy", normal(1, 4, 4, 1))
    shown = poolnorm("pool max 0.npy 1.npy 2.npy 3.npy 4.npy 5.npy --show -O out")

    assert shown.out.count("Each cell of the output") == 4
    assert "note: the pictures are of the first 4 of 6 tensors" in shown.err
    assert len(list(Path("out").iterdir())) == 6


def test_pictures_are_kept_whole_or_not_at_all(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 6, 6, 3))
    first = poolnorm("pool max x.npy --save-svg p.svg -q")
    again = poolnorm("pool max x.npy --save-svg p.svg -o y.npy")
    over = poolnorm("pool max x.npy --save-svg p.svg -o y.npy --overwrite -q")
    both = poolnorm("pool max x.npy --save-svg z.npy -o z.npy")

    assert (first.code, again.code, over.code, both.code) == (0, 2, 0, 2)
    assert "exists" in again.err
    assert Path("p.svg").read_text().startswith("<svg")
    assert Path("y.npy").exists()
    assert "error: z.npy: " in both.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--sample 1", "error: --sample without a picture; give --show too"),
        ("--own-scale", "error: --own-scale without a picture; give --show too"),
        ("--show --sample 7", "error: x.npy: --sample 7, and there are 2; give 0 to 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(poolnorm: Command, words: str, message: str) -> None:
    np.save("x.npy", normal(2, 4, 4, 3))
    shown = poolnorm(f"pool max x.npy {words}")

    assert (shown.code, shown.out, shown.err.strip()) == (2, "", message)


def test_channels_first_are_the_channels(poolnorm: Command) -> None:
    np.save("x.npy", normal(2, 3, 8, 9))
    pooled = json.loads(poolnorm("pool max x.npy --data-format channels_first --show --json").out)
    normalized = json.loads(poolnorm("bn x.npy --axis 1 --show --json").out)

    for document in (pooled, normalized):
        for side in document["results"][0]["pictures"].values():
            assert side["drawn_as"] == "rgb"


def test_a_scale_that_hides_one_of_them_is_told(poolnorm: Command) -> None:
    np.save("x.npy", 1000 * normal(1, 12, 12, 1))

    assert "--own-scale" in poolnorm("ln x.npy --axis 1,2 --show").out
    assert "--own-scale" not in poolnorm("ln x.npy --axis 1,2 --show --own-scale").out


def test_processes_send_their_pictures(poolnorm: Command) -> None:
    for place in range(2):
        np.save(f"{place}.npy", normal(1, 4, 4, 1))
    shown = poolnorm("pool max 0.npy 1.npy -j 2 --show -O out")

    assert shown.code == 0
    assert shown.out.count("Each cell of the output") == 2


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ("--show --dry-run", "--show (with --dry-run)"),
        ("--save-svg p.svg --dry-run", "--save-svg (with --dry-run)"),
        ("--show --keras", "--show (no layer is run)"),
        ("--save-svg p.svg --sample 0 --torch", "--sample, --save-svg (no layer is run)"),
        ("--show --precision 3", "--precision (no values are printed)"),
        ("--save-svg p.svg --overwrite", None),
    ],
)
def test_flags_without_effect_beside_pictures_are_noted(
    poolnorm: Command, words: str, note: str | None
) -> None:
    np.save("x.npy", normal(1, 4, 4, 1))
    shown = poolnorm(f"pool max x.npy {words}")

    assert shown.code == 0
    assert shown.err == ("" if note is None else f"note: no effect in this run: {note}\n")
    assert Path("p.svg").exists() is (note is None)


def test_nothing_is_drawn_where_scale_and_shift_are_folded(poolnorm: Command) -> None:
    np.save("x.npy", normal(1, 4, 4, 2))
    assert poolnorm("bn x.npy --save-weights w.npz -o y.npy").code == 0
    shown = poolnorm("bn x.npy --weights w.npz --fold --show -q")
    told = poolnorm("bn x.npy --weights w.npz --fold --show")

    assert (shown.code, told.code) == (0, 0)
    assert "note: no effect in this run: --show (no layer is run)" in told.err
    assert shown.err == ""


@pytest.mark.parametrize("words", ["pool max x.npy", "pool max 1,4,4,1", "pipe x.npy"])
def test_nothing_is_drawn_of_a_graph_that_is_not_run(poolnorm: Command, words: str) -> None:
    pytest.importorskip("onnx")
    np.save("x.npy", normal(1, 4, 4, 1))
    steps = " ! pool max" if words.startswith("pipe") else ""
    shown = poolnorm(f"{words} --export x.onnx --show{steps}")
    document = poolnorm(f"{words} --export y.onnx --show --json{steps}")

    assert (shown.code, document.code) == (0, 0), shown.err
    assert shown.err == "note: no effect in this run: --show (no layer is run)\n"
    assert "pictures" not in json.loads(document.out)["results"][0]
