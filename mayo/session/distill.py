"""Knowledge distillation: the dense network of the same layers teaches the network in training.

    loss = (1 - w) cross entropy + w T^2 KL(p || q)         p, q: softmax of the teacher's and the student's logits over T

The teacher reads the same augmented images. Hinton, Vinyals and Dean, 2015, https://arxiv.org/abs/1503.02531
"""
import logging

import tensorflow as tf

from mayo.checkpoint import bundle, names
from mayo.net.gates import without_gates
from mayo.net.tf.network import Network
from mayo.session.base import Session, dtype_policy
from mayo.session.step import Distillation
from mayo.util.errors import UserError
from mayo.util.files import shown

_log = logging.getLogger(__name__)


def distillation(session: Session) -> Distillation | None:
    """What train.distill says; None without a checkpoint. UserError: the checkpoint is not of the dense network."""
    settings = session.config.get('train.distill')
    if settings['checkpoint'] is None:
        return None
    network = dense_network(session, settings['checkpoint'])

    def teacher(images: tf.Tensor) -> tf.Tensor:
        return network(images, training=False)[0]

    return Distillation(teacher, settings['weight'], settings['temperature'])


def dense_network(session: Session, checkpoint: str) -> Network:
    """The session's network without gates, in its precision, with the weights of a dense checkpoint."""
    prefix = session.store.resolve(checkpoint, key='train.distill.checkpoint')
    with session.strategy.scope(), dtype_policy(session.config.get('system.precision')):
        network = Network(without_gates(session.graph), session.input_shape, session.model_name)
    variables = names.prefixed(session.model_name, network.named_variables())
    tensors = names.adapt(bundle.read(prefix))
    try:
        names.load_into(variables, tensors, where=shown(prefix))
    except UserError as error:
        where = session.config.origin('train.distill.checkpoint')
        raise UserError(f'{where}: train.distill.checkpoint has to be of the dense network.\n{error}') from None
    _log.info('the teacher is %s', shown(prefix))
    return network
