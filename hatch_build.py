"""Compile the loops in `native/` into the wheel; without a C compiler the wheel goes without."""

import os
import sys
import sysconfig
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


MODULE = "poolnorm_cli.kernels._native"
LIMITED = "cp311"  # the loops use the part of CPython's interface that all versions from here share
FLAGS = [
    "-std=c11",
    "-O3",
    "-g0",
    "-funroll-loops",
    "-ffp-contract=off",  # a multiplication and an addition round twice, as in NumPy
    "-fno-wrapv",  # CPython asks for it, and loops over indices that may wrap are half as fast
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fvisibility=hidden",
    "-Werror=implicit-function-declaration",  # the module would be built, and not load
]
ROLLED = {
    "folds",
    "grains",
    "joined",
    "permuting",
    "powers",
    "responses",
    "scaling",
    "shares",
    "sums",
    "whole",
}
"""Loops that gain nothing from being unrolled, and take two thirds of the bytes: measured of
all but grains, permuting, powers, responses and shares, which are small."""
MSVC = ["/std:c11", "/O2"]  # the standard that has `restrict`
SANITIZED = [
    *FLAGS,
    "-g1",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",  # what is undefined ends the process too
]
"""To find reads and writes out of bounds, and arithmetic that leaves its range."""


class CompiledLoops(BuildHookInterface[Any]):
    """Adds the module to the wheel, or leaves it beside its neighbours in an editable one."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name what the wheel is for."""
        del version
        target = compiled(Path(self.root))
        if target is None:
            return
        build_data["artifacts"].append(target)
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"{LIMITED}-abi3-{platform}"


def compiled(root: Path) -> str | None:
    """Compile in place; return the module's path in the tree, or None where that fails.

    `POOLNORM_BUILD=pure` asks for none, `POOLNORM_BUILD=sanitized` for one that watches itself:
    it is slow, and Python has to be started with the sanitizers' library loaded before it.
    """
    stale = (root / "poolnorm_cli" / "kernels").glob("_native.*")
    for path in stale:
        if path.suffix != ".pyi":
            path.unlink()
    wanted = os.environ.get("POOLNORM_BUILD")
    if wanted == "pure":
        return None
    flags = SANITIZED if wanted == "sanitized" else FLAGS
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext
    from setuptools.errors import BaseError, CCompilerError

    class BuildLoops(build_ext):
        """Compiles as many files at a time as there are processors."""

        def build_extensions(self) -> None:
            if os.name != "nt":  # its compiler is searched for in the first call
                self.compiler.compile = partial(_side_by_side, self.compiler.compile)
            super().build_extensions()

    extension = Extension(
        MODULE,
        sorted(str(path.relative_to(root)) for path in (root / "native").glob("*.c")),
        extra_compile_args=MSVC if os.name == "nt" else flags,
        extra_link_args=[flag for flag in flags if flag.startswith("-fsanitize")],
        py_limited_api=True,
    )
    what = {
        "name": "poolnorm-cli",
        "ext_modules": [extension],
        "cmdclass": {"build_ext": BuildLoops},
    }
    command = Distribution(what).get_command_obj("build_ext")
    command.inplace = command.force = True
    here = Path.cwd()
    os.chdir(root)
    try:
        command.ensure_finalized()
        with TemporaryDirectory() as objects:
            command.build_temp = command.build_lib = objects
            command.run()
    except (BaseError, CCompilerError, OSError) as error:
        print(f"poolnorm: no compiled loops, NumPy does their work: {error}", file=sys.stderr)
        return None
    finally:
        os.chdir(here)
    return str(Path(command.get_ext_fullpath(MODULE)).relative_to(root))


def _side_by_side(
    compile_all: Callable[..., list[str]], sources: Sequence[str], **options: Any
) -> list[str]:
    """Compile files beside each other, which a compiler of setuptools does one after the other."""

    def compile_one(source: str) -> list[str]:
        more = ["-fno-unroll-loops"] if Path(source).stem in ROLLED else []
        given = [*(options.get("extra_postargs") or []), *more]
        return compile_all([source], **(options | {"extra_postargs": given}))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(compile_one, sources)
        return [name for names in made for name in names]
