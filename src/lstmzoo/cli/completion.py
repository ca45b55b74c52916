"""``lstmzoo completion``: the completion script of a shell.

The script holds all words itself (commands, groups and their choices, keys, cells), so that completing is instant and
starts no Python; print it again after an update, or after adding choices of your own.
"""

from collections.abc import Sequence

from lstmzoo.errors import LstmzooError, unknown_choice

USAGE = """\
usage: lstmzoo completion bash|zsh|fish

  bash   lstmzoo completion bash >> ~/.bash_completion
  zsh    lstmzoo completion zsh > ~/.zfunc/_lstmzoo     with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  fish   lstmzoo completion fish > ~/.config/fish/completions/lstmzoo.fish
"""

BASH = """\
# lstmzoo: completion for bash; printed by `lstmzoo completion bash`
_lstmzoo() {{
    local current=${{COMP_LINE:0:COMP_POINT}} words
    current=${{current##* }}
    if [ "$COMP_CWORD" -le 1 ]; then words="{commands}"; else
        case ${{COMP_WORDS[1]}} in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    # "=" parts words in bash: what stands before it is there already
    [[ $current == *=* ]] && COMPREPLY=("${{COMPREPLY[@]#"${{current%"${{current##*=}}"}}"}}")
    [[ ${{#COMPREPLY[@]}} == 1 && ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
    [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- "${{current##*=}}"))
}}
complete -o default -F _lstmzoo lstmzoo
"""

ZSH = """\
#compdef lstmzoo
# lstmzoo: completion for zsh; printed by `lstmzoo completion zsh`
local -a words_
if (( CURRENT <= 2 )); then words_=({commands}); else
    case ${{words[2]}} in
{cases}
    esac
fi
compadd -S '' -- $words_ || _files
"""


def run(argv: Sequence[str]) -> None:
    """Print the script of the shell that the arguments name."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE, end="")
        return
    if argv[0] not in SCRIPTS:
        raise LstmzooError(unknown_choice("shell", argv[0], SCRIPTS))
    print(SCRIPTS[argv[0]](words_by_command()), end="")


def words_by_command() -> dict[str, list[str]]:
    """The words that can follow each command."""
    from lstmzoo.cli import COMMANDS
    from lstmzoo.cli.catalogue import KINDS
    from lstmzoo.cli.data import ACTIONS, names_with
    from lstmzoo.cli.export import ExportOptions
    from lstmzoo.cli.measure import BENCHMARKS
    from lstmzoo.cli.use import EvalOptions, InspectSplitOptions, PredictOptions
    from lstmzoo.models.pretrained.names import shipped
    from lstmzoo.registry import datasets, tasks
    from lstmzoo.settings import settings_of

    kinds = [tasks.get(name).target for name in tasks.names()]
    predicting: list[type] = [PredictOptions, *(kind.predictor() for kind in kinds)]
    inspecting: list[type] = [InspectSplitOptions, *(kind.inspector() for kind in kinds)]
    data = [*(f"data={name}" for name in datasets.names()), "data.root="]
    weights = [f"ckpt_path={name}" for name in shipped()]
    found = {
        "train": _training(),
        "eval": [*(f"{key}=" for key in settings_of(EvalOptions)), "results=", *data, *weights],
        "predict": [*sorted({f"{key}=" for one in predicting for key in settings_of(one)}), *weights],
        "inspect": [*sorted({f"{key}=" for one in inspecting for key in settings_of(one)}), *weights],
        "export": [f"{key}=" for key in settings_of(ExportOptions)],
        "data": [*ACTIONS, *sorted({name for action in ACTIONS for name in names_with(action)}), "root="],
        "list": list(KINDS),
        "bench": list(BENCHMARKS),
        "completion": list(SCRIPTS),
    }
    return {command: found.get(command, []) for command in COMMANDS}


def _training() -> list[str]:
    """Choices of groups, keys of the default configuration and of every registered choice, and cells."""
    from lstmzoo.config.compose import compose_unset
    from lstmzoo.config.groups import groups, settings_of_choice
    from lstmzoo.config.keys import all_keys
    from lstmzoo.nn import list_cells
    from lstmzoo.training.setting_groups import GROUPS

    choices = groups()
    words = [f"{group}={choice}" for group, names in choices.items() for choice in names]
    keys = {key for key in all_keys(compose_unset("train", [])) if key.partition(".")[0] != "hydra"}
    for group, (registry, _) in GROUPS.items():
        keys |= {f"{group}.{key}" for name in registry.names() for key in settings_of_choice(group, name)}
    words += [f"{key}=" for key in sorted(keys) if key not in choices]
    return [
        *words,
        *(f"model.cell={cell}" for cell in list_cells()),
        "output=",
        "resume=latest",
        "-m",
        "--cfg",
        "--help",
    ]


def _bash(words: dict[str, list[str]]) -> str:
    cases = "\n".join(f"            {name}) words={_quoted(found)} ;;" for name, found in words.items())
    return BASH.format(commands=" ".join(words), cases=cases)


def _zsh(words: dict[str, list[str]]) -> str:
    cases = "\n".join(f"        {name}) words_=({' '.join(map(_single, found))}) ;;" for name, found in words.items())
    return ZSH.format(commands=" ".join(words), cases=cases)


def _fish(words: dict[str, list[str]]) -> str:
    lines = ["# lstmzoo: completion for fish; printed by `lstmzoo completion fish`"]
    lines.append(f"complete -c lstmzoo -n __fish_use_subcommand -f -a {_quoted(list(words))}")
    for name, found in words.items():
        lines.append(f"complete -c lstmzoo -n '__fish_seen_subcommand_from {name}' -a {_quoted(found)}")
    return "\n".join(lines) + "\n"


def _quoted(words: Sequence[str]) -> str:
    return _single(" ".join(words))


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
