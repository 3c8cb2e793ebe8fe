"""How shells ask for completions, and how they are told: scripts, questions and answers.

A script sets `_POOLNORM_COMPLETE` and runs the program, which answers on standard output: on the
first line which paths the shell may add, then a word a line, for zsh and fish with its help.
"""

import os
import sys
from collections.abc import Iterator

from poolnorm_cli.cli import PROGRAM
from poolnorm_cli.cli.command import Family
from poolnorm_cli.cli.completion import complete


_ASKED = "_POOLNORM_COMPLETE"
_WORDS, _BEGUN = "_POOLNORM_COMPLETE_WORDS", "_POOLNORM_COMPLETE_BEGUN"
_OF_TYPER = "_TYPER_COMPLETE_ARGS"
_BASH = r"""# Completion of poolnorm in bash; written by: poolnorm --install-completion bash
_poolnorm_completion() {
    local line paths=""
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $paths ]]; then paths=$line; else COMPREPLY+=("$line"); fi
    done < <(_POOLNORM_COMPLETE=complete_bash COMP_LINE="${COMP_LINE:0:COMP_POINT}" \
        COMP_WORDBREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
    if type compopt &>/dev/null; then
        case $paths in
            files) compopt -o default ;;
            dirs) compopt +o default -o dirnames ;;
            *) compopt +o default ;;
        esac
    fi
}
complete -o default -F _poolnorm_completion poolnorm
"""
_ZSH = r"""#compdef poolnorm
# Completion of poolnorm in zsh; written by: poolnorm --install-completion zsh
_poolnorm() {
    local line
    local -a asked found described
    asked=("${(@Q)words[1,CURRENT]}")
    found=("${(@f)$(_POOLNORM_COMPLETE=complete_zsh \
        _POOLNORM_COMPLETE_WORDS="${(pj:\n:)asked[1,-2]}" \
        _POOLNORM_COMPLETE_BEGUN="${words[CURRENT]}" \
        "${asked[1]}" 2>/dev/null)}")
    for line in "${(@)found[2,-1]}"; do
        described+=("${${line%%$'\t'*}//:/\\:}${${line#*$'\t'}:+:${line#*$'\t'}}")
    done
    (( $#described )) && _describe -V poolnorm described
    [[ $found[1] == (files|dirs) && $PREFIX == --*=* ]] && compset -P '*='
    case $found[1] in
        files) _files ;;
        dirs) _files -/ ;;
    esac
}
if [[ $funcstack[1] == _poolnorm ]]; then
    _poolnorm "$@"
else
    compdef _poolnorm poolnorm
fi
"""
_FISH = r"""# Completion of poolnorm in fish; written by: poolnorm --install-completion fish
function __poolnorm_complete
    set -l asked (commandline -opc)
    set -l begun (commandline -ct)
    set -l lines (string join \n -- $asked | string collect)
    set -l found (env _POOLNORM_COMPLETE=complete_fish _POOLNORM_COMPLETE_WORDS="$lines" \
        _POOLNORM_COMPLETE_BEGUN="$begun" $asked[1] 2>/dev/null)
    set -l flag (string match -r -- '^--[^=]*=' "$begun")
    set -l path (string replace -r -- '^--[^=]*=' '' "$begun")
    switch "$found[1]"
        case files
            complete -C "'' $path" | string replace -r '^' "$flag"
        case dirs
            complete -C "'' $path" | string match -r '.*/$|.*/\t.*' | string replace -r '^' "$flag"
    end
    string join \n -- $found[2..-1]
end
complete --command poolnorm --no-files --arguments '(__poolnorm_complete)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""What each shell is to run once."""


def reply(root: Family) -> int:
    """Answer the shell that asks.

    Args:
        root: The commands that there are.

    Returns:
        The exit code.
    """
    what, _, shell = os.environ[_ASKED].partition("_")
    if _OF_TYPER in os.environ:
        return _reply_as_typer(shell, root)
    if what == "source" and shell in SCRIPTS:
        print(SCRIPTS[shell], end="")
    elif what == "complete" and shell in SCRIPTS:
        lines = _in_bash(root) if shell == "bash" else _described(root)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _reply_as_typer(shell: str, root: Family) -> int:
    """Answer a script of an earlier version, which Typer wrote: with words alone."""
    typed = split_line(os.environ[_OF_TYPER])
    words = [_escaped(word) for word, _ in complete(typed.words, typed.begun, root).words]
    if shell == "zsh":
        print(f"_arguments '*: :({' '.join(words)})'" if words else "_files")
    elif os.environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        return 0 if words else 1
    else:
        sys.stdout.write("".join(f"{word}\n" for word in words))
    return 0


def _described(root: Family) -> Iterator[str]:
    """Yield the answer to zsh and fish."""
    _, *words = os.environ.get(_WORDS, "").split("\n")
    begun = split_line(f"{PROGRAM} {os.environ.get(_BEGUN, '')}").begun
    offer = complete(words, begun, root)
    yield offer.paths
    yield from (f"{word}\t{text}" for word, text in offer.words)


def _in_bash(root: Family) -> Iterator[str]:
    """Yield the answer to bash, which puts each word in place of what follows the last break."""
    line = os.environ.get("COMP_LINE")
    if line is None:  # a script of an earlier version
        words = os.environ.get("COMP_WORDS", "").split()
        place = int(os.environ.get("COMP_CWORD", "0"))
        begun = words[place] if place < len(words) else ""
        yield from (word for word, _ in complete(words[1:place], begun, root).words)
        return
    typed = split_line(line)
    offer = complete(typed.words, typed.begun, root)
    breaks = "" if typed.quote else os.environ.get("COMP_WORDBREAKS", "")
    kept = max((typed.begun.rfind(mark) for mark in breaks if mark in ":="), default=-1) + 1
    yield offer.paths
    for word, _ in offer.words:
        yield word[kept:] if typed.quote else _escaped(word[kept:])


class Typed:
    """A line as it was typed.

    Attributes:
        words: The words behind the program, without quotes, but for the last.
        begun: The last word, which may be empty.
        quote: The quote that the last word is in; empty where there is none.
    """

    def __init__(self, words: list[str], begun: str, quote: str) -> None:
        """Hold what was found.

        Args:
            words: The words, but for the last.
            begun: The last.
            quote: The quote it is in.
        """
        self.words, self.begun, self.quote = words, begun, quote


def split_line(line: str) -> Typed:
    """Split a line into words as a shell does; the last may be unfinished.

    Args:
        line: What stands before the cursor, the program first, or variables before it.

    Returns:
        The words.
    """
    words, word, quote = list[str](), "", ""
    characters = iter(line)
    for character in characters:
        if character == "\\" and quote != "'":
            word += next(characters, "")
        elif quote:
            quote, word = ("", word) if character == quote else (quote, word + character)
        elif character in "'\"":
            quote = character
        elif character.isspace():
            words, word = [*words, word] if word else words, ""
        else:
            word += character
    names = [place for place, each in enumerate(words) if each.rpartition("/")[2] == PROGRAM]
    return Typed(words[(names[0] if names else 0) + 1 :], word, quote)


def _escaped(word: str) -> str:
    return "".join(f"\\{c}" if c in " \t\"'\\$`&|;<>()*?[]#!{}" else c for c in word)
