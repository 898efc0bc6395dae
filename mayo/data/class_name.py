"""The two names of a class."""

from typing import NamedTuple


class ClassName(NamedTuple):
    """A class: what the source calls it (the name of its folder), and the name to show."""

    key: str
    text: str
