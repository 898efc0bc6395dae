"""What an action says of itself, and what it is handed when it runs.

    @action('save', place=210, needs=NETWORK, reads=(), loads=True, makes=(CHECKPOINTS,))
    def save(run: Run) -> None:
        \"\"\"Write the weights as checkpoint system.checkpoint.save.\"\"\"        # its line in `--help`
        run.session.save()

Checking a line, `--help`, `check` and the defaults of the configuration ask nothing but these declarations. The modules of
actions are imported for `--help`: what takes time to import, TensorFlow most of all, they import when they check or run.
"""

import logging
import pathlib
import shutil
import typing
from collections.abc import Callable, Collection, Iterable
from typing import Final, Literal

from mayo.util.registry import Registry
from mayo.util.settings import Section, declare, of_session

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

_log = logging.getLogger(__name__)
MODEL = ('model.layers', 'model.graph', 'dataset.task.preprocess.shape')
NETWORK = (*MODEL, 'model.name', 'dataset.name', 'dataset.task.num_classes')
VALIDATION = (*NETWORK, 'dataset.path.validate')
TRAINING_DATA = (*NETWORK, 'dataset.path.train', 'dataset.num_examples_per_epoch.train')

# What actions make and others read.
CHECKPOINTS: Final = 'checkpoints'
RECORDS: Final = 'records'
ARTIFACTS: Final = 'artifacts'
Product = Literal['checkpoints', 'records', 'artifacts']
Reads = Literal['train', 'validate', 'steps']

# (configuration, what earlier actions of the line make) -> what would stop the action, a line each; or a UserError
Check = Callable[['Config', Collection[Product]], Iterable[str]]


class Action(typing.NamedTuple):
    """A verb of the command line.

    line: in `--help`. place: there and in `check`, the lowest first; of one place, by name.
    needs: settings without which it cannot do anything; `model.layers` among them: it builds the network.
    reads: images of `train` or `validate`; `steps`: only the preprocessing of validation.
    loads: whether it starts from system.checkpoint.load. trains: whether it follows the settings of `train`.
    gated: whether it needs a model with gates. These are functions of the configuration, but for `loads`.
    makes: what later actions of the line may read that is not there yet. settings: the sections that it alone reads.
    check: what else would stop it, told before anything runs. check_first: what it tells stands for the settings that lack.
    unasked: what `check` tells of it: whether it is `ready` and what would stop it; only that it is `listed`; or `nothing`.
    any_configuration: whether it runs whatever is wrong with the configuration.
    """

    name: str
    line: str
    place: int
    run: Callable[['Run'], None]
    needs: Callable[['Config'], tuple[str, ...]]
    reads: Callable[['Config'], Iterable[Reads]]
    loads: bool
    makes: tuple[Product, ...]
    settings: tuple[Section, ...]
    trains: Callable[['Config'], bool]
    gated: Callable[['Config'], bool]
    check: Check | None
    check_first: bool
    unasked: Literal['ready', 'listed', 'nothing']
    any_configuration: bool


LAST: Final = 1000
actions: Registry[Action] = Registry('action')


def action(
    name: str,
    *,
    place: int = LAST,
    needs: tuple[str, ...] | Callable[['Config'], tuple[str, ...]],
    reads: tuple[Reads, ...] | Callable[['Config'], Iterable[Reads]],
    loads: bool,
    makes: tuple[Product, ...],
    settings: tuple[Section, ...] = (),
    check: Check | None = None,
    trains: bool | Callable[['Config'], bool] = False,
    gated: bool | Callable[['Config'], bool] = False,
    check_first: bool = False,
    unasked: Literal['ready', 'listed', 'nothing'] = 'ready',
    any_configuration: bool = False,
) -> Callable[[Callable[['Run'], None]], Callable[['Run'], None]]:
    """Decorator that enters a function as the action `name`, with its sections of settings; its docstring is its line.

    needs, reads, trains, gated: functions where they depend on the configuration.
    """

    def enter(run: Callable[['Run'], None]) -> Callable[['Run'], None]:
        line = (run.__doc__ or '').strip().partition('\n')[0].rstrip('.')
        if not line:
            raise ValueError(f'the action {name} has no docstring, which is its line in --help')
        for section in settings:
            declare(section)
        actions.register(name)(
            Action(
                name,
                line,
                place,
                run,
                needs=_by_configuration(needs),
                reads=_by_configuration(reads),
                loads=loads,
                makes=makes,
                settings=settings,
                trains=_by_configuration(trains),
                gated=_by_configuration(gated),
                check=check,
                check_first=check_first,
                unasked=unasked,
                any_configuration=any_configuration,
            )
        )
        return run

    return enter


def _by_configuration(value: typing.Any) -> Callable[['Config'], typing.Any]:
    """A function of the configuration: itself, or one that always gives the value."""
    return value if callable(value) else lambda config: value


class Run:
    """What the actions of a line share: the configuration so far, and one session while that holds."""

    def __init__(self, config: 'Config', start_tensorflow: Callable[[], None] = lambda: None) -> None:
        """start_tensorflow: called before the first use of TensorFlow."""
        self.config, self.start_tensorflow = config, start_tensorflow
        self._words: Config | None = None  # what `config` is without what the checkpoint adds
        self._told: set[str] = set()
        self.evaluation: Evaluation | None = None
        self._session: Session | None = None

    def at(self, config: 'Config') -> 'Run':
        """Go on with `config`, the gates as the checkpoint that it loads has them where no word sets them.

        A session of a different configuration is dropped, with what it measured.
        """
        if config is self._words:
            return self
        self._words = config
        line = ''
        if config.get('system.checkpoint.load', None) is not None:
            from mayo.session.stored import as_trained  # NumPy comes with it

            config, line = as_trained(config)
        if line and line not in self._told:
            self._told.add(line)
            _log.info('%s', line)
        if of_session(config.to_dict(scratch=False)) != of_session(self.config.to_dict(scratch=False)):
            self._session = self.evaluation = None
        self.config = config
        return self

    def take(self, session: 'Session') -> None:
        """Let the actions that follow have another session's network."""
        self._session = session

    @property
    def earlier_session(self) -> 'Session | None':
        """The session that an earlier action has used, if the configuration is still the same."""
        return self._session

    @property
    def session(self) -> 'Session':
        """The network, data and checkpoint of the configuration; the first use starts TensorFlow."""
        self.start_tensorflow()
        from mayo.session.base import Session

        if self._session is None:
            self._session = Session(self.config)
        self._session.config = self.config
        return self._session


def folder_of_results(config: 'Config', key: str, above: str, old: str | None = None) -> pathlib.Path:
    """The folder that the setting `key` names, or the first that `old` does, or else ABOVE/MODEL/DATASET."""
    folders = old and config.get(old)
    path = config.get(key) or (folders[0] if isinstance(folders, list) else folders)
    return pathlib.Path(path or pathlib.Path(above, config.get('model.name'), config.get('dataset.name'))).expanduser()


def width() -> int:
    """Columns of the screen."""
    return shutil.get_terminal_size((120, 24)).columns


def put(text: str, path: str | None) -> None:
    """Print `text`, or put it into the file `path` as a whole."""
    if path is None:
        print(text.rstrip('\n'))
        return
    from mayo.util.files import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(text.rstrip('\n') + '\n', encoding='utf-8')
    _log.info('written: %s', path)
