"""Knowledge distillation: another network teaches the one in training, or several do.

    loss = (1 - w) cross entropy + w T^2 KL(p || q)         p, q: softmax of the teacher's and the student's logits over T

The teacher is the network that the configuration in its checkpoint describes: the dense one of the same layers, or another,
such as the network before `slim`. A checkpoint without a configuration is taken for the dense network of the same layers.
The teacher reads the same augmented images. Hinton, Vinyals and Dean, 2015, https://arxiv.org/abs/1503.02531

Several take turns, a batch each; with `mirror` each has a second turn, in which it reads the images mirrored. What is learned
is the mean of what they say, often better than each of them, at the price of one: Fukuda et al., 2017, Efficient knowledge
distillation from an ensemble of teachers, https://www.isca-archive.org/interspeech_2017/fukuda17_interspeech.html
"""

import functools
import logging
import pathlib
from collections.abc import Callable

import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.estimate import shapes
from mayo.net.gates import without_gates
from mayo.net.graph import Graph
from mayo.net.tf.network import Network
from mayo.session.base import Session, dtype_policy
from mayo.session.spec import input_shape, model_graph
from mayo.session.stored import stored_config
from mayo.training.step import Distillation
from mayo.training.teachers import TEACHERS, teachers
from mayo.util.errors import UserError
from mayo.util.files import shown

_log = logging.getLogger(__name__)
_FINAL = 'dataset.task.preprocess.final'


def distillation(session: Session) -> Distillation | None:
    """What train.distill says; None without a checkpoint. UserError: the network of one cannot teach this one."""
    settings = session.config.get('train.distill')
    turns = [
        functools.partial(_outputs, _network(session, prefix), session.network.is_probability)
        for prefix in teachers(session.config, session.store)
    ]
    if not turns:
        return None
    if settings['mirror']:
        turns += [functools.partial(_mirrored, turn) for turn in turns]

    def teacher(images: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        return (
            turns[0](images)
            if len(turns) == 1
            else tf.switch_case(tf.cast(step % len(turns), tf.int32), [functools.partial(turn, images) for turn in turns])
        )

    return Distillation(teacher, settings['weight'], settings['temperature'])


def _outputs(network: Network, as_probability: bool, images: tf.Tensor) -> tf.Tensor:
    """What the network says of the images [N, H, W, C], as probabilities or logits [N, classes]."""
    outputs = network(images, training=False)[0]
    if network.is_probability == as_probability:
        return outputs
    return tf.math.log(tf.maximum(outputs, 1e-12)) if network.is_probability else tf.nn.softmax(outputs)


def _mirrored(turn: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> tf.Tensor:
    return turn(tf.reverse(images, [2]))


def _network(session: Session, prefix: pathlib.Path) -> Network:
    """The checkpoint's network with its weights, in the precision of the session."""
    config = stored_config(prefix)
    if config is None:
        graph, shape, name = without_gates(session.graph), session.input_shape, session.model_name
    else:
        graph, shape, name = model_graph(config), input_shape(config), config.get('model.name')
        _refuse(session, prefix, _differing(config, graph, session))
    with session.strategy.scope(), dtype_policy(session.config.get('system.precision')):
        network = Network(graph, shape, name)
    try:
        variables = names.prefixed(name, network.named_variables())
        names.load_into(variables, names.adapt(bundle.read(prefix), kept=variables), where=shown(prefix))
    except UserError as error:
        _refuse(session, prefix, [str(error)])
    _log.info('the teacher is %s', shown(prefix))
    return network


def _differing(config: Config, graph: Graph, session: Session) -> list[str]:
    """What keeps a network from reading the images of the session, or from telling of its classes; a line each."""
    shape, own_shape = input_shape(config), session.input_shape
    outputs, own_outputs = (shapes(net, size)[net.outputs[0]] for net, size in ((graph, shape), (session.graph, own_shape)))
    pairs = {
        'images of': (shape, own_shape),
        'outputs of': (outputs, own_outputs),
        f'{_FINAL}:': (config.get(_FINAL), session.config.get(_FINAL)),
    }
    return [f'it has {what} {there}, the one in training {here}' for what, (there, here) in pairs.items() if there != here]


def _refuse(session: Session, prefix: pathlib.Path, why: list[str]) -> None:
    if why:
        where = f'{session.config.origin(TEACHERS)}: {TEACHERS}'
        raise UserError('\n'.join([f'{where}: the network of {shown(prefix)} cannot teach this one:', *why]))
