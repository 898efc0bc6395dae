"""Completion in bash, zsh and fish: `./my completion SHELL` prints the script, which asks `./my completion words LINE`.

    ./my mo<Tab>                                       models/  model.
    ./my models/cifarnet.yaml model.layers.conv0.<Tab>  the keys of that file
    ./my system.checkpoint.load=<Tab>                  the checkpoints of the model and dataset named before
    ./my export.formats=onnx,<Tab>                     what else may stand there

A candidate that goes on ends with `.`, `/`, `=` or `,`, and gets no space. Every name comes from the declarations of the settings
and actions, and from the files that the line names; needs no TensorFlow.
"""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from mayo.actions import actions
from mayo.cli.habits import OPTIMIZERS
from mayo.cli.output import FLAGS
from mayo.cli.words import kind, yaml_files
from mayo.config import Config
from mayo.util import settings
from mayo.util.errors import MayoError, UserError, did_you_mean
from mayo.util.kinds import FLAG, PATHS, TEXT, Kind

_BASH = r"""# Completion of my for bash:  source <(./my completion bash), or this line in ~/.bashrc
_my_complete() {
    local line="${COMP_LINE:0:COMP_POINT}" program="${COMP_WORDS[0]/#\~/$HOME}"
    local word="${line##*[[:space:]]}" candidate
    local before="${word%"${word##*[=:]}"}"    # readline replaces what stands behind the last = or : alone
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ -n $candidate ]] && COMPREPLY+=("${candidate#"$before"}")
    done < <("$program" completion words "$line" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -gt 0 && ${COMPREPLY[0]} == *[=/.,] ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _my_complete my ./my
"""
_ZSH = r"""#compdef my
# Completion of my for zsh, after compinit:  source <(./my completion zsh)
_my_complete() {
    local -a all open closed
    all=("${(@f)$("${words[1]/#\~/$HOME}" completion words "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    open=(${(M)all:#*[=/.,]})
    closed=(${all:#*[=/.,]})
    (( ${#open} )) && compadd -Q -S '' -- "${open[@]}"
    (( ${#closed} )) && compadd -Q -- "${closed[@]}"
    return 0
}
compdef _my_complete my ./my
"""
_FISH = r"""# Completion of my for fish:  ./my completion fish | source
function __my_complete
    set -l program (commandline -opc)[1]
    string match -q '~*' -- $program; and set program (string replace '~' $HOME -- $program)
    $program completion words (commandline -cp | string collect) 2>/dev/null
end
complete -c my -f -a '(__my_complete)'
complete -c ./my -f -a '(__my_complete)'
"""
SCRIPTS = {'bash': _BASH, 'zsh': _ZSH, 'fish': _FISH}
_FILES = {'import.path', 'predict.files', 'dataset.path.train', 'dataset.path.validate', 'dataset.path', 'bench.artifact'}
_CHECKPOINTS = ('system.checkpoint.load', 'mean.checkpoints', 'plot.checkpoints')


def answer(words: Sequence[str]) -> str:
    """What `completion WORDS` prints. UserError: no such shell."""
    if len(words) == 2 and words[0] == 'words':
        return '\n'.join(candidates(words[1]))
    if len(words) != 1 or words[0] not in SCRIPTS:
        given = ' '.join(words)
        raise UserError(
            f'completion: {given or "no shell"}: expected one of {", ".join(SCRIPTS)}{did_you_mean(given, SCRIPTS) or "."}'
        )
    return SCRIPTS[words[0]]


def candidates(line: str) -> list[str]:
    """What the last word of the line may be, which is empty after white space; sorted, each once, at most to its next `.` or `/`.

    >>> candidates('./my confi'), candidates('./my info.format=y')
    (['config', 'config.'], ['info.format=yaml'])
    """
    *before, word = re.split(r'(?<!\\)\s+', line.lstrip())
    word = word.lstrip('"\'')
    earlier = [text.strip('"\'') for text in before[1:]]
    return sorted({text for text in _all(earlier, word) if text.startswith(word) and not set(text) & set('\n\t ')})


def _all(before: Sequence[str], word: str) -> Iterable[str]:
    if before[:1] == ['completion']:
        return SCRIPTS
    if before[:1] == ['help']:
        return _steps(word, [*actions, *settings.settings()], '.')
    if word.startswith('-'):
        return (*FLAGS, '--help', '--version', *(['--full'] if 'version' in before else []))
    if '=' in word:
        key, _, value = word.partition('=')
        return (f'{key}={text}' for text in _values(key.rstrip('+'), value, before))
    removed = '~' if word.startswith('~') and not word.startswith('~/') else ''
    keys = _steps(word.removeprefix(removed), (f'{key}=' if not removed else key for key in _keys(word, before)), '.')
    names = (
        () if removed else (*actions, 'help', 'completion', *_steps(word, yaml_files(), '/'), *_paths(word, ('.yaml', '.yml')))
    )
    return (*names, *(f'{removed}{key}' for key in keys))


def _steps(word: str, names: Iterable[str], separator: str) -> Iterator[str]:
    """The names that begin with the word, up to their next separator."""
    for name in names:
        if name.startswith(word):
            end = name.find(separator, len(word))
            yield name if end < 0 else name[: end + 1]


def _keys(word: str, before: Sequence[str]) -> Iterator[str]:
    """Every setting, and what the files of the line have beside them."""
    yield from settings.settings()
    if word.startswith(('_', '~_', 'model', '~model', 'dataset', '~dataset', 'train.', '~train.')):
        yield from _config(before).origins()


def _config(before: Sequence[str]) -> Config:
    """The configuration of the words so far, of those that can be merged."""
    config = Config.default()
    for word in before:
        with contextlib.suppress(MayoError, OSError):
            if kind(word) == 'file':
                config.merge_file(word)
            elif kind(word) == 'override':
                config.merge_word(word)
    return config


def _values(key: str, value: str, before: Sequence[str]) -> Iterator[str]:
    """What may stand behind `key=`. A list goes on behind a comma."""
    done, comma, _ = value.rpartition(',')
    head = done + comma if comma else '[' if value.startswith('[') else ''
    taken = set(head.strip('[').split(','))
    setting = settings.settings().get(key)
    names = [*_names(key, setting.kind if setting else None, before)]
    yield from (head + name for name in names if name not in taken)
    named = names and '/' not in value
    if not comma and not named and (setting is None or setting.kind in (PATHS, TEXT) or key in _FILES):
        yield from _paths(value)


def _names(key: str, kind: Kind | None, before: Sequence[str]) -> Iterator[str]:
    if key in _CHECKPOINTS:
        yield from _checkpoints(before)
        yield from ('latest', 'null') if key == _CHECKPOINTS[0] else ()
    elif key == 'train.optimizer':
        yield from OPTIMIZERS.values()
    elif key == '_gate.policy':
        from mayo.layers.policy import discover, policies

        discover()
        yield from policies
    elif kind is FLAG:
        yield from ('true', 'false')
    elif kind is not None:
        yield from kind.names


def _checkpoints(before: Sequence[str]) -> Iterator[str]:
    """Names in the folder of the model and dataset; without those, MODEL/DATASET/NAME would be no name."""
    from mayo.checkpoint import store

    config = _config(before)
    with contextlib.suppress(MayoError):
        model, dataset = config.get('model.name'), config.get('dataset.name')
        for path in store.all_names(config.get('system.checkpoint.path')):
            if path.parent.parts[-2:] == (model, dataset):
                yield path.name


def _paths(word: str, endings: tuple[str, ...] = ()) -> Iterator[str]:
    """Folders and files that begin with the word. endings: of the files; () for any."""
    folder, _, start = word.rpartition('/')
    above = f'{folder}/' if '/' in word else ''
    with contextlib.suppress(OSError):
        for entry in os.scandir(pathlib.Path(above or '.').expanduser()):
            if entry.name.startswith(start) and (start or not entry.name.startswith('.')):
                if entry.is_dir():
                    yield f'{above}{entry.name}/'
                elif entry.name.endswith(endings or ''):
                    yield above + entry.name
