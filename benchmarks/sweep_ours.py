"""The process of the sweep that times our layers, and a copy of their input."""
# ruff: noqa: ANN001, ANN201 - as the script of torch

import numpy as np

from benchmarks.ours import job
from benchmarks.sweep_peer import array_of, serve


AXIS = ("bn", "in", "gn")
"""Layers that say where the channels are by an axis."""


def jobs_of(row):
    x, given = array_of(row), dict(row["parameters"])
    words = row["words"].removesuffix(" training")
    if row["layout"] == "channels_first":
        given |= {"axis": 1} if words in AXIS else {"data_format": "channels_first"}
    given |= {"training": True} if words != row["words"] else {}
    if row["dtype"] == "bfloat16":
        from benchmarks.ours import half_job

        ours, y = half_job(words, given, x, row.get("threads")), x.astype(np.float16)
        return {"poolnorm": ours, "copy": y.copy}
    y, threads = np.empty_like(x), row.get("threads")
    return {"poolnorm": job(words, given, x, threads), "copy": lambda: np.copyto(y, x)}


if __name__ == "__main__":
    serve(jobs_of)
