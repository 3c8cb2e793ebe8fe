"""Load and save all files of a folder, as many at a time as there are processors.

`loop.py FOLDER TARGET`: a share of the files for each processor, in a process of its own.
"""
# ruff: noqa: PTH118, PTH208 - a Path takes time for each of many files

import os
import sys

import numpy as np


def main(folder: str, target: str) -> None:
    files, shares = sorted(os.listdir(folder)), len(os.sched_getaffinity(0))
    children = []
    for share in range(1, shares):
        if not (pid := os.fork()):
            copy(folder, target, files[share::shares])
            sys.exit()
        children.append(pid)
    copy(folder, target, files[::shares])
    if any(os.waitpid(pid, 0)[1] for pid in children):
        sys.exit("a share of the files failed")


def copy(folder: str, target: str, files: list[str]) -> None:
    for file in files:
        np.save(os.path.join(target, file), np.load(os.path.join(folder, file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
