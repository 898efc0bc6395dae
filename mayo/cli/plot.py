"""What `plot` draws, read from a session and its configuration."""

import logging
import pathlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mayo.config import Config
from mayo.estimate import estimate
from mayo.util import picture
from mayo.util.errors import Problems, RunError, UserError
from mayo.util.files import require_room
from mayo.util.format import count

if typing.TYPE_CHECKING:
    from mayo.report import Picture, Point
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

_log = logging.getLogger(__name__)
EXAMPLES = 8  # images in a row of examples
_DATA = ('dataset.path', 'dataset.num_examples_per_epoch', 'system', 'eval')  # that every checkpoint is evaluated with


def plotted(session: 'Session', evaluation: 'Evaluation | None' = None) -> pathlib.Path:
    """Draw all that plot.pictures asks for; the page that shows it. evaluation: of the network as it is, if there is one."""
    from mayo import report

    config = session.config
    settings = config.get('plot')
    picture.check('`plot`', 'plot')
    require_room(folder(config), 'plot.path')
    session.load()
    wanted = [name for name in settings['pictures'] if name not in ('channels', 'saliency')]
    others = _others(session) if 'tradeoff' in wanted else {}
    pictures = list(_of_gates(session, settings)) if _is_gated(session) else []
    makers = {
        'macs': lambda: _macs(session, evaluation),
        'tradeoff': lambda: _tradeoff(session, others),
        'training': lambda: _training(session),
    }
    for name in wanted:
        pictures += makers[name]()
    if not pictures:
        raise RunError(
            '`plot` has nothing to draw: of plot.pictures, the network has no gates for `channels` and `saliency`, '
            'and there is no record of a training.'
        )
    title = f'{config.get("model.description") or session.model_name}, {config.get("dataset.name")}'
    return report.write(pictures, folder(config), title, _lead(session))


def folder(config: Config) -> pathlib.Path:
    """plot.path, or plots/MODEL/DATASET."""
    path = config.get('plot.path') or pathlib.Path('plots', config.get('model.name'), config.get('dataset.name'))
    return pathlib.Path(path).expanduser()


def _lead(session: 'Session') -> str:
    costs = estimate(session.graph, session.input_shape)
    dense, executed = (count(sum(getattr(cost, key) for cost in costs)) for key in ('dense', 'executed'))
    return (f'Weights of {session.weights}. ' if session.weights else 'Random weights. ') + (
        f'{dense} multiply-accumulates (MACs) dense, {executed} executed as configured, for one image.'
    )


def _is_gated(session: 'Session') -> bool:
    from mayo.net.tf.layer.conv import GatedConvolution

    return any(isinstance(layer, GatedConvolution) for layer in session.network.node_layers.values())


def _of_gates(session: 'Session', settings: dict[str, Any]) -> Iterator['Picture']:
    """Heatmaps, histograms and examples, from one pass over the images."""
    from mayo import report
    from mayo.session.gate_use import gate_use

    wanted = set(settings['pictures'])
    if not wanted & {'channels', 'saliency'} and not settings['examples']:
        return
    use = gate_use(session, settings['images'], EXAMPLES if settings['examples'] else 0)
    if 'channels' in wanted:
        yield from (report.channels(layer.name, layer.active, use.classes) for layer in use.layers)
    if 'saliency' in wanted:
        yield report.saliency(
            [(layer.name, layer.saliency.counts, layer.saliency.top, layer.saliency.zeros) for layer in use.layers]
        )
    if settings['examples']:
        yield from (
            report.examples(layer.name, layer.active.shape[1], layer.fewest, layer.most, use.classes) for layer in use.layers
        )


def _macs(session: 'Session', evaluation: 'Evaluation | None') -> list['Picture']:
    from mayo import report

    measured = evaluation is not None and bool(evaluation.counts)
    costs = estimate(session.graph, session.input_shape, evaluation.counts if evaluation else None)
    said = f'measured over {count(evaluation.images)} images' if evaluation and measured else 'as configured'
    return [report.bars(costs, said)]


def _others(session: 'Session') -> dict[str, Config]:
    """The configurations of the checkpoints of plot.checkpoints. UserError for one that is named there and has none."""
    problems, found = Problems(), {}
    for name in _checkpoints(session):
        with problems.collecting():
            found[name] = _config_of(session, name)
    if session.config.get('plot.checkpoints') is not None:
        problems.raise_any()
    for problem in problems:
        _log.warning('not among the points: %s', problem)
    return found


def _tradeoff(session: 'Session', others: Mapping[str, Config]) -> list['Picture']:
    """Every checkpoint with the network that its own configuration describes."""
    from mayo import report
    from mayo.report.curve import PUBLISHED
    from mayo.session.evaluate import evaluate

    points: list[Point] = []
    images = 0
    for name, config in others.items():
        try:
            other = session.sibling(config)
            result = evaluate(other)
        except UserError as error:
            _log.warning('not among the points: %s', error)
            continue
        images = result.images
        points.append(report.Point(name, _executed(other, result), result.top1))
        _log.info('%s: %s', name, result.render())
    published = PUBLISHED.get((session.model_name, session.config.get('dataset.name')), ())
    return [report.tradeoff(points, images, published)] if points else []


def _executed(session: 'Session', result: 'Evaluation') -> int:
    return sum(cost.executed for cost in estimate(session.graph, session.input_shape, result.counts))


def _checkpoints(session: 'Session') -> Sequence[str]:
    """plot.checkpoints; else all in the folder but those that training leaves on its way."""
    named = session.config.get('plot.checkpoints')
    if named is not None:
        return named
    from mayo.checkpoint.store import is_passing

    return [name for name in session.store.names() if not is_passing(name)]


def _config_of(session: 'Session', name: str) -> Config:
    """The configuration that a checkpoint was trained with, reading the data of this session. UserError if it has none."""
    from mayo.session.stored import stored_config

    prefix = session.store.resolve(name, key='plot.checkpoints')
    config = stored_config(prefix)
    if config is None:
        raise UserError(f'{name}: the checkpoint does not hold its configuration, so its network is not known.')
    for key in _DATA:
        config.merge_values(_nested(key, session.config.get(key)), name)
    config.merge_values({'system': {'checkpoint': {'load': str(prefix)}}}, name)
    return config


def _nested(key: str, value: Any) -> Any:
    for part in reversed(key.split('.')):
        value = {part: value}
    return value


def _training(session: 'Session') -> list['Picture']:
    from mayo import report
    from mayo.training.history import runs

    return [report.training(run, lines) for run, lines in runs(session.store.folder).items()]
