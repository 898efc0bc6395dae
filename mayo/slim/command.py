"""What `slim` does with a session."""

import pathlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mayo.checkpoint import bundle, names, slimmed
from mayo.estimate import Cost, estimate, shapes
from mayo.net import gates
from mayo.net.graph import Graph
from mayo.override.parse import ACTIVATION
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
    choose_masked,
    choose_widths,
    gate_text,
    gated_graph,
    in_one_line,
    kept_of,
    model_text,
    silenced,
    smaller_graph,
    ungated_graph,
)
from mayo.util.errors import Problems, UserError
from mayo.util.files import home, require_room, shown, whole_file
from mayo.util.files import require_ours as require_own_file
from mayo.util.format import amount, count, percent

if typing.TYPE_CHECKING:
    from mayo.session.base import Session

CHECKPOINT = 'slim'  # what the weights of a slimmed network are called, unless system.checkpoint.save says
DEFAULTS = 'defaults'  # who set a setting that nobody did
MASK = 'NetworkSlimmer.mask'
WAYS = ('channels', 'target_macs', 'density')
DENSITY = 0.5  # at which the overlay's header says what it costs


@dataclass(frozen=True)
class Wanted:
    """What the smaller network is to be: the settings of `slim`. The first that is set of WAYS decides what stays.

    density: fraction of the channels. target_macs: what the network may cost, 30000000 or '30M'. channels: so many of each layer
    named. min_channels: that each layer keeps. fold: whether constants of dropped channels go into the layers that read them.
    round_to: what counts of channels are multiples of. model: file that is written; None: models/NAME_slimDD.yaml.
    """

    density: float
    target_macs: float | str | None = None
    channels: Mapping[str, int] | None = None
    min_channels: int = 4
    fold: bool = False
    round_to: int = 1
    model: str | None = None

    @property
    def way(self) -> str:
        """The setting that decides how many channels stay."""
        return next(key for key in WAYS if getattr(self, key) is not None)


def slim(session: 'Session', wanted: Wanted) -> Slimmed:
    """The smaller model, its overlay and its weights, written after they were compared with the masked network."""
    from mayo.slim.fold import folded
    from mayo.slim.verify import compare

    config = session.config
    graph, shape = _without_overriders(ungated_graph(session.graph, switched_off=True)), session.input_shape
    require_direct_gates(graph)
    session.load()
    silent = _masks(session)
    tensors = _tensors(session, silent)
    uses = _uses(session, graph)
    channels = channels_of(graph, shapes(graph, shape), tensors, uses)
    masks = silent if wanted.way == 'density' and config.origin('slim.density') == DEFAULTS and not uses else {}
    if masks and all(mask.all() for mask in masks.values()):
        raise UserError(
            'the NetworkSlimmers of the network silence no channel so far; `overriders-update` before `slim` chooses those, and '
            'slim.density=0.5 would choose by the scales alone.'
        )
    choice = choose_masked(channels, masks) if masks else _chosen(session, wanted, graph, channels)
    if masks:
        wanted = replace(wanted, density=round(choice.density, 4))
    path = path_of(session.model_name, wanted, choice.density)
    require_ours(path, overlay_of(path))
    folder = config.place('system.checkpoint.path') / path.stem / config.get('dataset.name')
    prefix = folder / _checkpoint(session)
    require_room(prefix.parent, 'system.checkpoint.path')
    keep = kept_of(channels, choice.kept)
    if wanted.fold:
        tensors = folded(graph, keep, tensors)
    smaller = smaller_graph(graph, keep), slimmed.smaller_tensors(graph, keep, tensors)
    difference = compare((graph, silenced(tensors, keep)), smaller, keep, shape)
    costs = estimate(graph, shape), estimate(smaller[0], shape)
    model = _model(session, wanted, path, choice, smaller[0], costs)
    files = {path: model_text(model), overlay_of(path): _overlay_text(session, wanted, path, model, smaller[0])}
    stored = names.prefixed(model.name, smaller[1]) | slimmed.origin(session.model_name, keep)
    written = _write(session, smaller[0], files, prefix, stored)
    return Slimmed(path.stem, *costs, keep, choice, difference, written, 'uses' if uses else 'scales')


def require_direct_gates(graph: Graph) -> None:
    """UserError for gates with a hidden layer: as wide as ceil(C / factor), it would get narrower with C."""
    hidden = [name for name, gate in gates.gates_of(graph).items() if gate.factor]
    if hidden:
        raise UserError(
            f'{", ".join(hidden)}: gate_params.factor is set, and the hidden layer of such a gate cannot be '
            'slimmed; slim the dense network, models/NAME.yaml, and gate it afterwards.'
        )


def _uses(session: 'Session', graph: Graph) -> dict[str, np.ndarray]:
    """Of every gated layer, the share of the validation images for which each channel is active, [C].

    Of channels that as many images picked, those of larger mean saliency count for more, by less than one image. One without
    any can win for no image, while another that these images did not pick may for the next.
    """
    from mayo.session.gate_use import gate_use

    if not gates.gates_of(graph):
        return {}
    use = gate_use(session)
    images = use.images.sum()
    return {
        layer.name: (np.nansum(layer.active * use.images[:, None], 0) + layer.mean / max(2 * layer.mean.max(), 1e-12)) / images
        for layer in use.layers
    }


def _without_overriders(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(replace(node, overriders={}) for node in graph.nodes))


def _masks(session: 'Session') -> dict[str, np.ndarray]:
    """Of each layer with a NetworkSlimmer, the channels that it does not silence, [C]."""
    states = {layer: own.state.get(ACTIVATION, {}) for layer, own in session.network.overriding.items()}
    return {layer: state[MASK].numpy() for layer, state in states.items() if MASK in state}


def _tensors(session: 'Session', masks: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the layers compute with: overridden weights, and no scale and shift of channels that are silent."""
    network = session.network
    values = {name: value for name, value in network.effective_weights().items() if name not in network.overrider_state}
    silent = {f'{layer}/BatchNorm/{part}': mask for layer, mask in masks.items() for part in ('gamma', 'beta')}
    return {name: np.asarray(value * silent.get(name, 1), np.float32) for name, value in values.items()}


def _chosen(session: 'Session', wanted: Wanted, graph: Graph, channels: Channels) -> Choice:
    picked = {name: gate.kept(len(channels.sets[name])) for name, gate in gates.gates_of(graph).items()}
    if wanted.channels is not None:
        return choose_widths(channels, wanted.channels, Limits(wanted.min_channels, of_layer=picked))
    # With one channel more a gate goes on choosing: if it picks all, it also does those of saliency 0, which never won.
    limits = Limits(wanted.min_channels, wanted.round_to, {name: count + 1 for name, count in picked.items()})
    if wanted.target_macs is None:
        return choose_density(channels, wanted.density, limits)

    def macs(kept: np.ndarray) -> int:
        return _macs(estimate(smaller_graph(graph, kept_of(channels, kept)), session.input_shape))

    return choose_macs(channels, amount(wanted.target_macs), limits, macs)


def _macs(costs: list[Cost]) -> int:
    return sum(cost.dense for cost in costs)


def path_of(model: str, wanted: Wanted, density: float) -> pathlib.Path:
    """The file that is asked for, or models/NAME_slimDD.yaml: DD is the density in percent, as asked for or as it came out."""
    if wanted.model is not None:
        return pathlib.Path(wanted.model).expanduser()
    return home() / 'models' / f'{model}_slim{round(100 * (wanted.density if wanted.way == "density" else density))}.yaml'


def require_ours(*paths: pathlib.Path) -> None:
    """UserError for each file that exists and that `slim` did not write, or that cannot be written."""
    problems = Problems()
    for path in paths:
        with problems.collecting():
            require_own_file(path, MARK, 'slim', 'slim.model')
    problems.raise_any()


def _model(
    session: 'Session', wanted: Wanted, path: pathlib.Path, choice: Choice, graph: Graph, costs: tuple[list[Cost], list[Cost]]
) -> Model:
    config = session.config
    whole = config.get('model.description') or session.model_name
    by_use, plain = bool(gates.gates_of(graph)), ungated_graph(graph)
    description = f'{whole}, slimmed to {percent(choice.density, 0)} of its channels'
    before, after = map(_macs, costs)
    header = [
        f'{description}' + (', those that its gates pick most.' if by_use else ' (https://arxiv.org/abs/1708.06519).'),
        f'On {config.get("dataset.name")} {count(after)} MACs, {percent(after / before, 1)} of those before, and '
        f'{count(sum(cost.trainable for cost in estimate(plain, session.input_shape)))} trainable parameters.',
        _command(session, path, loads=not by_use),
        _mark(session, wanted),
    ]
    outputs = config.get('model.outputs')
    return Model(
        path.stem,
        description,
        plain,
        shapes(graph, session.input_shape),
        config.get('dataset.task.preprocess'),
        [outputs] if isinstance(outputs, str) else outputs,
        config.get('dataset.task.num_classes'),
        header,
    )


def _overlay_text(session: 'Session', wanted: Wanted, path: pathlib.Path, model: Model, graph: Graph) -> str:
    """The overlay, with what the gated network costs in its header: as its gates are, at DENSITY if they are new."""
    own = gates.gates_of(graph)
    costs = estimate(graph if own else gated_graph(model, DENSITY), session.input_shape)
    published, executed = (count(sum(getattr(cost, key) for cost in costs)) for key in ('macs', 'executed'))
    at, word = ('', '') if own else (f' at density {DENSITY}', f'_gate.density={DENSITY} ')
    return gate_text(
        model,
        [
            f'{model.description}, with Feature Boosting and Suppression.',
            f'On {session.config.get("dataset.name")}{at}: {published} MACs as published, {executed} executed.',
            _command(session, overlay_of(path), word),
            _mark(session, wanted),
        ],
        own or None,
    )


def _mark(session: 'Session', wanted: Wanted) -> str:
    """The header's line by which `slim` knows its own files, with what they came from."""
    settings = {key: value for key, value in vars(wanted).items() if key == wanted.way or key not in (*WAYS, 'model')}
    words = ' '.join(f'slim.{key}={in_one_line(value)}' for key, value in settings.items())
    return f'{MARK.removeprefix("# ")} from {session.model_name}, {session.weights or "without a checkpoint"}: {words}'


def _command(session: 'Session', path: pathlib.Path, more: str = '', loads: bool = True) -> str:
    """An example for a header: the file, its dataset, its weights. loads: whether they are of this file, not of its overlay."""
    actions = f'system.checkpoint.load={_checkpoint(session)} eval info' if loads else 'info'
    return f'  ./my {shown(path)} datasets/{session.config.get("dataset.name")}.yaml {more}{actions}'


def _checkpoint(session: 'Session') -> str:
    return session.run or CHECKPOINT


def overlay_of(path: pathlib.Path) -> pathlib.Path:
    """The file of the overlay with gates beside a model's file."""
    return path.parent / 'gate' / path.name


def _write(
    session: 'Session', graph: Graph, files: dict[pathlib.Path, str], prefix: pathlib.Path, stored: dict[str, Any]
) -> list[str]:
    """The model and its overlay, by path, and the weights with the new configuration: all is made before any is written."""
    path, text = next(iter(files.items()))
    config = session.config.copy()
    config.merge_word('~model.layers')
    config.merge_word('~model.graph')
    config.merge_text(text, shown(path))
    for name, gate in gates.gates_of(graph).items():
        layer = {name: {'type': gates.GATED, 'gate_params': gates.gate_yaml(gate)}}
        config.merge_values({'model': {'layers': layer}}, shown(overlay_of(path)))
    stored |= {names.IMAGES_SEEN: np.int64(0), names.CONFIG: config.to_yaml()}
    for file, content in files.items():
        with whole_file(file) as temporary:
            temporary.write_text(content, encoding='utf-8')
    bundle.write(prefix, stored)
    return [shown(file) for file in (*files, prefix)]
