"""No file that is written may be another of the command's, by whichever of its names."""

import os
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poolnorm_cli.batch.inputs import Input
from poolnorm_cli.batch.plan import FileTable
from poolnorm_cli.cli.file_flags import roles
from poolnorm_cli.cli.layer_flags import LayerFlags
from poolnorm_cli.cli.verb_layer import layer_command
from poolnorm_cli.layers import LAYERS
from poolnorm_cli.tensors import real_names
from poolnorm_cli.tensors.file_roles import Role
from poolnorm_cli.tensors.real_names import RealNames, differing_in_case
from tests.batch.places import tree
from tests.conftest import Command


ROWS = np.arange(24, dtype=np.float32).reshape(4, 6)
WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance")


@pytest.fixture(autouse=True)
def _files() -> None:
    Path("d").mkdir()
    for name in ("x.npy", "d/x2.npy"):
        np.save(name, ROWS)
    np.save("m.npy", np.ones((4,), bool))
    np.savez("in1.npz", x=ROWS)
    weights: dict[str, Any] = {name: np.ones(6, np.float32) for name in WEIGHTS}
    np.savez("w.npz", **weights)
    np.savez("a.npz", scale=np.ones(6, np.float32), bias=np.ones(6, np.float32))
    Path("c.json").write_text('{"epsilon": 0.5}')
    Path("list").write_text("x.npy\n")


def refused(poolnorm: Command, words: str, told: str = "") -> None:
    before = tree(".")
    result = poolnorm(words)

    assert (result.code, result.err.count("\n")) == (2, 1), result
    assert result.err.startswith("error: ")
    assert told in result.err
    assert tree(".") == before


SAME: dict[str, Callable[[str], str]] = {
    "itself": lambda name: name,
    "dot": lambda name: f"./{name}",
    "up": lambda name: f"d/../{name}",
    "root": os.path.abspath,
    "symlink": lambda name: _linked(name, os.symlink, "l_"),
    "hardlink": lambda name: _linked(name, os.link, "h_"),
    "folder": lambda name: _through(name),  # noqa: PLW0108 - defined below,
}


def _linked(name: str, link: Callable[[str, str], None], prefix: str) -> str:
    link(name, f"{prefix}{name}")
    return f"{prefix}{name}"


def _through(name: str) -> str:
    Path("here").symlink_to(".")
    return f"here/{name}"


@pytest.mark.parametrize("way", SAME)
@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("bn in1.npz --training --save-weights {} --overwrite", "in1.npz"),
        ("bn in1.npz::x --training --save-weights {} --overwrite", "in1.npz"),
        ("pool max x.npy -o {} --overwrite", "x.npy"),
        ("ln in1.npz::x -o {} --overwrite", "in1.npz"),
        ("ln in1.npz --key x -o {} --skip-existing", "in1.npz"),
        ("bn x.npy --weights w.npz -o {} --overwrite", "w.npz"),
        ("bn x.npy --training --adjustment a.npz -o {} --overwrite", "a.npz"),
        ("bn in1.npz --training --mask m.npy -o {} --overwrite", "m.npy"),
        ("ln x.npy --save-config {} --overwrite", "x.npy"),
        ("ln x.npy --config c.json --save-config {} --overwrite", "c.json"),
        ("ln x.npy --config c.json --journal {} -o y.npy", "c.json"),
        ("ln x.npy -o y.npy --journal {} --overwrite", "x.npy"),
        ("ln --files-from list -o y.npy --journal {}", "list"),
        ("ln --files-from list -o y.npy --save-config {} --overwrite", "list"),
        ("ln --files-from list -o {} --overwrite", "x.npy"),
        ("ln x.npy -O . --overwrite --save-config {}", "x.npy"),
        ("bn x.npy --fold --weights w.npz -o {} --overwrite", "w.npz"),
        ("bn in1.npz --fold --weights w.npz -o {} --overwrite", "in1.npz"),
        ("ln x.npy -O d --overwrite --save-config {}", "x.npy"),
    ],
)
def test_a_file_with_two_roles_is_refused(
    poolnorm: Command, words: str, file: str, way: str
) -> None:
    other = SAME[way](file)
    refused(poolnorm, words.format(other))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ln x.npy -O d --journal d/x.npy", "d/x.npy: the output is the file of --journal"),
        ("ln x.npy -o new.npy --journal new.npy", "new.npy: the output is the file of --journal"),
        ("ln x.npy -o new.npy --save-config ./new.npy", "the output is the file of --save-config"),
        (
            "ln x.npy --save-config n --journal d/../n -o y.npy",
            "is the file of --jou",
        ),
        ("ln x.npy --export n.onnx --save-config n.onnx", "is the file of --"),
        ("ln x.npy --export n.onnx --journal n.onnx -o y.npy", "is the file of --"),
        ("bn x.npy --training --save-weights n.npz -o n.npz", "the output is the file of --save-w"),
        ("bn x.npy --training --save-weights n.npz --save-config n.npz", "is the file of --"),
        ("bn x.npy --training --save-weights n.npz --journal n.npz -o y.npy", "is the file of --"),
        ("ln x.npy -O out --journal out", "out: --journal is a directory of outputs"),
        ("ln x.npy d/x2.npy -O out --output-name y.npy", "the output of x.npy and of d/x2.npy"),
        ("ln gone.npy -o gone.npy", "gone.npy: the output is the input gone.npy"),
        ("ln x.npy gone.npy --save-config gone.npy", "--save-config is the input gone.npy"),
    ],
)
def test_one_new_name_has_one_writer(poolnorm: Command, words: str, told: str) -> None:
    refused(poolnorm, words, told)
    assert not Path("out").exists()


def test_weights_and_masks_in_the_directory_of_outputs_are_found(poolnorm: Command) -> None:
    os.link("w.npz", "d/in1.npz")
    refused(poolnorm, "bn in1.npz --weights w.npz -O d --overwrite", "the file of --weights")
    os.link("m.npy", "d/x.npy")
    refused(poolnorm, "gpool average x.npy --mask m.npy -O d --overwrite", "the file of --mask")
    refused(poolnorm, "bn in1.npz --weights d/in1.npz -O d --skip-existing", "of --weights")


def test_outputs_in_linked_directories_are_one(poolnorm: Command) -> None:
    Path("in/a").mkdir(parents=True)
    Path("in/b").mkdir()
    Path("out/a").mkdir(parents=True)
    Path("out/b").symlink_to("a")
    for name in "ab":
        np.save(f"in/{name}/x.npy", ROWS)
    refused(poolnorm, "ln in -r -O out", "the output of in/a/x.npy and of in/b/x.npy")
    refused(poolnorm, "ln in -r -O out --overwrite", "the output of in/a/x.npy and of in/b/x.npy")


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_outputs_that_are_links_to_one_another_are_one(
    poolnorm: Command, link: Callable[[str, str], None]
) -> None:
    Path("out").mkdir()
    np.save("out/x.npy", ROWS)
    link("x.npy" if link is os.symlink else "out/x.npy", "out/x2.npy")
    refused(poolnorm, "ln x.npy d/x2.npy -O out --overwrite", "the output of ")


def test_what_is_only_read_may_be_read_twice(poolnorm: Command) -> None:
    np.savez("all.npz", x=ROWS, m=np.ones((4,), bool), **np.load("w.npz"))
    words = "bn all.npz::x --training --mask all.npz::m -o y.npy"
    assert poolnorm(words).code == 0
    assert poolnorm("ln x.npy x.npy ./x.npy").code == 0


def test_weights_may_be_updated_in_place(poolnorm: Command) -> None:
    for name in ("w.npz", "./w.npz"):
        words = f"bn x.npy --training --weights w.npz --save-weights {name}"
        assert poolnorm(words).code == 0
    assert np.load("w.npz")["moving_mean"][0] != 1


def test_standard_streams_that_are_files_are_compared() -> None:
    command = [sys.executable, "-m", "poolnorm_cli", "ln"]
    for words, mode in ((["-", "-o", "x.npy", "--overwrite"], "rb"), (["x.npy", "-o", "-"], "ab")):
        before = Path("x.npy").read_bytes()
        with Path("x.npy").open(mode) as file:
            streams: Any = {"stdin": file} if mode == "rb" else {"stdout": file}
            done = subprocess.run(
                [*command, *words], check=False, stderr=subprocess.PIPE, text=True, **streams
            )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert Path("x.npy").read_bytes() == before


def test_outputs_of_a_stream_are_not_other_files(poolnorm: Command) -> None:
    stream = Path("x.npy").read_bytes() * 2
    Path("out").mkdir()
    os.link("m.npy", "out/stdin_1.npy")
    words = "bn - --training --mask m.npy -O out --overwrite"
    result = poolnorm(words, stdin=stream)
    assert result.code == 2
    assert "out/stdin_1.npy: the output is the file of --mask" in result.err
    assert np.load("m.npy").dtype == bool

    result = poolnorm("ln - -O one --output-name y.npy --overwrite", stdin=stream)
    assert result.code == 2
    assert "one/y.npy: the output of - and of -" in result.err


def test_a_config_is_not_written_where_the_run_is_refused(poolnorm: Command) -> None:
    np.save("y.npy", ROWS)
    refused(poolnorm, "ln x.npy -o y.npy --save-config n.json", "y.npy: exists")
    refused(poolnorm, "ln x.npy -o y.npy --save-config n.json --journal list --overwrite")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--weights ml.npz::bn1 --save-weights ml.npz", "ml.npz holds more than bn1"),
        ("--weights ml.npz::bn1 --save-weights l.npz", "ml.npz holds more than bn1"),
        ("--weights ./ml.npz::bn2 --save-weights ml.npz --overwrite", "holds more than bn2"),
        ("--weights one.npz::bn1 --save-weights one.npz", "one.npz has it as bn1"),
        ("--weights more.npz --save-weights more.npz", "more.npz holds more"),
    ],
)
def test_other_layers_of_a_file_are_not_dropped(poolnorm: Command, words: str, told: str) -> None:
    layers: dict[str, Any] = {
        f"bn{n}/{name}": np.full(6, n, np.float32) for n in (1, 2) for name in WEIGHTS
    }
    np.savez("ml.npz", **layers)
    np.savez("one.npz", **{name: layers[name] for name in layers if name.startswith("bn1")})
    plain: dict[str, Any] = {name: np.ones(6, np.float32) for name in WEIGHTS}
    plain["conv/kernel"] = np.ones((3, 3), np.float32)
    np.savez("more.npz", **plain)
    Path("l.npz").symlink_to("ml.npz")
    refused(poolnorm, f"bn x.npy --training {words}", told)
    assert poolnorm("bn x.npy --training --weights ml.npz::bn1 --save-weights n.npz").code == 0


def test_every_flag_of_a_file_is_in_the_table() -> None:
    outputs = {"output", "inputs"}
    for name in LAYERS:
        node = layer_command(name)
        flags = {
            flag.name for flag in node.flags() if "FILE" in str(flag.option.keywords.get("metavar"))
        }
        typed = LayerFlags(
            **{
                name: group(**{flag: f"{flag}.npz" for flag in flags if hasattr(group, flag)})
                for name, group in node.members().items()
            }
        )
        layer = node.layer
        assert layer is not None
        needed: dict[str, Any] = {"output_size": (1,)} if "apool" in name else {}
        made = layer(**needed)
        found = {role.word for role in roles(made, typed)}
        assert found == {f"{flag}.npz" for flag in flags - outputs}, name


def test_urls_are_compared_in_one_form() -> None:
    names = RealNames()
    same = [
        "s3://bucket/dir/x.npy",
        "S3://bucket/dir/x.npy",
        "s3a://bucket//dir/./x.npy",
        "s3://bucket/other/../dir/x.npy",
        "s3://bucket/dir/%78.npy",
    ]
    assert len({names.of(url) for url in same}) == 1
    web = ["http://host:80/x.npy", "HTTP://HOST/x.npy", "http://me:secret@host/x.npy"]
    assert len({names.of(url) for url in web}) == 1
    assert names.of("gcs://b/x") == names.of("gs://b/x") != names.of("s3://b/x")
    assert names.of(f"file://{Path('x.npy').absolute()}") == names.of("x.npy")


def test_a_url_of_a_file_here_is_that_file() -> None:
    table = FileTable()
    url = f"file://{Path('x.npy').absolute()}"
    table.add([Role("--save-config", url, written=True)], ["x.npy"])
    with pytest.raises(Exception, match=r"--save-config is the input x\.npy"):
        table.check()


def test_letters_of_two_cases_are_one_where_the_directory_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = [("o/X.npy", "o/x.npy"), ("O/x.npy", "o/x.npy"), ("o/\u00e9.npy", "o/E\u0301.npy")]
    for one, other in pairs:
        assert differing_in_case([f"{Path.cwd()}/{name}" for name in (one, other)]) == []
    monkeypatch.setattr(real_names, "_same", lambda *_: True)
    for one, other in pairs:
        table = FileTable()
        table.add([], ["x.npy", "d/x2.npy"])
        items = [Input("x.npy", target=one), Input("d/x2.npy", target=other)]
        with pytest.raises(Exception, match="the output of "):
            table.check(items)
    table = FileTable()
    table.add([], [])
    table.check([Input("x.npy", target="o/a.npy"), Input("y.npy", target="o/b.npy")])


def test_names_with_a_nul_are_told_apart(poolnorm: Command) -> None:
    assert differing_in_case(["/a\0B", "/A", "/a\0b", "/c"]) == []
    Path("list").write_bytes(b"x.npy\nd\0x2.npy\nD\0X2.npy\n")
    result = poolnorm("ln --files-from list -O out")
    assert result.code == 1
    assert result.err.count("a name with a NUL in it") >= 2


def test_directories_say_whether_they_tell_letters_apart() -> None:
    Path("empty").mkdir()
    for folder in (".", "empty", "empty/none/below"):
        assert not real_names._is_case_insensitive(str(Path(folder).absolute()))
    assert list(Path("empty").iterdir()) == []


def test_all_pairs_of_flags_with_one_new_name(poolnorm: Command) -> None:
    written = ["-o {}.npz", "--save-weights {}.npz", "--save-config {}.npz", "--journal {}.npz"]
    for one, other in permutations(written, 2):
        words = f"bn x.npy --training {one.format('n')} {other.format('./n')}"
        refused(poolnorm, words)


def test_inputs_are_not_looked_at_where_nothing_written_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked = list[str]()
    monkeypatch.setattr("poolnorm_cli.tensors.file_roles.identity", looked.append)
    words = [f"in/{n}.npy" for n in range(1000)]
    table = FileTable()
    table.add([Role("--weights", "w.npz"), Role("--journal", "j", written=True)], words)
    table.check([Input(word, target=word.replace("in/", "out/")) for word in words])
    assert looked == ["j"]
