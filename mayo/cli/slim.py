"""What `slim` writes, read from a session and its configuration."""
import pathlib
import typing
from typing import Any

import numpy as np

from mayo.checkpoint import bundle, names
from mayo.checkpoint.store import Store
from mayo.config import Config
from mayo.estimate import Cost, estimate, shapes
from mayo.net.graph import Graph
from mayo.slim import (
    MARK,
    Channels,
    Choice,
    Limits,
    Model,
    Slimmed,
    channels_of,
    choose_density,
    choose_macs,
    gate_text,
    gated_graph,
    kept_of,
    model_text,
    smaller_graph,
    smaller_tensors,
)
from mayo.util.errors import UserError
from mayo.util.files import home, require_room, shown, whole_file
from mayo.util.format import amount, count, percent

if typing.TYPE_CHECKING:
    from mayo.session.base import Session

CHECKPOINT = 'slim'             # what the weights of a slimmed network are called, unless system.checkpoint.save says
DENSITY = 0.5                   # at which the overlay's header says what it costs


def slimmed(session: 'Session') -> Slimmed:
    """The smaller model, its overlay and its weights, written after they were compared with the masked network."""
    from mayo.slim.fold import folded
    from mayo.slim.verify import compare
    config = session.config
    session.load()
    graph, shape = session.graph, session.input_shape
    tensors = {name: np.asarray(variable, np.float32) for name, variable in session.network.named_variables().items()}
    channels = channels_of(graph, shapes(graph, shape), tensors)
    choice = _chosen(session, channels)
    path = _path(config, choice)
    _require_ours(path, _overlay_of(path))
    prefix = Store(config.get('system.checkpoint.path'), path.stem, config.get('dataset.name')).folder / _checkpoint(session)
    require_room(prefix.parent, 'system.checkpoint.path')
    keep = kept_of(channels, choice.kept)
    if config.get('slim.fold'):
        tensors = folded(graph, keep, tensors)
    smaller = smaller_graph(graph, keep), smaller_tensors(graph, keep, tensors)
    difference = compare((graph, tensors), smaller, keep, shape)
    costs = estimate(graph, shape), estimate(smaller[0], shape)
    model = _model(session, path, choice, smaller[0], costs)
    files = {path: model_text(model), _overlay_of(path): _overlay_text(session, path, model)}
    written = _write(session, model, files, prefix, smaller[1])
    return Slimmed(path.stem, *costs, keep, choice, difference, written)


def _chosen(session: 'Session', channels: Channels) -> Choice:
    settings = session.config.get('slim')
    limits = Limits(settings['min_channels'], settings['round_to'])
    if settings['target_macs'] is None:
        return choose_density(channels, settings['density'], limits)

    def macs(kept: np.ndarray) -> int:
        return _macs(estimate(smaller_graph(session.graph, kept_of(channels, kept)), session.input_shape))
    return choose_macs(channels, amount(settings['target_macs']), limits, macs)


def _macs(costs: list[Cost]) -> int:
    return sum(cost.dense for cost in costs)


def _path(config: Config, choice: Choice) -> pathlib.Path:
    """slim.model, or models/NAME_slimDD.yaml, where DD is the density in percent: as asked for, else as it came out."""
    given = config.get('slim.model')
    if given is not None:
        return pathlib.Path(given).expanduser()
    density = config.get('slim.density') if config.get('slim.target_macs') is None else choice.density
    return home() / 'models' / f'{config.get("model.name")}_slim{round(100 * density)}.yaml'


def _require_ours(*paths: pathlib.Path) -> None:
    """UserError for each file that exists and that `slim` did not write, or that cannot be written."""
    for path in paths:
        require_room(path.parent, 'slim.model')
    others = [path for path in paths if path.exists() and MARK not in path.read_text(encoding='utf-8', errors='replace')]
    if others:
        raise UserError('\n'.join(f'{shown(path)} exists and was not written by `slim`; name another file, '
                                  'slim.model=PATH.yaml, or move it away.' for path in others))


def _model(session: 'Session', path: pathlib.Path, choice: Choice, graph: Graph, costs: tuple[list[Cost], list[Cost]]) -> Model:
    config = session.config
    whole = config.get('model.description') or session.model_name
    description = f'{whole}, slimmed to {percent(choice.density, 0)} of its channels'
    before, after = map(_macs, costs)
    header = [
        f'{description} (https://arxiv.org/abs/1708.06519).',
        f'On {config.get("dataset.name")} {count(after)} MACs, {percent(after / before, 1)} of those before, and '
        f'{count(sum(cost.trainable for cost in costs[1]))} trainable parameters.',
        _command(session, path),
        _mark(config)]
    outputs = config.get('model.outputs')
    return Model(path.stem, description, graph, shapes(graph, session.input_shape), config.get('dataset.task.preprocess'),
                 [outputs] if isinstance(outputs, str) else outputs, config.get('dataset.task.num_classes'), header)


def _overlay_text(session: 'Session', path: pathlib.Path, model: Model) -> str:
    """The overlay, with what the gated network costs at DENSITY in its header."""
    costs = estimate(gated_graph(model, DENSITY), session.input_shape)
    published, executed = (count(sum(getattr(cost, key) for cost in costs)) for key in ('macs', 'executed'))
    return gate_text(model, [
        f'{model.description}, with Feature Boosting and Suppression.',
        f'On {session.config.get("dataset.name")} at density {DENSITY}: {published} MACs as published, {executed} executed.',
        _command(session, _overlay_of(path), f'_gate.density={DENSITY} '),
        _mark(session.config)])


def _mark(config: Config) -> str:
    """The header's line by which `slim` knows its own files, with what they came from."""
    unused = 'target_macs' if config.get('slim.target_macs') is None else 'density'
    settings = {key: value for key, value in config.get('slim').items() if key not in (unused, 'model')}
    words = ' '.join(f'slim.{key}={str(value).lower() if value is False or value is True else value}'
                     for key, value in settings.items())
    weights = config.get('system.checkpoint.load') or 'without a checkpoint'
    return f'{MARK.removeprefix("# ")} from {config.get("model.name")}, {weights}: {words}'


def _command(session: 'Session', path: pathlib.Path, more: str = '') -> str:
    """An example for a header: the file, its dataset, its weights."""
    return (f'  ./my {shown(path)} datasets/{session.config.get("dataset.name")}.yaml {more}'
            f'system.checkpoint.load={_checkpoint(session)} eval info')


def _checkpoint(session: 'Session') -> str:
    return session.run or CHECKPOINT


def _overlay_of(path: pathlib.Path) -> pathlib.Path:
    return path.parent / 'gate' / path.name


def _write(session: 'Session', model: Model, files: dict[pathlib.Path, str], prefix: pathlib.Path,
           tensors: dict[str, np.ndarray]) -> list[str]:
    """The model and its overlay, by path, and the weights with the new configuration: all is made before any is written."""
    path, text = next(iter(files.items()))
    config = session.config.copy()
    config.merge_word('~model.layers')
    config.merge_word('~model.graph')
    config.merge_text(text, shown(path))
    stored: dict[str, Any] = names.prefixed(model.name, tensors)
    stored |= {names.IMAGES_SEEN: np.int64(0), names.CONFIG: config.to_yaml()}
    for file, content in files.items():
        with whole_file(file) as temporary:
            temporary.write_text(content, encoding='utf-8')
    bundle.write(prefix, stored)
    return [shown(file) for file in (*files, prefix)]
