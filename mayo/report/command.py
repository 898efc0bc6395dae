"""What `plot` does with a session."""

import logging
import pathlib
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence

from mayo import report
from mayo.checkpoint.history import runs
from mayo.checkpoint.store import is_passing
from mayo.estimate import estimate
from mayo.report.curve import PUBLISHED
from mayo.report.page import Picture
from mayo.util import picture
from mayo.util.errors import Problems, RunError, UserError
from mayo.util.files import require_room
from mayo.util.format import count

if typing.TYPE_CHECKING:
    from mayo.session.base import Session
    from mayo.session.evaluate import Evaluation

_log = logging.getLogger(__name__)
EXAMPLES = 8  # images in a row of examples
FEATURES = 4  # images whose features are drawn


def plotted(
    session: 'Session',
    pictures: Collection[str],
    folder: pathlib.Path,
    *,
    examples: bool = False,
    checkpoints: Sequence[str] | None = None,
    images: int | None = None,
    evaluation: 'Evaluation | None' = None,
) -> pathlib.Path:
    """Draw the pictures into the folder; the page that shows them.

    examples: also the images that used each layer least and most. checkpoints: the points of `tradeoff`; None: all in the
    folder but those that training leaves on its way. images: so many the gates see; None: all. evaluation: of the network as
    it is, if there is one.
    """
    picture.check('`plot`', 'plot')
    require_room(folder, 'plot.path')
    session.load()
    wanted = [name for name in pictures if name not in ('channels', 'saliency')]
    others = _others(session, checkpoints) if 'tradeoff' in wanted else {}
    drawn = list(_of_gates(session, pictures, examples, images)) if _is_gated(session) else []
    makers = {
        'macs': lambda: _macs(session, evaluation),
        'tradeoff': lambda: _tradeoff(session, others),
        'training': lambda: _training(session),
        'features': lambda: _features(session),
        'parameters': lambda: _parameters(session),
    }
    for name in wanted:
        drawn += makers[name]()
    if not drawn:
        raise RunError(
            '`plot` has nothing to draw: of plot.pictures, the network has no gates for `channels` and `saliency`, '
            'and there is no record of a training.'
        )
    title = f'{session.config.get("model.description") or session.model_name}, {session.config.get("dataset.name")}'
    return report.write(drawn, folder, title, _lead(session))


def _lead(session: 'Session') -> str:
    costs = estimate(session.graph, session.input_shape)
    dense, executed = (count(sum(getattr(cost, key) for cost in costs)) for key in ('dense', 'executed'))
    return (f'Weights of {session.weights}. ' if session.weights else 'Random weights. ') + (
        f'{dense} multiply-accumulates (MACs) dense, {executed} executed as configured, for one image.'
    )


def _is_gated(session: 'Session') -> bool:
    from mayo.net.tf.layer.conv import GatedConvolution

    return any(isinstance(layer, GatedConvolution) for layer in session.network.node_layers.values())


def _of_gates(session: 'Session', pictures: Collection[str], examples: bool, images: int | None) -> Iterator[Picture]:
    """Heatmaps, histograms and examples, from one pass over the images."""
    from mayo.session.gate_use import gate_use

    if not {'channels', 'saliency'} & set(pictures) and not examples:
        return
    use = gate_use(session, images, EXAMPLES if examples else 0)
    if 'channels' in pictures:
        yield from (report.channels(layer.name, layer.active, use.classes, layer.liveliness) for layer in use.layers)
    if 'saliency' in pictures:
        yield report.saliency(
            [(layer.name, layer.saliency.counts, layer.saliency.top, layer.saliency.zeros) for layer in use.layers]
        )
    if examples:
        yield from (
            report.examples(layer.name, layer.active.shape[1], layer.fewest, layer.most, use.classes) for layer in use.layers
        )


def _macs(session: 'Session', evaluation: 'Evaluation | None') -> list[Picture]:
    measured = evaluation is not None and bool(evaluation.counts)
    costs = estimate(session.graph, session.input_shape, evaluation.counts if evaluation else None)
    origin = f'measured over {count(evaluation.images)} images' if evaluation and measured else 'as configured'
    return [report.bars(costs, origin)]


def _others(session: 'Session', checkpoints: Sequence[str] | None) -> dict[str, 'Session']:
    """A session for each checkpoint. UserError for one that is named and does not hold its configuration."""
    problems, others = Problems(), {}
    named = [name for name in session.store.names() if not is_passing(name)] if checkpoints is None else checkpoints
    for name in named:
        with problems.collecting():
            others[name] = session.of_checkpoint(name, 'plot.checkpoints')
    if checkpoints is not None:
        problems.raise_any()
    for problem in problems:
        _log.warning('not among the points: %s', problem)
    return others


def _tradeoff(session: 'Session', others: Mapping[str, 'Session']) -> list[Picture]:
    """Every checkpoint with the network that its own configuration describes."""
    from mayo.session.evaluate import evaluate

    points: list[report.Point] = []
    images = 0
    for name, other in others.items():
        try:
            result = evaluate(other)
        except UserError as error:
            _log.warning('not among the points: %s', error)
            continue
        images = result.images
        live = result.mean_liveliness
        turnover = live.turnover if live else None
        points.append(report.Point(name, _executed(other, result), result.top1, turnover=turnover, spread=result.executed))
        _log.info('%s: %s', name, result.render())
    published = PUBLISHED.get((session.model_name, session.config.get('dataset.name')), ())
    return [report.tradeoff(points, images, published)] if points else []


def _executed(session: 'Session', result: 'Evaluation') -> int:
    return sum(cost.executed for cost in estimate(session.graph, session.input_shape, result.counts))


def _features(session: 'Session') -> list[Picture]:
    """A picture for each layer whose output is a map."""
    from mayo.session import data

    source = data.data_of(session.config, 'validate')
    with source.reading():
        images, _ = next(iter(data.epoch_of(session.config, 'validate', data=source, batch_size=FEATURES)))
    outputs = {name: maps.numpy() for name, maps in session.network.activations(images).items()}
    return [report.features(name, images.numpy(), maps) for name, maps in outputs.items() if maps.ndim == 4]


def _parameters(session: 'Session') -> list[Picture]:
    """Every variable that the layers compute with, without the states of overriders."""
    network = session.network
    values = {name: value for name, value in network.effective_weights().items() if name not in network.overrider_state}
    before = {f'{layer}/{name}' for layer, own in network.overriding.items() for name in own.variables_of}
    variables = network.named_variables()
    return [report.parameters(values, {name: variables[name].numpy() for name in values if name in before})] if values else []


def _training(session: 'Session') -> list[Picture]:
    return [report.training(run, lines) for run, lines in runs(session.store.folder).items()]
