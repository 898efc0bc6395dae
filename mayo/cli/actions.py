"""The actions: one function each, entered under its name. Its docstring is its line in `--help`."""

import logging
import shutil
import typing
from collections.abc import Callable, Sequence
from typing import Any

from mayo.cli.process import start_tensorflow
from mayo.util.registry import Registry

if typing.TYPE_CHECKING:
    from mayo.config import Config
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

_log = logging.getLogger(__name__)
_SHOWING = ('config', 'info', 'eval', 'bench', 'export', 'plot', 'slim', 'predict')  # sections that change no session


class Run:
    """What the actions of a line share: the configuration so far, and one session while that holds."""

    def __init__(self, config: 'Config') -> None:
        self.config = config
        self.evaluation: Evaluation | None = None
        self._session: Session | None = None

    def at(self, config: 'Config') -> 'Run':
        """Go on with `config`; a session of a different configuration is dropped, with what it measured."""
        if config is not self.config:
            if _substance(config) != _substance(self.config):
                self._session = self.evaluation = None
            self.config = config
        return self

    def take(self, session: 'Session') -> None:
        """Let the actions that follow have another session's network."""
        self._session = session

    @property
    def session(self) -> 'Session':
        """The network, data and checkpoint of the configuration; the first use starts TensorFlow."""
        start_tensorflow()
        from mayo.session.base import Session

        if self._session is None:
            self._session = Session(self.config)
        self._session.config = self.config
        return self._session


actions: Registry[Callable[[Run], None]] = Registry('action')


def run(words: Sequence[str]) -> None:
    """Check the whole line, then carry out its actions in order."""
    from mayo.actions import checks
    from mayo.cli.words import plan
    from mayo.session.own_images import completed

    line = plan(words, list(actions), checks.problems, completed)
    ignored = [key for step in line.steps for key in step.config.ignored()]
    if ignored:
        from mayo.config.dialect import warning

        _log.warning('%s', warning(ignored))
    state = Run(line.steps[0].config)
    for step in line.steps:
        actions[step.action](state.at(step.config))
    if line.trailing:
        _log.warning('after the last action, so without effect: %s', ' '.join(line.trailing))


def _substance(config: 'Config') -> dict[str, Any]:
    """The resolved configuration without what only says how or where to put results."""
    whole = config.to_dict(scratch=False)
    for section in _SHOWING:
        whole.pop(section, None)
    whole['system'] = {**whole['system'], 'log': None, 'checkpoint': {**whole['system']['checkpoint'], 'save': None}}
    return whole


@actions.register('ls')
def ls(run: Run) -> None:
    """List models, gates, datasets, trainers and checkpoints."""
    from mayo.cli import shelf

    print(shelf.listing(run.config.get('system.checkpoint.path'), _width()))


@actions.register('config')
def config(run: Run) -> None:
    """Print the configuration (config.origin=true: and its origins)."""
    print(run.config.to_yaml(origin=run.config.get('config.origin')), end='')


@actions.register('check')
def check(run: Run) -> None:
    """Validate everything that an action would need, run nothing."""
    from mayo.actions.checks import readiness

    for action, missing in readiness(run.config).items():
        print(f'{action:<18}{"needs " + ", ".join(missing) if missing else "ready"}')


@actions.register('prepare')
def prepare(run: Run) -> None:
    """Turn a raw dataset (URL, archive or folder) into TFRecords."""
    start_tensorflow()
    from mayo.session.prepare import prepare

    prepare(run.config)


@actions.register('info')
def info(run: Run) -> None:
    """Layers table: shapes, parameters, MACs, densities, memory."""
    from mayo.session import info as table

    counts = run.evaluation.counts if run.evaluation else None
    record = table.info(run.config, counts)
    _write(table.render(record, run.config.get('info.format'), _width()), run.config.get('info.path'))


@actions.register('train')
def train(run: Run) -> None:
    """Train the network, saving checkpoints."""
    session = run.session
    from mayo.training.trainer import train

    run.evaluation = None
    train(session)


@actions.register('anneal')
def anneal(run: Run) -> None:
    """Lower the density stage by stage, training and saving each."""
    session = run.session
    from mayo.training.anneal import anneal

    run.evaluation = None
    record, last = anneal(session)
    run.take(last)
    print(record.render(run.config.get('anneal.until_top1'), _width()))


@actions.register('eval')
def evaluate(run: Run) -> None:
    """Top-1, top-5, measured density and images/s."""
    session = run.session
    from mayo.session.evaluate import evaluate

    run.evaluation = evaluate(session)
    print(run.evaluation.render())


@actions.register('eval-all')
def evaluate_all(run: Run) -> None:
    """Evaluate every checkpoint of the model and dataset into a CSV."""
    session = run.session
    from mayo.session.evaluate import evaluate_all

    _write(evaluate_all(session), run.config.get('eval.path'))


@actions.register('predict')
def predict(run: Run) -> None:
    """Labels and probabilities of image files and folders."""
    session = run.session
    from mayo.session.predict import predict, render
    from mayo.util.errors import RunError

    found = predict(session)
    _write(render(found, run.config.get('predict.format')), run.config.get('predict.path'))
    if found.unreadable:
        raise RunError('\n'.join(found.unreadable))


@actions.register('slim')
def slim(run: Run) -> None:
    """Drop channels that matter least: a smaller model."""
    session = run.session
    from mayo.cli.slim import slim

    print(slim(session).render(_width()))


@actions.register('bench')
def bench(run: Run) -> None:
    """Time and memory of dense, masked, compact, side by side."""
    session = run.session
    from mayo.bench import plot, render
    from mayo.cli.bench import measured

    format, path, picture = (run.config.get(f'bench.{key}') for key in ('format', 'path', 'plot'))
    found = measured(session)
    _write(render(found, format, _width()), path)
    if picture is not None:
        plot.plot(found, picture)
        _log.info('written: %s', picture)


@actions.register('export')
def export(run: Run) -> None:
    """Compact network as SavedModel, TFLite and ONNX files."""
    session = run.session
    from mayo.cli.export import exported

    print(exported(session).render())


@actions.register('plot')
def plot(run: Run) -> None:
    """Pictures of gates, costs, accuracy and training, on a page."""
    session = run.session
    from mayo.cli.plot import plotted
    from mayo.util.files import shown

    print(shown(plotted(session, run.evaluation)))


@actions.register('import-weights')
def import_weights(run: Run) -> None:
    """Import weights of Keras or TensorFlow 1 as a checkpoint."""
    session = run.session
    from mayo.session.imported import import_weights

    import_weights(session)


@actions.register('mean')
def mean(run: Run) -> None:
    """Average the weights of several checkpoints."""
    session = run.session
    from mayo.session.mean import load_mean

    run.evaluation = None
    load_mean(session)


@actions.register('search')
def search(run: Run) -> None:
    """Densities for each layer, by target MACs or accuracy, as YAML."""
    session = run.session
    from mayo.cli.search import searched

    print(searched(session))


@actions.register('reset-num-epochs')
def reset_num_epochs(run: Run) -> None:
    """Count training epochs from zero again, keeping the weights."""
    run.session.reset_num_epochs()


@actions.register('save')
def save(run: Run) -> None:
    """Write the weights as checkpoint system.checkpoint.save."""
    run.session.save()


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def _write(text: str, path: str | None) -> None:
    """Print `text`, or put it into the file `path` as a whole."""
    if path is None:
        print(text.rstrip('\n'))
        return
    from mayo.util.files import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(text.rstrip('\n') + '\n', encoding='utf-8')
    _log.info('written: %s', path)
