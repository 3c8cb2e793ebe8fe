"""Which files a run takes, where their outputs go, and which part of them."""

from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.batch.inputs import Shard
from poolnorm_cli.errors import UsageError
from tests.batch.places import make_tensors, tree
from tests.conftest import Command, process


def inputs_of(out: str) -> list[str]:
    return [line.split("\t")[0] for line in out.splitlines()]


def test_a_directory_stands_for_its_tensor_files_in_order(poolnorm: Command) -> None:
    make_tensors("in", 3)
    for name in ("in/.hidden.npy", "in/notes.txt"):
        Path(name).write_text("no tensor")
    Path("in/folder.npy").mkdir()
    make_tensors("in/deeper", 1)
    result = poolnorm("pool max in -O out")

    assert inputs_of(result.out) == ["in/0000.npy", "in/0001.npy", "in/0002.npy"]
    assert sorted(tree("out")) == ["0000.npy", "0001.npy", "0002.npy"]


def test_recursion_mirrors_the_tree_and_leaves_the_outputs_out(poolnorm: Command) -> None:
    make_tensors("in", 1)
    make_tensors("in/a/b", 1)
    make_tensors("in/a", 1)
    for _ in range(2):
        assert poolnorm("pool max in -r -O in/out --overwrite -q").code == 0

    assert sorted(tree("in/out")) == ["0000.npy", "a/0000.npy", "a/b/0000.npy"]


def test_relative_to_mirrors_named_files(poolnorm: Command) -> None:
    make_tensors("data/a", 1)
    make_tensors("data/b", 1)
    words = "pool max data/a/0000.npy data/b/0000.npy -O out -q"

    refused = poolnorm(words)
    assert refused.code == 2
    assert "the output of data/a/0000.npy and of data/b/0000.npy" in refused.err
    assert poolnorm(f"{words} --relative-to data").code == 0
    assert sorted(tree("out")) == ["a/0000.npy", "b/0000.npy"]
    outside = poolnorm(f"{words} --relative-to data/a --overwrite")
    assert outside.err.startswith("error: data/b/0000.npy: not inside --relative-to data/a")


def test_a_template_names_files_in_the_mirrored_tree(poolnorm: Command) -> None:
    make_tensors("in/a", 1)
    poolnorm("gpool max in -r -O out --output-name {stem}_{op}{ext} -q")

    assert list(tree("out")) == ["a/0000_gpool_max.npy"]


@pytest.mark.parametrize("flags", ["", "--null"])
def test_a_list_names_inputs(poolnorm: Command, flags: str) -> None:
    names = make_tensors("in", 2)
    odd = "in/new\nline.npy" if flags else "in/a space.npy"
    Path("in/0001.npy").rename(odd)
    end = "\0" if flags else "\n"
    Path("list").write_text(names[0] + end + odd + end)

    assert poolnorm(f"pool max --files-from list {flags} -O out -q").code == 0
    assert set(tree("out")) == {"0000.npy", Path(odd).name}


def test_a_list_may_come_on_standard_input() -> None:
    names = make_tensors("in", 2)
    done = process(
        "pool", "max", "--files-from", "-", "-O", "out", "-q", input="\n".join(names).encode()
    )

    assert (done.returncode, sorted(tree("out"))) == (0, ["0000.npy", "0001.npy"])


def test_the_two_outputs_of_a_directory_and_a_file_collide(poolnorm: Command) -> None:
    make_tensors("in", 2)
    result = poolnorm("pool max in in/0001.npy -O out")

    assert result.code == 2
    assert not Path("out").exists()


def test_links_to_directories_are_not_followed(poolnorm: Command) -> None:
    make_tensors("in", 1)
    Path("in/loop").symlink_to("..", target_is_directory=True)

    assert inputs_of(poolnorm("pool max in -r -O out").out) == ["in/0000.npy"]


def test_shards_are_disjoint_complete_and_stable(poolnorm: Command) -> None:
    make_tensors("in", 23)
    poolnorm("pool max in -O all -q")
    for number in (1, 2, 3):
        assert poolnorm(f"pool max in -O part{number} -q --shard {number}/3").code == 0
    parts = [tree(f"part{number}") for number in (1, 2, 3)]

    assert sum(map(len, parts)) == 23
    assert parts[0] | parts[1] | parts[2] == tree("all")
    assert all(parts)
    np.save("in/another.npy", np.ones((1, 2, 2, 1)))
    poolnorm("pool max in -O again -q --shard 2/3")
    assert tree("again").items() >= parts[1].items()


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_a_shard_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_a_template_that_makes_no_tensor_of_a_tensor_is_refused_before_any_work(
    poolnorm: Command,
) -> None:
    make_tensors("in", 2)
    result = poolnorm("pool max in -O out --output-name {stem}.txt")

    assert result.code == 2
    assert result.err == (
        "error: out/0000.txt: neither .npy nor .npz nor .safetensors;"
        " give --output-name with {ext}, or .npy at its end\n"
    )
    assert not Path("out").exists()


def test_a_file_of_another_name_fails_alone(poolnorm: Command) -> None:
    make_tensors("in", 1)
    Path("notes.doc").touch()
    result = poolnorm("pool max in/0000.npy notes.doc -O out --output-name {stem}.{op}{ext}")

    assert result.code == 1
    assert "error: notes.doc: neither .npy nor .npz nor .safetensors nor" in result.err
    assert list(tree("out")) == ["0000.pool_max.npy"]
