"""Where the checkpoints of a configuration are, and the network that a checkpoint was made with. Needs no TensorFlow.

A checkpoint holds the configuration of its training. Its gates run as they were trained, whatever the file of the model
starts them with; only a word, or a file that is named beside that of the model, sets them otherwise:

    models/gate/cifarnet.yaml ... system.checkpoint.load=gate50 eval                        density 0.5, as trained
    models/gate/cifarnet.yaml ... system.checkpoint.load=gate50 _gate.density=0.3 eval      density 0.3, and a line says so
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mayo.checkpoint import names
from mayo.checkpoint.store import Store
from mayo.checkpoint.text import names_in, text_in
from mayo.config import Config
from mayo.config.names import KNOWN, Spec
from mayo.net.gates import gates_of
from mayo.net.graph import Graph, Node
from mayo.session.idle import key_of
from mayo.session.spec import model_graph
from mayo.util.errors import UserError
from mayo.util.files import base_of, shown

_STORED = 'configuration in '  # how the origin of a value begins that a checkpoint set
_FINAL = 'dataset.task.preprocess.final'
_GATE = 'gate_params.'
_NEEDED = ('system.checkpoint.load', 'model.layers', 'model.graph', 'model.name', 'dataset.name')
# Of a layer or a gate, what makes no difference to what a trained network computes.
_OF_TRAINING = ('_initializer', '_regularizer', 'regularizer', 'trainable', 'decay', 'keep_prob', 'momentum', 'moving_average')


class Difference(NamedTuple):
    """A key of a layer, with the value that a checkpoint was made with, and the one here."""

    layer: str
    key: str
    theirs: Any
    ours: Any


def store_of(config: Config) -> Store:
    """The folder of the checkpoints of the model and dataset."""
    save, load = (_listed(config.get(f'system.search_path.checkpoint.{kind}')) for kind in ('save', 'load'))
    path, model, dataset = map(config.get, ('system.checkpoint.path', 'model.name', 'dataset.name'))
    return Store(path, model, dataset, save, load, base_of(config.source('system.checkpoint.path').name))


def _listed(folders: str | list[str] | None) -> list[str]:
    return [folders] if isinstance(folders, str) else folders or []


def stored_config(prefix: pathlib.Path) -> Config | None:
    """What the bundle `prefix` says of itself; None if it says nothing, as those of the original Mayo."""
    text = text_in(prefix, names.CONFIG)
    return None if text is None else config_of(text, shown(prefix))


def config_of(text: str, where: str) -> Config:
    """The configuration that the file `where` holds. UserError: it is none."""
    config = Config.default()
    config.merge_text(text, f'{_STORED}{where}')
    return config


def without_its_gates(prefix: pathlib.Path, graph: Graph) -> bool:
    """Whether the bundle `prefix` has gates whose b took the place of the norm's shift, and the network has no gate at all."""
    return not any(node.params.gate for node in graph.nodes) and any(
        '/gate/shift' in name or '/gate/beta/' in name for name in names_in(prefix)
    )


def as_trained(config: Config) -> tuple[Config, str]:
    """`config` with the gates of the checkpoint that it loads, where no word sets them, and a line about them; '' if nothing changes.

    What is wrong with either is left to whoever loads it.
    """
    if any(config.get(key, None) in (None, {}, []) for key in _NEEDED):
        return config, ''
    try:
        load, run = config.get('system.checkpoint.load'), config.get('system.checkpoint.save') or ''
        prefix = store_of(config).resolve(load, run)
        stored = stored_config(prefix)
        if stored is None or stored.get('model.name') != config.get('model.name'):
            return config, ''
        taken = [
            difference
            for difference in differences(model_graph(stored), model_graph(config))
            if difference.key.startswith(_GATE) and not is_said(config, difference.layer, difference.key)
        ]
    except UserError:
        return config, ''
    if not taken:
        return config, ''
    config = config.copy()
    config.merge_values(_as_layers(taken), f'{_STORED}{shown(prefix)}')
    return config, f'as {load} was trained: ' + '; '.join(_grouped(taken, lambda of: f'{_short(of.key)} {of.theirs}'))


def told(theirs: Config, ours: Config, graph: Graph, ignored: Iterable[str] = ()) -> str:
    """What a checkpoint was made with that is otherwise here, as the end of a sentence; '' if nothing is.

    graph: the network here. ignored: keys of layers that differ on purpose. UserError: the stored network cannot be read.
    """
    differing = [of for of in differences(model_graph(theirs), graph) if of.key not in ignored and not _is_overlay(of)]
    lines = list(_grouped(differing, _both))
    if theirs.get(_FINAL, []) != ours.get(_FINAL, []):
        lines.append(f'{_FINAL} {theirs.get(_FINAL, [])}, here {ours.get(_FINAL, [])}')
    return '; '.join(lines)


def differences(theirs: Graph, ours: Graph) -> Iterator[Difference]:
    """Where two networks of one model compute otherwise: each key of a layer that both have."""
    for node in ours:
        if node.name in theirs:
            before, now = _function(theirs[node.name]), _function(node)
            if before['type'] != now['type']:
                yield Difference(node.name, 'type', before['type'], now['type'])
                continue
            for key in sorted(before.keys() | now.keys()):
                if before.get(key) != now.get(key):
                    yield Difference(node.name, key, before.get(key), now.get(key))


def is_said(config: Config, layer: str, key: str) -> bool:
    """Whether a word, or a file that is not the one which gates the layer, sets a key of the layer."""
    above = key_of(layer)
    if f'{above}.{key}' not in config:
        return False
    here, gated = config.source(f'{above}.{key}'), config.source(f'{above}.type')
    return not here.name.startswith(_STORED) and (here.word is not None or here.name != gated.name)


def gates_said(config: Config, graph: Graph) -> bool:
    """Whether words set the density of every gate."""
    return all(is_said(config, layer, f'{_GATE}density') for layer, gate in gates_of(graph).items() if gate.enable)


def _function(node: Node) -> dict[str, Any]:
    """What of a layer decides what it computes, all of it: what is as by default, too."""
    values: dict[str, Any] = {'type': node.type, 'overrider': dict(node.overriders) or None}
    params: Any = node.params  # of a final class, a dataclass
    for field in dataclasses.fields(params):
        value = getattr(params, field.name)
        if field.name == 'gate_params':
            of_gate = {key.name: getattr(value, key.name) for key in dataclasses.fields(value) if not _trains(key.name)}
            values |= {f'{_GATE}{key}': setting for key, setting in of_gate.items()}
        elif not _trains(field.name):
            values[field.name] = _plain(value)
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        arguments = {**KNOWN.get(value.name, {}), **value.kwargs}
        return {'type': value.name} | {key: of for key, of in arguments.items() if not _trains(key)}
    return value


def _trains(key: str) -> bool:
    return key.endswith(_OF_TRAINING)


def _as_layers(taken: Iterable[Difference]) -> Mapping[str, Any]:
    layers: dict[str, Any] = {}
    for difference in taken:
        *modules, last = difference.layer.split('/')
        inside = layers
        for module in modules:
            inside = inside.setdefault(module, {}).setdefault('layers', {})
        gate = inside.setdefault(last, {}).setdefault('gate_params', {})
        gate[difference.key.removeprefix(_GATE)] = difference.theirs
    return {'model': {'layers': layers}}


def _is_overlay(difference: Difference) -> bool:
    """Overriders that the checkpoint was made without: it is what they are put on."""
    return difference.key == 'overrider' and difference.theirs is None


def _both(difference: Difference) -> str:
    """What a checkpoint was made with, and what is here."""
    if difference.key == 'overrider':
        return f'{"other" if difference.ours else "more"} overriders than here'
    return f'{_short(difference.key)} {difference.theirs}, here {difference.ours}'


def _short(key: str) -> str:
    return key.removeprefix(_GATE)


def _grouped(differing: Iterable[Difference], say: Callable[[Difference], str]) -> Iterator[str]:
    """What is said of several layers alike, once: density 0.5 (conv0 and 7 more)."""
    layers: dict[str, list[str]] = {}
    for difference in differing:
        layers.setdefault(say(difference), []).append(difference.layer)
    for text, alike in layers.items():
        yield f'{text} ({alike[0]}{f" and {len(alike) - 1} more" if alike[1:] else ""})'
