"""How the network runs when it does not train: masked, as in training, or compact, where suppressed channels cost nothing.

    system.execution    compact     an error where compact execution cannot serve a layer
                        masked      everything is computed, then multiplied by the mask
                        auto        compact where it can serve every layer, else masked, saying why

    system.engine       native      what runs compact networks: our own engine, in C
                        tensorflow  the same in operations of TensorFlow
                        auto        native where the package's build found a compiler

Compact execution computes in float32, whatever system.precision says of training.
"""
import logging
from collections.abc import Callable

import tensorflow as tf

from mayo.net.tf.compact import CompactNetwork, Program, lower, native, unsupported
from mayo.session.base import Session
from mayo.util.errors import UserError

_log = logging.getLogger(__name__)
Run = Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]


def execution_of(session: Session) -> str:
    """`compact` or `masked`; a dense network is `masked`.

    Errors: UserError where system.execution is `compact` and a layer cannot be, with each layer and the reason.
    """
    wanted = session.config.get('system.execution')
    if wanted == 'masked' or not any(node.type == 'gated_convolution' for node in session.graph.nodes):
        return 'masked'
    reasons = unsupported(session.graph)
    if reasons and wanted == 'compact':
        raise UserError('\n'.join([f'{session.config.origin("system.execution")}: system.execution is compact, but', *reasons]))
    for reason in reasons:
        _log.info('masked execution: %s', reason)
    return 'masked' if reasons else 'compact'


def runner(session: Session, execution: str) -> Run:
    """A function of images [N, H, W, C] to the outputs and each gated layer's active channels [N]; weights as they are now.

    The masked one follows the weights; the compact one holds them as constants.
    """
    network = session.network
    if execution == 'compact':
        return _engine_of(session)(lower(network, session.input_shape))

    def masked(images: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        outputs, stats = network(images, training=False)
        return outputs, {name: active_channels(stat.mask) for name, stat in stats.items()}
    return masked


def _engine_of(session: Session) -> Callable[[Program], Run]:
    """What runs a compact network: the native engine where it was built, unless system.engine says otherwise.

    Errors: UserError where the native engine is asked for and was not built.
    """
    wanted = session.config.get('system.engine')
    if wanted == 'tensorflow' or (wanted == 'auto' and native.library() is None):
        return CompactNetwork
    if native.library() is None:
        raise UserError(f'{session.config.origin("system.engine")}: system.engine is native, which was not built; it takes a C '
                        f'compiler and `{native.BUILD}`.')
    return native.NativeNetwork


def active_channels(mask: tf.Tensor) -> tf.Tensor:
    """Active channels of each image, [N]; of a mask with rows, [N, H, C], their mean over the rows."""
    channels = tf.reduce_sum(mask, -1)
    return channels if channels.shape.rank == 1 else tf.reduce_mean(channels, 1)
