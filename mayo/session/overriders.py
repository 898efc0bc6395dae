"""What the actions `overriders-*` do to the network of a session."""

from typing import Any

import numpy as np
import tensorflow as tf

from mayo.net.tf.loss import cross_entropy
from mayo.override import table
from mayo.session.base import Session
from mayo.session.data import data_of, epoch_of
from mayo.util.errors import UserError

ASSIGNED = 'assigned'


def update(session: Session) -> list[table.Row]:
    """Update the state of every overrider, from the weights as they are and, where it needs them, a batch of training images.

    Errors: UserError if nothing is overridden, or the weights are random.
    """
    network = _with_weights(session, 'overriders-update')
    network.update_overriders(lambda: _run_a_batch(session))
    return rows(session)


def reset(session: Session) -> None:
    """Every state as the configuration has it."""
    for own in _loaded(session).overriding.values():
        own.reset()


def assign(session: Session) -> None:
    """Each overridden variable becomes what the network computes with; saved as the checkpoint `assigned`.

    Errors: UserError if nothing is overridden, or the weights are random.
    """
    for own in _with_weights(session, 'overriders-assign').overriding.values():
        own.assign()
    session.save(ASSIGNED)


def rows(session: Session) -> list[table.Row]:
    """What is overridden, with the states as they are now."""
    return [
        table.row(name, target, chain, own.count(target), own.numbers(target))
        for name, own in session.network.overriding.items()
        for target, chain in own.chains.items()
    ]


def contents(session: Session) -> dict[str, np.ndarray[Any, Any]]:
    """The overridden variables as the network computes with them, and every state, by their names in checkpoints."""
    network = _loaded(session)
    overridden = {f'{name}/{variable}' for name, own in network.overriding.items() for variable in own.variables_of}
    return {
        name: value for name, value in network.effective_weights().items() if name in overridden | set(network.overrider_state)
    }


def _loaded(session: Session) -> Any:
    """The network, loaded. Errors: UserError if it has no overriders."""
    session.load()
    if not session.network.overriding:
        raise UserError(
            f'{session.config.origin("model.layers")}: no layer of {session.network.name} has an `overrider`; '
            'docs/overriders.md shows how to add them.'
        )
    return session.network


def _with_weights(session: Session, action: str) -> Any:
    """The network, loaded, with weights that are worth overriding. Errors: UserError if they are random, too."""
    network = _loaded(session)
    if session.weights is None:
        raise UserError(
            f'`{action}` reads the weights, but those of {network.name} are random; '
            'set system.checkpoint.load or train before it.'
        )
    return network


def _run_a_batch(session: Session) -> None:
    """The network on a batch of training images, and its gradients."""
    data, network = data_of(session.config, 'train'), session.network
    with data.reading():
        images, labels = next(iter(epoch_of(session.config, 'train', data=data)))
    with tf.GradientTape() as tape:
        outputs, stats = network(images, training=False)
        entropy = cross_entropy(outputs, labels, network.is_probability)
        loss = tf.reduce_mean(entropy) + network.regularization(stats)
    tape.gradient(loss, network.trainable_variables)
