"""How many images of each class there are, and what is right for who always says the most frequent one. Needs no TensorFlow.

Of images in class folders alone: records do not say it before they are read.
"""

import logging
from typing import NamedTuple

from mayo.config import Config
from mayo.session.own_images import images_of
from mayo.util.format import count, percent

_SHOWN = 8  # classes by name in a line
_log = logging.getLogger(__name__)


class Balance(NamedTuple):
    """Images by class, the most frequent first."""

    images: dict[str, int]

    @property
    def total(self) -> int:
        """Of all classes."""
        return sum(self.images.values())

    @property
    def largest(self) -> str:
        """The most frequent class."""
        return next(iter(self.images))

    @property
    def chance(self) -> float:
        """The share of images that are of the largest class: top-1 of who looks at none of them."""
        return self.images[self.largest] / self.total


def balance_of(config: Config, mode: str) -> Balance | None:
    """The images that `mode` reads from class folders; None if it reads records, or nothing."""
    tree = images_of(config, mode) if config.get(f'dataset.path.{mode}', None) else None
    if tree is None:
        return None
    images = {name: len(files) for name, files in tree.images.items() if files}
    return Balance(dict(sorted(images.items(), key=lambda item: -item[1])))


def tell_images(config: Config) -> None:
    """A line before a training on class folders: images, classes, and how unequal those are."""
    train, validate = (balance_of(config, mode) for mode in ('train', 'validate'))
    if train is None:
        return
    names = [f'{name} {count(images)}' for name, images in train.images.items()]
    if len(names) > _SHOWN:
        names[_SHOWN - 1 : -1] = ['...']
    more = ''
    if validate is not None:
        more = (
            f'; {count(validate.total)} to validate with, of which always saying {validate.largest} is right for '
            f'{percent(validate.chance, 1)}'
        )
    _log.info('%s images to train on: %s%s', count(train.total), ', '.join(names), more)


def tell_if_useless(config: Config, top1: float) -> None:
    """A warning where a network is right for no more validation images than who always says the most frequent class."""
    balance = balance_of(config, 'validate')
    if balance is not None and len(balance.images) > 1 and top1 <= balance.chance + 1e-9:
        _log.warning(
            'top-1 %s is no better than always saying %s, %s: nothing is learned yet. More steps (train.max_epochs), '
            'or trained weights to start from (system.checkpoint.load, trainers/finetune.yaml), help most',
            percent(top1),
            balance.largest,
            percent(balance.chance),
        )
