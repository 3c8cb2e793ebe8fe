"""The reference of every command as Markdown: what the help says, the shared flags said once."""

import re
from collections.abc import Iterator, Mapping, Sequence

from poolnorm_cli.cli.command import LAYER_VERBS, Command, Family, Node
from poolnorm_cli.cli.groups import grouped
from poolnorm_cli.cli.help_page import Entry, Page, page_of, walk
from poolnorm_cli.cli.help_topics import TOPICS
from poolnorm_cli.cli.verbs import ROOT
from poolnorm_cli.layers import LAYERS


_SHARED = "Flags of all layer verbs"
_TOPICS = "Topics"
_BESIDE = "`poolnorm help VERB` prints the same, and `poolnorm help VERB --FLAG` what a flag does."
Panels = dict[str, list[Entry]]


def reference() -> str:
    """Return the page."""
    layers = [_page(words.split()) for words in LAYERS]
    shared = _common([page.panels for page in layers])
    sections = dict(_sections(shared))
    lines = [
        "# The commands of poolnorm",
        "",
        f"Generated from the help by `docs/generate.py`: do not edit. {_BESIDE}",
        "",
        *_contents(sections),
        *(line for body in sections.values() for text in body.values() for line in text),
        f"## {_SHARED}",
        "",
        *_tables(shared),
        f"## {_TOPICS}",
        "",
        *_topics(),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _page(path: Sequence[str]) -> Page:
    return page_of(walk(path, ROOT)[0], path)


def _common(panels: Sequence[Mapping[str, Sequence[Entry]]]) -> Panels:
    """Return what all have in common, by panel."""
    first, *others = panels
    found = {
        title: [e for e in entries if all(e in other.get(title, ()) for other in others)]
        for title, entries in first.items()
    }
    return {title: entries for title, entries in found.items() if entries}


def _sections(shared: Panels) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield the groups of verbs, each with the text of its commands by heading."""
    for title, verbs in grouped(ROOT.members).items():
        body = {f"## {title}": [f"## {title}", ""]}
        for verb in verbs:
            for path, node in _commands(ROOT.members[verb](), [verb]):
                body[f"poolnorm {' '.join(path)}"] = list(_section(path, node, shared))
        yield title, body


def _commands(node: Node, path: list[str]) -> Iterator[tuple[list[str], Node]]:
    """Yield the commands below a word; of a family of all layers, one stands for them."""
    if isinstance(node, Command):
        yield path, node
        return
    is_of_layers = any(name in LAYER_VERBS for name in node.members)
    if is_of_layers:
        yield path, node
    for name, make in node.members.items():
        if not is_of_layers or name not in LAYER_VERBS:
            yield from _commands(make(), [*path, name])


def _section(path: Sequence[str], node: Node, shared: Panels) -> Iterator[str]:
    page = page_of(node, path)
    yield f"### poolnorm {page.path}"
    yield ""
    for sentence in page.sentences:
        yield from (sentence, "")
    if page.formula:
        yield from (f"`{page.formula}`", "")
    yield from ("```text", page.usage, "```", "")
    yield from ("```sh", page.example, "```", "")
    if isinstance(node, Family):
        yield from _of_family(path, node)
        return
    panels = {title: list(entries) for title, entries in page.panels.items()}
    runs = node.layer is not None or list(path) == ["pipe"]
    yield from _tables(_without(panels, shared) if runs else panels)
    if runs:
        there = {entry.names for own in panels.values() for entry in own}
        lacking = [e.names for own in shared.values() for e in own if e.names not in there]
        but = f", but for {', '.join(_code(names) for names in lacking)}" if lacking else ""
        yield from (f"And the [flags of all layer verbs](#{_slug(_SHARED)}){but}.", "")


def _of_family(path: Sequence[str], family: Family) -> Iterator[str]:
    """Say of the commands of all layers what they have in common."""
    below = [name.split() for name in LAYERS]
    pages = [page_of(walk(words, family)[0], [*path, *words]) for words in below]
    links = ", ".join(
        f"[{' '.join(words)}](#{_slug('poolnorm ' + ' '.join(words))})" for words in below
    )
    yield from (f"LAYER is one of {links}, with the flags of that layer.", "")
    yield from _tables(_without(_common([page.panels for page in pages]), {"Layer": []}))


def _without(panels: Panels, shared: Panels) -> Panels:
    left = {t: [e for e in entries if e not in shared.get(t, ())] for t, entries in panels.items()}
    return {title: entries for title, entries in left.items() if entries}


def _tables(panels: Panels) -> Iterator[str]:
    for title, entries in panels.items():
        yield from (f"| {title} | |", "|---|---|")
        for entry in entries:
            typed = f"{entry.names} {entry.value}".strip()
            yield f"| {_code(typed)} | {_text(entry.text)} |"
        yield ""


def _code(text: str) -> str:
    """Write code in a cell; a bar is one for GitHub and for Python's Markdown in no other way."""
    if "|" not in text:
        return f"`{text}`"
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")


def _contents(sections: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    for title, body in sections.items():
        commands = [heading for heading in body if not heading.startswith("#")]
        links = (f"[{c.removeprefix('poolnorm ')}](#{_slug(c)})" for c in commands)
        yield f"- [{title}](#{_slug(title)}): {', '.join(links)}"
    yield f"- [{_SHARED}](#{_slug(_SHARED)})"
    yield f"- [{_TOPICS}](#{_slug(_TOPICS)}): {', '.join(f'[{t}](#{_slug(t)})' for t in TOPICS)}"
    yield ""


def _slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def _topics() -> Iterator[str]:
    for topic, text in TOPICS.items():
        yield from (f"### {topic}", "", "```text", text.rstrip(), "```", "")
