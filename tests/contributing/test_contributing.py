"""What CONTRIBUTING.md promises is done: a toy is added to a copy of the package, as it says."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import poolnorm_cli
from tests.conftest import ROOT, Result


PACKAGE = Path(poolnorm_cli.__file__).parent
TOYS = Path(__file__).parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
Run = Callable[..., list[Result]]


def section(title: str) -> str:
    return GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]


def added(tmp_path: Path, title: str, file: str, table: str, row: str, top: str = "") -> Run:
    """Copy the package, add a file and a row where the guide says, and return what runs it.

    Args:
        tmp_path: Where the copy goes.
        title: The section of the guide.
        file: The module of the toy, which is beside this one; its name in the package.
        table: The module with the table.
        row: What to add, and behind which text, with `=>` between.
        top: What to add at the end of the module, beside.
    """
    told = section(title)
    folder = str(Path(file).parent)
    assert f"`{folder}/" in told, "the guide names the directory of the new file"
    assert f"`{table}`" in told, "the guide names the file of the table"
    copy = tmp_path / "tree"
    shutil.copytree(PACKAGE, copy / "poolnorm_cli")
    shutil.copy(TOYS / Path(file).name, copy / file)
    text = (copy / table).read_text()
    behind, new = row.split("=>")
    assert text.count(behind) == 1
    (copy / table).write_text(text.replace(behind, f"{behind}{new}") + top)

    def run(*lines: str) -> list[Result]:
        done = subprocess.run(
            [sys.executable, str(TOYS / "driver.py")],
            input="\n".join(json.dumps(line.split(" ")) for line in lines),
            env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [Result(*json.loads(line)) for line in done.stdout.splitlines()]

    return run


def sound(results: list[Result], but: dict[int, int] | None = None) -> list[str]:
    for index, result in enumerate(results):
        assert result.code == (but or {}).get(index, 0), (index, result)
    return [result.out + result.err for result in results]


X = np.arange(24, dtype=np.float32).reshape(4, 3, 2)


def test_a_layer_is_one_file_and_one_row(tmp_path: Path) -> None:
    run = added(
        tmp_path,
        "To add a layer",
        "poolnorm_cli/layers/shift.py",
        "poolnorm_cli/layers/__init__.py",
        "LAYERS: dict[str, LayerPath] = {=>\n"
        '    "shift": LayerPath("shift", "Shift", in_keras=False),',
    )
    np.save("x.npy", X)
    np.savez("x.npz", a=X, b=X)
    np.savez("w.npz", offset=np.array([10, 20], np.float32))
    Path("in").mkdir()
    np.save("in/a.npy", X)
    np.save("in/b.npy", X)

    told = sound(
        run(
            "shift x.npy --amount 2 -o y.npy",
            "shift x.npz::b --weights w.npz -o b.npy",
            "shift in -O out --save-weights new.npz",
            "shape shift N,3,2 -q",
            "shift x.npy --dry-run",
            "shift x.npy --backend onnx --amount 2 -o o.npy",
            "shift x.npy --export g.onnx",
            "compare --backends numpy,onnx:cpu -- shift x.npy",
            "shift x.npy --explain",
            "shift --help",
            "shift x.npy --json --no-values",
            "shift x.npy --keras",
            "shift x.npy --torch",
            "shift x.npy --save-config c.json",
            "shift x.npy --training",
            "shift x.npy --fold",
        ),
        but={11: 2, 12: 2, 13: 2, 14: 2, 15: 2},
    )

    np.testing.assert_array_equal(np.load("y.npy"), X + 2)
    np.testing.assert_array_equal(np.load("o.npy"), X + 2)
    np.testing.assert_array_equal(np.load("b.npy"), X + 1 + np.array([10, 20], np.float32))
    np.testing.assert_array_equal(np.load("out/b.npy"), X + 1)
    assert Path("g.onnx").exists()
    assert told[3] == "N,3,2\n"
    assert "--amount" in told[9]
    assert "Added to every cell." in told[9]
    assert json.loads(told[10])["layer"]["amount"] == 1
    assert "error: Keras has no Shift" in told[11]
    assert "error: torch has no Shift" in told[12]
    assert "error: Keras has no Shift" in told[13]


def test_a_format_is_one_file_and_one_row(tmp_path: Path) -> None:
    run = added(
        tmp_path,
        "To add a file format",
        "poolnorm_cli/tensors/toy.py",
        "poolnorm_cli/tensors/formats.py",
        "FORMATS: dict[str, Format] = {\n    each.suffix: each for each in (NPY, NPZ=>, TOY",
    )
    formats = tmp_path / "tree/poolnorm_cli/tensors/formats.py"
    row = 'TOY = Format(suffix=".toy", magic=b"TOY", reader="poolnorm_cli.tensors.toy", writer='
    row += '"poolnorm_cli.tensors.toy", keyed=True)\nFORMATS: '
    formats.write_text(formats.read_text().replace("FORMATS: ", row, 1))
    np.save("x.npy", X)
    np.savez("x.npz", a=X, b=X + 1)
    Path("in").mkdir()

    told = sound(
        run(
            "unit x.npz -o in/x.toy",
            "unit x.npy -o u.npy",
            "info in/x.toy -q",
            "unit in -O out",
            "unit in/x.toy::b -o b.npy",
            "unit in/x.toy --key a -o a.toy",
            "gpool max in/x.toy::a -q -o m.npy",
            "compare in/x.toy::a u.npy",
            "compare a.toy in/x.toy::b",
            "shape pool max in/x.toy::a -q",
            "generate normal 4,3,2 -o g.toy",
            "info g.toy --json",
            "unit in/x.toy::c",
            "unit in/x.toy::a --dry-run",
            "unit in -r -O tree --output-name {stem}_{key}{ext}",
            "unit x.npy -o y.doc",
        ),
        but={8: 1, 12: 4, 15: 2},
    )

    assert (Path("in/x.toy")).read_bytes().startswith(b"TOY\n")
    assert "4,3,2" in told[2]
    assert Path("out/x.toy").exists()
    np.testing.assert_allclose(np.load("b.npy"), np.load("u.npy"), atol=1)
    assert "no array c" in told[12]
    assert Path("tree/x_a.toy").exists()
    assert ".toy" in told[15]


def test_a_backend_is_one_file_and_one_row(tmp_path: Path) -> None:
    run = added(
        tmp_path,
        "To add a backend",
        "poolnorm_cli/backends/mirror_backend.py",
        "poolnorm_cli/backends/__init__.py",
        "BACKENDS: dict[str, BackendRow] = {=>\n"
        '    "mirror": BackendRow(module="mirror_backend", title="a mirror",'
        ' providers=("left", "right"), computing_bytes=_one_array),',
    )
    np.save("x.npy", X)
    Path("in").mkdir()
    np.save("in/a.npy", X)

    told = sound(
        run(
            "unit x.npy -o n.npy",
            "unit x.npy --backend mirror -o m.npy",
            "unit x.npy --backend mirror --provider right -o r.npy",
            "bn in -O out --backend mirror --training --save-weights w.npz",
            "compare --backends numpy,mirror:right -- unit x.npy",
            "unit x.npy --backend mirror --dry-run",
            "unit --help",
            "doctor",
            "unit x.npy --backend mirror --provider cuda",
        ),
        but={8: 2},
    )

    assert np.load("n.npy").tobytes() == np.load("m.npy").tobytes() == np.load("r.npy").tobytes()
    assert "mirror: right" in told[2]
    assert "mirror" in told[6]
    assert "--backend mirror with --provider cuda" in told[8]


@pytest.mark.parametrize("name", ["shift.py", "toy.py", "mirror_backend.py"])
def test_no_toy_is_in_the_package(name: str) -> None:
    assert not list(PACKAGE.rglob(name))
