"""Completion as shells ask for it: what may follow, in bash, zsh and fish, and where it is put."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from poolnorm_cli.cli.completion import complete
from poolnorm_cli.cli.completion_shells import SCRIPTS, split_line
from poolnorm_cli.cli.verbs import ROOT
from tests.conftest import ROOT as TREE, Command


FIXTURES = Path(__file__).parent.parent / "weights" / "fixtures"
BREAKS = " \t\n\"'><=;|&(:"
HANG = 60.0
"""Seconds after which a shell is taken to hang."""


def offered(line: str) -> list[str]:
    typed = split_line(line)
    return [word for word, _ in complete(typed.words, typed.begun, ROOT).words]


def paths(line: str) -> str:
    typed = split_line(line)
    return complete(typed.words, typed.begun, ROOT).paths


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("poolnorm po", ["pool"]),
        ("/usr/bin/poolnorm poo", ["pool"]),
        ("A=1 poolnorm poo", ["pool"]),
        ("poolnorm pool ", ["max", "average", "min", "lp"]),
        ("poolnorm pool x ", []),
        ("poolnorm bn --gamma-i", ["--gamma-initializer"]),
        ("poolnorm bn x.npy --gamma-initializer he_", ["he_normal", "he_uniform"]),
        ("poolnorm bn --gamma-regularizer l", ["l1", "l1l2", "l2"]),
        ("poolnorm bn --gamma-constraint m", ["max_norm", "min_max_norm"]),
        ("poolnorm ln --dtype f", ["float16", "float32", "float64"]),
        ("poolnorm ln --backend ", ["numpy", "onnx"]),
        ("poolnorm ln --provider c", ["cpu", "cuda"]),
        (
            "poolnorm pool max --padding=",
            ["--padding=valid", "--padding=same", "--padding=same_lower"],
        ),
        ("poolnorm pool max --padding s", ["same", "same_lower"]),
        ("poolnorm ln --color a", ["auto", "always"]),
        ("poolnorm ln -j a", ["auto"]),
        ("poolnorm compare --backends numpy,onnx:cp", ["numpy,onnx:cpu"]),
        ("poolnorm compare --backends numpy,onnx:cpu -- gp", ["gpool"]),
        ("poolnorm compare --backends numpy,onnx:cpu -- pool max --padd", ["--padding"]),
        ("poolnorm generate u", ["uniform"]),
        ("poolnorm pipe x.npy ! gp", ["gpool"]),
        ("poolnorm pipe x.npy ! pool max ! te", ["tee"]),
        ("poolnorm pipe x.npy ! bn --weight", ["--weights"]),
        ("poolnorm pipe x.npy ! pool max --o", []),
        ("poolnorm shape pipe 4,4,4 ! pool max --padding s", ["same", "same_lower"]),
        ("poolnorm shape gpool ", ["max", "average", "min", "lp"]),
        ("poolnorm help exi", ["exit-codes"]),
        ("poolnorm help pool m", ["max", "min"]),
        ("poolnorm help bn --momentum-", ["--momentum-convention"]),
        ("poolnorm --vers", ["--version"]),
        ("poolnorm --install-completion z", ["zsh"]),
        ("poolnorm ln --axis 1 --axi", []),
        ("poolnorm ln --no-", ["--no-center", "--no-scale", "--no-trainable", "--no-sync"]),
    ],
)
def test_what_may_follow(line: str, wanted: list[str]) -> None:
    found = offered(line)

    assert [word for word in found if word in wanted] == wanted
    assert all(word.startswith(split_line(line).begun) for word in found)
    if len(wanted) < 3:
        assert found == wanted or "--no-" in line


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("poolnorm info ", "files"),
        ("poolnorm pool max x.npy -o ", "files"),
        ("poolnorm bn --weights ", "files"),
        ("poolnorm bn --weights=", "files"),
        ("poolnorm bn -O ", "dirs"),
        ("poolnorm bn --epsilon ", "none"),
        ("poolnorm bn --padding", "none"),
        ("poolnorm doctor ", "none"),
        ("poolnorm ", "none"),
    ],
)
def test_what_paths_a_shell_may_add(line: str, wanted: str) -> None:
    assert paths(line) == wanted


def test_layers_and_members_of_a_file() -> None:
    np.savez("a b.npz", **{"x y": np.ones(2), "z": np.ones(2)})  # type: ignore[arg-type]
    checkpoint = FIXTURES / "torch.safetensors"

    assert offered(f"poolnorm bn --weights {checkpoint}::st") == [f"{checkpoint}::stem.bn"]
    assert offered(f"poolnorm bn --weights={checkpoint}::st") == [
        f"--weights={checkpoint}::stem.bn"
    ]
    assert offered(f"poolnorm info {checkpoint}::st") == [f"{checkpoint}::stem.bn"]
    assert offered("poolnorm info a\\ b.npz::") == ["a b.npz::x y", "a b.npz::z"]
    assert offered("poolnorm ln 'a b.npz' --key ") == ["x y", "z"]


def test_a_file_that_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.npz").write_bytes(b"PK\3\4 and no more")
    os.mkfifo("pipe.npz")

    for file in ("bad.npz", "pipe.npz", "missing.npz", "s3://bucket/x.npz"):
        assert offered(f"poolnorm info {file}::") == []
        assert offered(f"poolnorm bn --weights {file}::") == []


def test_quotes_and_backslashes_of_a_line() -> None:
    typed = split_line(r"""poolnorm a\ b 'c d'"e" "f g""")

    assert (typed.words, typed.begun, typed.quote) == (["a b", "c de"], "f g", '"')


@pytest.fixture
def ask(poolnorm: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Ask as the script of a shell does, in this process."""

    def call(what: str, **variables: str) -> list[str]:
        monkeypatch.setenv("_POOLNORM_COMPLETE", what)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = poolnorm("pool max nothing.npy")
        assert (result.code, result.err) == (0, "")
        return result.out.splitlines()

    return call


def test_bash_replaces_what_follows_a_break(ask: Callable[..., list[str]]) -> None:
    line = f"poolnorm bn --weights={FIXTURES / 'torch.safetensors'}::st"

    assert ask("complete_bash", COMP_LINE=line, COMP_WORDBREAKS=BREAKS) == ["none", "stem.bn"]
    told = ask("complete_bash", COMP_LINE="poolnorm pool max --padding=v", COMP_WORDBREAKS=BREAKS)
    assert told == ["none", "valid"]
    assert ask("complete_bash", COMP_LINE="poolnorm info ")[:1] == ["files"]


def test_names_are_escaped_for_bash(ask: Callable[..., list[str]]) -> None:
    np.savez("x.npz", **{"a $b": np.ones(2)})  # type: ignore[arg-type]

    assert ask("complete_bash", COMP_LINE="poolnorm info x.npz::") == ["none", "x.npz::a\\ \\$b"]
    assert ask("complete_bash", COMP_LINE="poolnorm info 'x.npz::") == ["none", "x.npz::a $b"]


def test_zsh_and_fish_get_help_beside_the_words(ask: Callable[..., list[str]]) -> None:
    for shell in ("zsh", "fish"):
        told = ask(
            f"complete_{shell}",
            _POOLNORM_COMPLETE_WORDS="poolnorm\npool",
            _POOLNORM_COMPLETE_BEGUN="ma",
        )
        assert told == ["none", f"max\t{told[1].partition(chr(9))[2]}"]
        assert told[1].startswith("max\tSlide a window")


def test_scripts_of_an_earlier_version_go_on(ask: Callable[..., list[str]]) -> None:
    assert ask("complete_bash", COMP_WORDS="poolnorm\npool\nma", COMP_CWORD="2") == ["max"]
    line = {"_TYPER_COMPLETE_ARGS": "poolnorm pool "}
    assert ask("complete_zsh", **line) == ["_arguments '*: :(max average min lp)'"]
    assert ask("complete_fish", **line) == ["max", "average", "min", "lp"]
    assert ask("complete_zsh", _TYPER_COMPLETE_ARGS="poolnorm info ") == ["_files"]


def test_a_question_that_is_none_runs_nothing(ask: Callable[..., list[str]]) -> None:
    assert ask("complete_tcsh") == []
    assert ask("source_bash") == SCRIPTS["bash"].splitlines()


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_shown(poolnorm: Command, shell: str) -> None:
    assert poolnorm(f"--show-completion {shell}").out == SCRIPTS[shell]
    assert poolnorm(f"--show-completion={shell}").out == SCRIPTS[shell]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("SHELL", "/bin/bash")
    for name in ("ZDOTDIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return place


def test_the_shell_that_is_named_gets_it_once(poolnorm: Command, home: Path) -> None:
    (home / ".zshrc").write_bytes(b"alias caf\xe9=x")  # neither UTF-8 nor a last newline
    first, second = (poolnorm("--install-completion zsh") for _ in range(2))

    assert (first.code, second.code) == (0, 0)
    assert f"wrote {home}/.zfunc/_poolnorm\n" in first.out
    assert "exec zsh" in first.out
    assert "loads it already" in second.out
    assert (home / ".zfunc/_poolnorm").read_text() == SCRIPTS["zsh"]
    assert (home / ".zshrc").read_bytes().splitlines() == [
        b"alias caf\xe9=x",
        f"fpath+=('{home}/.zfunc'); autoload -Uz compinit; compinit".encode(),
    ]
    assert sorted(path.name for path in home.iterdir()) == [".zfunc", ".zshrc"]


def test_bash_is_that_of_the_environment(poolnorm: Command, home: Path) -> None:
    for _ in range(2):
        assert "source" in poolnorm("--install-completion").out

    assert (home / ".bashrc").read_text() == f"source '{home}/.bash_completions/poolnorm.sh'\n"


def test_fish_reads_its_directory(
    poolnorm: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poolnorm("--install-completion fish")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "x"))
    poolnorm("--install-completion=fish")

    for start in (".config", "x"):
        assert (home / start / "fish/completions/poolnorm.fish").read_text() == SCRIPTS["fish"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            "--install-completion tcsh",
            2,
            "no completion for 'tcsh'; give --install-completion bash",
        ),
        ("--show-completion", 2, "--show-completion without a shell; give --show-completion bash"),
        ("--install-completion zsh bash", 2, "--install-completion with 'bash'"),
        ("--install-completion bash", 3, "home/.bash_completions"),
    ],
)
def test_what_cannot_be_installed_is_told(
    poolnorm: Command, home: Path, monkeypatch: pytest.MonkeyPatch, words: str, code: int, told: str
) -> None:
    monkeypatch.setenv("SHELL", "")
    (home / ".bash_completions").write_text("a file")
    result = poolnorm(words)

    assert result.code == code
    assert told in result.err
    assert result.err.count("\n") == 1


PROGRAM = f"""#!{sys.executable}
import sys
sys.path.insert(0, {str(TREE)!r})
from poolnorm_cli.cli.main import main
main()
"""


def shell_environment(home: Path) -> dict[str, str]:
    """Return an environment in which `poolnorm` is this one, and nothing of a person's is read."""
    program = home / "bin" / "poolnorm"
    program.parent.mkdir(exist_ok=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "TERM": "dumb", "COLUMNS": "200", "PS1": "> "}


def seen_in(shell: list[str], home: Path, lines: list[str], keys: str, wanted: str) -> bool:
    """Type into a shell on a terminal, and say whether it then shows what is wanted."""
    pid, terminal = pty.fork()
    if not pid:  # pragma: no cover - the child
        os.execvpe(shell[0], shell, shell_environment(home))  # noqa: S606 - our own words
    seen, end = "", time.monotonic() + HANG

    def shows(text: str) -> bool:
        nonlocal seen
        while text not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    seen += os.read(terminal, 1 << 16).decode(errors="replace")
                except OSError:
                    return False
        found, seen = text in seen, seen.partition(text)[2]
        return found

    try:
        for number, line in enumerate([*lines, "true"]):
            os.write(terminal, f"{line}; echo r'ea'dy{number}\n".encode())
            assert shows(f"ready{number}"), seen
        os.write(terminal, keys.encode())
        return shows(wanted)
    finally:
        os.write(terminal, b"\x03")
        os.close(terminal)
        os.waitpid(pid, 0)


LOADS = {
    "bash": (["bash", "--norc", "-i"], ['source "$HOME/.bash_completions/poolnorm.sh"']),
    "zsh": (
        ["zsh", "-f", "-i"],
        ["unsetopt zle_bracketed_paste", 'source "$HOME/.zshrc" -u'],
    ),
}


@pytest.mark.parametrize("shell", LOADS)
@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ("poolnorm pool ma\t", "pool max "),
        ("poolnorm bn --weights FILE::st\t", "::stem.bn "),
        ("poolnorm pool max --padding=v\t", "--padding=valid "),
    ],
)
def test_a_shell_completes(
    poolnorm: Command, home: Path, shell: str, keys: str, wanted: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    shutil.copy(FIXTURES / "torch.safetensors", home / "f.safetensors")
    poolnorm(f"--install-completion {shell}")
    words, lines = LOADS[shell]

    keys = keys.replace("FILE", str(home / "f.safetensors"))
    assert seen_in(words, home, lines, keys, wanted)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("poolnorm pool m", "max\tSlide a window"),
        ("poolnorm bn --weights FILE::st", "::stem.bn"),
        ("poolnorm pool max --padding=v", "--padding=valid"),
        ("poolnorm info /etc/passw", "/etc/passwd"),
    ],
)
def test_fish_completes(poolnorm: Command, home: Path, line: str, wanted: str) -> None:
    if shutil.which("fish") is None:
        pytest.skip("no fish")
    shutil.copy(FIXTURES / "torch.safetensors", home / "f.safetensors")
    poolnorm("--install-completion fish")
    line = line.replace("FILE", str(home / "f.safetensors"))

    done = subprocess.run(
        ["fish", "-c", f"complete -C '{line}'"],
        env=shell_environment(home),
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG,
    )

    assert wanted in done.stdout
