"""A registry: adding a thing is adding a function under its name."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from mayo.util.errors import UserError, did_you_mean

Item = TypeVar('Item')


class Registry(Generic[Item]):
    """Things of one `kind` by name. A name registered twice is an error of ours; an unknown one, the user's.

    >>> pools = Registry('pool')
    >>> @pools.register('avg')
    ... def average(x): return sum(x) / len(x)
    >>> pools['avg']([1, 3])
    2.0
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, Item] = {}

    def register(self, name: str) -> Callable[[Item], Item]:
        """Decorator that enters a function or class under `name`."""

        def enter(item: Item) -> Item:
            if name in self._items:
                raise ValueError(f'{self.kind} {name!r} is registered twice')
            self._items[name] = item
            return item

        return enter

    def sort(self, key: Callable[[Item], Any]) -> None:
        """Let what is registered by now be told in this order."""
        self._items = dict(sorted(self._items.items(), key=lambda entry: key(entry[1])))

    def __getitem__(self, name: str) -> Item:
        if name not in self._items:
            hint = did_you_mean(name, self) or '.'
            raise UserError(f'unknown {self.kind} `{name}`{hint} Known: {", ".join(self)}.')
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
