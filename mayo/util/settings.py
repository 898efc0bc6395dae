"""Settings: who reads a key of the configuration declares it, once: what it may hold, its default, and what it means.

    declare(
        Section(
            'search',
            'densities for each layer',
            Setting('trials', whole(1), 60, 'choices that are tried'),
            Setting('path', YAML_FILE, None, 'overlay that is written; null: MODEL-DATASET-densities.yaml'),
        )
    )

From the declarations follow the defaults, which keys are known, what is told of a wrong value, and which words keep a session.
"""

import bisect
import copy
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from mayo.util.kinds import Kind


class Setting(NamedTuple):
    """One key of a section.

    key: below the section, such as `distill.weight`.
    kind: None where those who read the value check it, as that of `model.layers`.
    default: as YAML has it. None is "not set", and then null is a right value whatever the kind.
    remedy: what a user can do who has to set it, as the end of a sentence; '' if that of the section serves.
    changes_session: whether another value makes another session; None: as the section says.
    """

    key: str
    kind: Kind | None
    default: Any
    meaning: str
    remedy: str = ''
    changes_session: bool | None = None

    def fits(self, value: Any) -> bool:
        """Whether the setting may hold the value."""
        return self.kind is None or (value is None and self.default is None) or self.kind.fits(value)

    def read(self, value: Any) -> Any:
        """The value in the form that code uses; one that does not fit, as it is: a check tells about it."""
        return self.kind.read(value) if self.kind is not None and self.kind.fits(value) else value


class Section:
    """The settings that one owner declares below a name, such as `search` or `train.anneal`."""

    def __init__(self, name: str, meaning: str, *settings: Setting, remedy: str = '', changes_session: bool = False) -> None:
        """changes_session: whether a word that changes these settings drops the network that earlier actions left."""
        self.name, self.meaning, self.remedy, self.changes_session = name, meaning, remedy, changes_session
        self.settings = {f'{name}.{setting.key}': setting for setting in settings}

    def changes(self, key: str) -> bool:
        """Whether another value of a setting of the section makes another session."""
        own = self.settings[key].changes_session
        return self.changes_session if own is None else own


_shared: list[Section] = []
_others: list[Section] = []


def declare(section: Section, shared: bool = False) -> Section:
    """Let the configuration have the settings of a section. ValueError: a key twice, no meaning, or an unfit default.

    shared: several read them. They stand before those that one action alone reads, whatever is imported first.
    """
    known = settings()
    for key, setting in section.settings.items():
        if key in known:
            raise ValueError(f'the setting {key} is declared twice')
        if not setting.meaning:
            raise ValueError(f'the setting {key} does not say what it means')
        if not setting.fits(setting.default):
            raise ValueError(f'the default of {key} is {setting.default!r}, expected {setting.kind and setting.kind.expected}')
    if shared:
        _shared.append(section)
    else:
        bisect.insort(_others, section, key=lambda other: other.name)
    return section


def sections() -> tuple[Section, ...]:
    """All that are declared, as `config` prints them: the shared ones as they were, then those of single actions by name."""
    return (*_shared, *_others)


def settings() -> Mapping[str, Setting]:
    """Every setting by its whole key."""
    return _settings_of(sections())


@functools.cache
def _settings_of(sections: tuple[Section, ...]) -> Mapping[str, Setting]:
    return {key: setting for section in sections for key, setting in section.settings.items()}


def defaults() -> dict[str, Any]:
    """The default of every setting, nested as in YAML."""
    tree: dict[str, Any] = {}
    for key, setting in settings().items():
        *above, last = key.split('.')
        place = tree
        for part in above:
            place = place.setdefault(part, {})
        place[last] = copy.deepcopy(setting.default)
    return tree


def read(key: str, value: Any) -> Any:
    """What the configuration holds under a key, in the form that code uses: of one setting, or of all below the key."""
    known = settings()
    if key in known:
        return known[key].read(value)
    for name, setting in known.items():
        if name.startswith(f'{key}.'):
            _read_inside(value, name.removeprefix(f'{key}.').split('.'), setting)
    return value


def _read_inside(value: Any, path: list[str], setting: Setting) -> None:
    *above, last = path
    for part in above:
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, dict) and last in value:
        value[last] = setting.read(value[last])


def remedy(key: str) -> str:
    """What a user can do who has to set `key`, as the end of a sentence."""
    setting = settings().get(key)
    if setting is not None and setting.remedy:
        return setting.remedy
    above = [section for section in sections() if section.remedy and key.startswith(f'{section.name}.')]
    return max(above, key=lambda section: len(section.name)).remedy if above else f'set it, e.g. {key}=VALUE'


def of_session(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a whole configuration without the settings of which another value makes no other session."""
    kept = copy.deepcopy(dict(values))
    for section in sections():
        for key in section.settings:
            if not section.changes(key):
                _drop(kept, key.split('.'))
    return kept


def _drop(values: dict[str, Any], path: list[str]) -> None:
    *above, last = path
    for part in above:
        inner = values.get(part)
        if not isinstance(inner, dict):
            return
        values = inner
    values.pop(last, None)
