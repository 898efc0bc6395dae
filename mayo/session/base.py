"""A network, its data and its checkpoint: what the actions of one configuration share."""

import contextlib
import functools
import logging
import os
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mayo.checkpoint import bundle, names, quantized, slimmed
from mayo.checkpoint.store import Store
from mayo.checkpoint.warm_start import tied, warm_start
from mayo.config import Config
from mayo.estimate import shapes
from mayo.layers import Shape
from mayo.net import gates
from mayo.net.graph import Graph
from mayo.net.tf.network import Network
from mayo.session.spec import input_shape, model_graph
from mayo.session.stored import config_of, gates_said, store_of, stored_config, told
from mayo.util.errors import RunError, UserError
from mayo.util.files import shown

_log = logging.getLogger(__name__)
_OF_OTHERS = (  # what TensorFlow raises where another worker does not answer
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnknownError,
)
_DATA = ('dataset.path', 'dataset.num_examples_per_epoch', 'system', 'eval')  # of a session, for the network of a checkpoint


class Session:
    """Everything is made when first used; the weights are loaded, once, by `load`."""

    def __init__(self, config: Config, density: float | None = None) -> None:
        """density: of every gate; None: as gate_params say."""
        self.config = config
        self.density = density
        self.images_seen = 0
        self.training_state: dict[str, np.ndarray] = {}  # with which a run goes on, if the checkpoint has it
        self.origin: dict[str, Any] = {}  # of a slimmed network: whose channels it has, for its checkpoints
        self.quantized: dict[str, tuple[float, float]] = {}  # the ranges of layers that compute in int8 (`quantize`)
        self.weights: str | None = None  # what the user calls the weights; None: they are random
        self.kept: dict[str, Any] = {}  # what was built of the network, to use again
        self._is_loaded = False

    def sibling(self, config: Config, density: float | None = None) -> 'Session':
        """Another session, on the same devices: several workers can be told of each other only once."""
        other = Session(config, density)
        other.__dict__['strategy'] = self.strategy
        return other

    def of_checkpoint(self, name: str, key: str) -> 'Session':
        """A sibling with the network that the configuration in a checkpoint describes, and with the data of this session.

        key: the setting that names it, for messages. UserError: it does not exist, or holds no configuration.
        """
        prefix = self.store.resolve(name, key=key)
        config = stored_config(prefix)
        if config is None:
            raise UserError(f'{name}: the checkpoint does not hold its configuration, so its network is not known.')
        for data in _DATA:
            config.merge_values(_nested(data, self.config.get(data)), name)
        config.merge_values({'system': {'checkpoint': {'load': str(prefix)}}}, name)
        return self.sibling(config)

    @functools.cached_property
    def strategy(self) -> tf.distribute.Strategy:
        """Where the network runs: system.distribute. Comes before any other use of TensorFlow."""
        _limit_threads(self.config.get('system.threads'))
        _choose_devices(self.config.get('system.devices'), self.config.origin('system.devices'))
        return make_strategy(self.config.get('system.distribute'), self.config.get('system.devices'))

    @functools.cached_property
    def graph(self) -> Graph:
        """The layers of the configuration."""
        return gates.at_density(model_graph(self.config), self.density)

    @functools.cached_property
    def input_shape(self) -> Shape:
        """What the network reads."""
        return input_shape(self.config)

    @functools.cached_property
    def network(self) -> Network:
        """The network with fresh weights, which depend on system.seed; in system.precision."""
        self._check_outputs()
        with self.strategy.scope(), dtype_policy(self.config.get('system.precision')):
            return Network(self.graph, self.input_shape, self.model_name, seed=self.config.get('system.seed'))

    @property
    def model_name(self) -> str:
        """The first part of each variable's name in a file."""
        return self.config.require('model.name', 'a session')

    @property
    def run(self) -> str:
        """What the checkpoints of training are called before `epoch-N`; '' for nothing."""
        return self.config.get('system.checkpoint.save') or ''

    @property
    def is_chief(self) -> bool:
        """Whether this process writes files and reports: the first of several workers, or the only one."""
        return self.strategy.extended.should_checkpoint

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Around what several workers do together. RunError: another one has gone, so that this one cannot go on either."""
        try:
            yield
        except tf.errors.OpError as error:
            if self.is_alone or not isinstance(error, _OF_OTHERS):
                raise
            raise RunError(
                'another worker has gone, and none can go on without it. Start the same words on every machine again; '
                'with system.checkpoint.resume=true they go on at the last checkpoint.'
            ) from error

    @property
    def is_alone(self) -> bool:
        """Whether there are no other workers to agree with."""
        return not isinstance(self.strategy, tf.distribute.MultiWorkerMirroredStrategy)

    @functools.cached_property
    def store(self) -> Store:
        """The folder of checkpoints."""
        for key in ('model.name', 'dataset.name'):
            self.config.require(key, 'a session')
        return store_of(self.config)

    def named(self) -> dict[str, keras.Variable]:
        """The network's variables by their names in a file."""
        return names.prefixed(self.model_name, self.network.named_variables())

    def load(self, fresh: bool = False) -> None:
        """Load system.checkpoint.load, the first time; without it the weights stay as they started.

        fresh: that is meant, as at the beginning of a training. Any action starts with this: the strategy comes with
        the network, and has to come before any other use of TensorFlow.
        """
        if self._is_loaded:
            return
        model, load = self.network.name, self.config.get('system.checkpoint.load')
        if fresh and self.config.get('system.checkpoint.resume'):
            load = self.store.newest_of(self.run) or load
        if load is None and not fresh:
            _log.warning('system.checkpoint.load is not set: the weights of %s are random', model)
        elif load is not None:
            self.load_from(self.store.resolve(load, self.run))
            self.weights = load
        self._is_loaded = True

    def load_from(self, prefix: pathlib.Path) -> None:
        """Load the bundle `prefix`, giving gates that it lacks their warm start."""
        self.load_tensors(names.adapt(bundle.read(prefix), shown(prefix), kept=self.named()), shown(prefix))

    def load_tensors(self, tensors: Mapping[str, np.ndarray], where: str) -> None:
        """Load tensors by their names, those of `where`, with the warm start of gates that are not among them.

        Without a warm start the gates of a dense file's network start afresh.
        """
        variables = self.named()
        whole = slimmed.widened(self.graph, self.model_name, tensors)
        self.origin = slimmed.origin_in(tensors) if whole is None else {}
        self.quantized = quantized.ranges_in(tensors) if whole is None else {}
        tensors = tensors if whole is None else whole
        warmed: list[str] = []
        if self.config.get('system.checkpoint.warm_start'):
            wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
            tensors, warmed = warm_start(tensors, wanted, self._shifted_inside())
        is_dense = not any('/gate/' in name for name in tensors)
        starts = bool(warmed) or (is_dense and any('/gate/' in name for name in variables))
        match = names.load_into(
            variables,
            tensors,
            self.config.get('system.checkpoint.strict'),
            where,
            optional=lambda name: starts and '/gate/' in name,
        )
        _log.info('loaded %s, %d variables', where, len(match.loaded))
        if whole is not None:
            _log.info('of a slimmed network: the channels that it lacks are silent')
        if warmed:
            _log.info('warm start: the gates of %s are made from batch norm', ', '.join(warmed))
            for layer in tied(tensors, warmed):
                _log.warning(
                    '%s: all channels are equally salient, so below density 1.0 none wins until training at 1.0 has '
                    'told them apart, with which `anneal` starts',
                    layer,
                )
        elif starts:
            _log.info('the gates start afresh')
        if str(match):
            _log.info('%s', match)
        if not starts and whole is None:
            self._tell_differences(tensors, where)
        self.images_seen = 0 if starts else int(tensors.get(names.IMAGES_SEEN, 0))
        self.training_state = {} if starts else names.training_state(tensors)
        self.weights = where
        self._is_loaded = True

    def _tell_differences(self, tensors: Mapping[str, np.ndarray], where: str) -> None:
        """One line if these weights were trained in a network that computes something else, or if nothing tells whether they were."""
        if names.CONFIG not in tensors:
            if any('/gate/' in name for name in tensors) and self.density is None and not gates_said(self.config, self.graph):
                gates_here = gates.gates_of(self.graph)
                here = sorted({gate.density for gate in gates_here.values()})
                _log.warning(
                    '%s does not say at which density its gates were trained: here they run at %s; _gate.density=... sets it',
                    where,
                    ', '.join(f'{density:g}' for density in here),
                )
            return
        ignored = () if self.density is None else ('gate_params.density',)
        try:
            differing = told(config_of(bytes(tensors[names.CONFIG]).decode(), where), self.config, self.graph, ignored)
        except UserError as error:
            _log.warning(
                'the configuration in %s is not understood, so whether it is of this network is not known: %s', where, error
            )
            return
        if differing:
            _log.warning('%s was made with %s', where, differing)

    def reset_num_epochs(self) -> None:
        """Count epochs from zero again and forget the optimizer's state, keeping the weights."""
        self.load()
        self.images_seen = 0
        self.training_state = {}

    def tensors(self) -> dict[str, Any]:
        """What a file of the weights holds: the variables, the images seen, the configuration. RunError: some are not finite."""
        values: dict[str, Any] = {name: variable.numpy() for name, variable in self.named().items()}
        if bad := names.not_finite(values):
            raise RunError(f'nothing is saved: not finite are {bad}. Earlier checkpoints are as they were.')
        values |= self.origin | quantized.tensors_of(self.quantized)
        return values | {names.IMAGES_SEEN: np.int64(self.images_seen), names.CONFIG: self._described().to_yaml()}

    def _described(self) -> Config:
        """The configuration, in which the gates have the density that they have here."""
        if self.density is None:
            return self.config
        config = self.config.copy()
        layers = gates.as_layers(gates.gates_of(self.graph))
        config.merge_values(layers, f'density {self.density:g}')
        if config.get('_gate.density', None) is not None:
            config.merge_word(f'_gate.density={self.density}')  # for who reads it: the layers above decide
        return config

    def save(self, name: str | None = None) -> pathlib.Path:
        """Write the weights alone as `name`; or, as the latest then, as system.checkpoint.save says, or as the epoch reached."""
        self.load()
        prefix = self.store.folder / (name or self.run or f'epoch-{self.epochs_seen():g}')
        tensors = self.tensors()
        if self.is_chief:
            bundle.write(prefix, tensors)
            if name is None:
                self.store.record_saved(prefix.name)
            _log.info('saved %s', shown(prefix))
        self.weights = prefix.name
        return prefix

    def epochs_seen(self) -> float:
        """Passes over the training images so far."""
        return self.images_seen / (self.config.get('dataset.num_examples_per_epoch.train') or 1)

    def _check_outputs(self) -> None:
        """UserError unless the network gives one number a class."""
        key = 'dataset.task.num_classes'
        classes = self.config.get(key)
        outputs = [shapes(self.graph, self.input_shape)[name].dims for name in self.graph.outputs]
        if classes is not None and outputs != [(classes,)]:
            sizes = ' and '.join(' x '.join(map(str, dims)) for dims in outputs)
            where = self.graph[self.graph.outputs[0]].where
            raise UserError(
                f'{where}: the network gives {sizes} numbers for an image, but {key} is {classes} ({self.config.origin(key)}).'
            )

    def _shifted_inside(self) -> list[str]:
        """The gated layers, by their names in a file, whose b is inside the scaling."""
        inside = [node.name for node in self.graph.nodes if node.params.gate and node.params.gate.shift_is_scaled]
        return [f'{self.model_name}/{name}' for name in inside]


def _nested(key: str, value: Any) -> Any:
    for part in reversed(key.split('.')):
        value = {part: value}
    return value


def make_strategy(kind: str, chosen: str | Sequence[int] = 'auto') -> tf.distribute.Strategy:
    """auto: several machines if TF_CONFIG names them, else every device that is chosen, else every GPU, else the one device.

    chosen: system.devices.
    """
    if kind == 'multi_worker' or (kind == 'auto' and _has_workers()):
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = tf.config.list_logical_devices('GPU')
    if not devices and (kind == 'mirrored' or not isinstance(chosen, str)):
        devices = tf.config.list_logical_devices('CPU')
    if kind == 'mirrored' or (kind == 'auto' and len(devices) > 1):
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _choose_devices(chosen: str | Sequence[int], where: str) -> None:
    """Let TensorFlow see these devices alone. UserError: some are not there, or it has started with others."""
    gpus = tf.config.list_physical_devices('GPU')
    if chosen == 'auto' or (chosen == 'cpu' and not gpus):
        return
    key = f'{where}: system.devices is {chosen}'
    lacking = [number for number in chosen if isinstance(number, int) and gpus and number >= len(gpus)]
    if lacking:
        raise UserError(f'{key}, but this machine has {len(gpus)} GPUs, from 0 to {len(gpus) - 1}.')
    try:
        if gpus:
            tf.config.set_visible_devices([gpus[int(number)] for number in chosen] if chosen != 'cpu' else [], 'GPU')
            return
        cpu = tf.config.list_physical_devices('CPU')[0]
        parts = tf.config.get_logical_device_configuration(cpu)
        if len(parts or [None]) != len(chosen):
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration() for _ in chosen])
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f'{key}, after TensorFlow has started with other devices; set it before the first action of the line.'
        ) from error


def _has_workers() -> bool:
    return re.search(r'"worker"\s*:\s*\[', os.environ.get('TF_CONFIG', '')) is not None


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Keras layers made inside compute in `name`; their variables are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _limit_threads(threads: Mapping[str, int | None]) -> None:
    """Possible only before TensorFlow starts; later, a number other than the one in use is an error."""
    for kind in ('intra', 'inter'):
        wanted = threads[kind]
        if wanted is not None and wanted != getattr(tf.config.threading, f'get_{kind}_op_parallelism_threads')():
            try:
                getattr(tf.config.threading, f'set_{kind}_op_parallelism_threads')(wanted)
            except RuntimeError as error:
                raise UserError(
                    f'system.threads.{kind} is set to {wanted} after TensorFlow has started; '
                    'set it before the first action of the line.'
                ) from error
