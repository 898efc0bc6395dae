"""Knowledge distillation: another network teaches the one in training.

    loss = (1 - w) cross entropy + w T^2 KL(p || q)         p, q: softmax of the teacher's and the student's logits over T

The teacher is the network that the configuration in its checkpoint describes: the dense one of the same layers, or another,
such as the network before `slim`. A checkpoint without a configuration is taken for the dense network of the same layers.
The teacher reads the same augmented images. Hinton, Vinyals and Dean, 2015, https://arxiv.org/abs/1503.02531
"""
import logging
import pathlib

import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.config import Config
from mayo.estimate import shapes
from mayo.net import Graph
from mayo.net.gates import without_gates
from mayo.net.tf.network import Network
from mayo.session.base import Session, dtype_policy
from mayo.session.spec import input_shape, model_graph
from mayo.session.step import Distillation
from mayo.session.stored import stored_config
from mayo.util.errors import UserError
from mayo.util.files import shown

_log = logging.getLogger(__name__)
_KEY = 'train.distill.checkpoint'
_FINAL = 'dataset.task.preprocess.final'


def distillation(session: Session) -> Distillation | None:
    """What train.distill says; None without a checkpoint. UserError: its network cannot teach this one."""
    settings = session.config.get('train.distill')
    if settings['checkpoint'] is None:
        return None
    network = _network(session, session.store.resolve(settings['checkpoint'], key=_KEY))

    def teacher(images: tf.Tensor) -> tf.Tensor:
        outputs = network(images, training=False)[0]
        if network.is_probability == session.network.is_probability:
            return outputs
        return tf.math.log(tf.maximum(outputs, 1e-12)) if network.is_probability else tf.nn.softmax(outputs)

    return Distillation(teacher, settings['weight'], settings['temperature'])


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
        names.load_into(names.prefixed(name, network.named_variables()), names.adapt(bundle.read(prefix)), where=shown(prefix))
    except UserError as error:
        _refuse(session, prefix, [str(error)])
    _log.info('the teacher is %s', shown(prefix))
    return network


def _differing(config: Config, graph: Graph, session: Session) -> list[str]:
    """What keeps a network from reading the images of the session, or from telling of its classes; a line each."""
    shape, own_shape = input_shape(config), session.input_shape
    outputs, own_outputs = (shapes(net, size)[net.outputs[0]] for net, size in ((graph, shape), (session.graph, own_shape)))
    pairs = {'images of': (shape, own_shape), 'outputs of': (outputs, own_outputs),
             f'{_FINAL}:': (config.get(_FINAL), session.config.get(_FINAL))}
    return [f'it has {what} {there}, the one in training {here}' for what, (there, here) in pairs.items() if there != here]


def _refuse(session: Session, prefix: pathlib.Path, why: list[str]) -> None:
    if why:
        raise UserError(f'{session.config.origin(_KEY)}: {_KEY}: the network of {shown(prefix)} cannot teach this one:\n'
                        + '\n'.join(why))
