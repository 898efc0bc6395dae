"""`--help`: one screen that says what this is, the words, every action, and what to paste first."""

from collections.abc import Container, Sequence

from mayo.actions import Action
from mayo.util import files
from mayo.util.registry import Registry

_SCREEN = """\
Mayo trains and evaluates image networks with Feature Boosting and Suppression
(FBS), which skip the channels that an image does not need, from YAML.

Usage: {my} WORD...     all are checked, then act left to right
  FILE.yaml            merge this file over the configuration so far
  KEY.PATH=VALUE       set one value; KEY+=[VALUE] appends, ~KEY removes
  ACTION               act on the configuration so far

Actions:
{actions}

Examples:
  {my} models/cifarnet.yaml datasets/fashion_mnist.yaml info
  {my} models/gate/cifarnet.yaml datasets/fashion_mnist.yaml \\
      _gate.density=0.5 system.checkpoint.load=gate50 eval info
  {my} models/vgg16.yaml datasets/imagenet.yaml info info.format=csv info
  {my} datasets/fashion_mnist.yaml prepare models/lenet5.yaml \\
      trainers/lenet5.yaml train eval
  {my} models/gate/cifarnet.yaml datasets/cifar10.yaml config.origin=true config

More: {my} ACTION --help, {my} help KEY|LAYER|GATE|STEP|TRAINER; --version
Exit: 0 done, 1 failed, 2 a mistake in words or files, 130 or 143 a signal."""

_HELP = ('-h', '--help')


def program() -> str:
    """The command as the user types it: `./my` in a checkout, `my` when installed."""
    return './my' if files.IS_CHECKOUT else 'my'


def asked(words: Sequence[str], actions: Container[str]) -> list[str] | None:
    """The names that a line asks about, none for the screen; None if it asks for no help.

    >>> asked(['help', 'train.average'], ['train']), asked(['a.yaml', 'train', '--help'], ['train']), asked(['train'], ['train'])
    (['train.average'], ['train'], None)
    """
    if words and words[0] == 'help':
        return [word for word in words[1:] if word not in _HELP]
    for position, word in enumerate(words):
        if word in _HELP:
            return [before for before in words[:position] if before in actions][-1:]
    return None if words else []


def screen(actions: Registry[Action]) -> str:
    """The text of `--help`: at most 50 lines of 80 columns."""
    width = max(map(len, actions)) + 1
    lines = (f'  {name:<{width}}{actions[name].line}' for name in actions)
    return _SCREEN.format(my=program(), actions='\n'.join(lines))
