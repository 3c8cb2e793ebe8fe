"""In which groups the help lists the verbs, and in which order the panels of their flags."""

from collections.abc import Iterable


GROUPS = {
    "Pooling": ("pool", "gpool", "apool", "unpool"),
    "Normalization": ("bn", "ln", "gn", "in", "rms", "unit", "lrn"),
    "Several layers": ("pipe",),
    "Shapes and files": ("shape", "info", "show", "generate"),
    "Checks and help": ("compare", "doctor", "help"),
}
"""The verbs by what they are for, the common first."""

OTHER_GROUP = "More"
"""Where a verb is listed that is in none of them, as that of a layer that was just added."""

PANELS = (
    "Layer",
    "Output",
    "Picture",
    "Input",
    "Weights",
    "Printing",
    "Many inputs",
    "Backend",
    "Other frameworks",
)
"""The panels of flags: what the layer is, where the result goes, then the rest."""


def grouped(verbs: Iterable[str]) -> dict[str, list[str]]:
    """Return verbs by group; a group without any is left out."""
    left = list(verbs)
    found = {}
    for title, members in GROUPS.items():
        there = [verb for verb in members if verb in left]
        if there:
            found[title] = there
        left = [verb for verb in left if verb not in there]
    return found | ({OTHER_GROUP: left} if left else {})
