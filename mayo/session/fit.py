"""Gates that start from a dense network learn, before training, which channels matter for which image.

The saliency of a gate both chooses channels and scales them, so a start that keeps the scales of the dense network chooses the
channels of large scale for every image. But a channel may have any scale a > 0 if what reads it divides by a: relu(a z) =
a relu(z). So saliencies are made nearly equal, and what is left of their differences is the choice:

    I_c = S_c |W_c|             importance of channel c for an image; S_c: root mean square of y_c over H, W; |W_c|: norm of the
                                weights that read it, each filter in units of the deviation of what it makes
    t_c = s W_t + mean          ridge regression of log(I_c + I_mean / 20) on s, what the gate pools from its input
    g_c = rho_mean (1 + SPREAD (t_c - t_mean) / t_std)          linear in s: this sets phi and rho
    a_c = mean over images of g_c / rho_c before                b_c and g_c are for a y_c that is a_c times what it was

At density 1.0 the network is the dense one but for the SPREAD by which saliencies differ from image to image. Scales of
channels that the next layer makes up for: Nagel et al., 2019, https://arxiv.org/abs/1906.04721, section 4.1
"""
import logging
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from mayo.net import Graph
from mayo.net.tf.layer.conv import GatedConvolution
from mayo.session import data
from mayo.session.base import Session

_log = logging.getLogger(__name__)
SPREAD, RIDGE, FLOOR = 0.03, 0.01, 0.05
MOST = 5.0                      # scale a of a channel; those that would need more are the last to win
KEEPS_SCALE = ('dropout', 'average_pool', 'max_pool', 'reduce_mean', 'identity', 'pad', 'crop')      # f(a x) = a f(x)
READS = ('convolution', 'gated_convolution', 'fully_connected')
HOMOGENEOUS = (None, 'relu', 'keras.activations.relu', 'tensorflow.nn.relu')


def fit_gates(session: Session, images: int) -> None:
    """Fit the gates whose phi is zero to the first `images` training images, seen as in evaluation."""
    config = session.config.copy()
    config.merge_word('dataset.task.preprocess.train=$(dataset.task.preprocess.validate)')
    size = config.get('system.batch_size')
    batches = data.epoch_of(config, 'train', batch_size=size).take(-(-images // size))
    values = fitted(session, (batch for batch, _ in batches))
    variables = session.network.named_variables()
    for name, value in values.items():
        variables[name].assign(value)
    fit = [name.removesuffix('/gate/weights') for name in values if name.endswith('/gate/weights')]
    _log.info('fitted to %d images: the gates of %s', images, ', '.join(fit) or 'no layer')


def fitted(session: Session, images: Iterable[tf.Tensor]) -> dict[str, np.ndarray]:
    """The new values of variables, by name: gates that can be fitted, and the weights that read their channels."""
    values = {name: variable.numpy() for name, variable in session.network.named_variables().items()}
    readers = {name: found for name in _fresh_gates(session, values) if (found := _readers(session.graph, name))
               and all(values[f'{reader}/weights'].shape[-2] == len(values[f'{name}/gate/biases']) for reader in found)}
    changed: dict[str, np.ndarray] = {}
    scales: dict[str, np.ndarray] = {}                      # of the channels that a layer reads
    for name, (summary, strength) in _seen(session, readers, images).items():
        summary = summary * scales.get(name, 1.0)
        norm = np.sqrt(sum(_norms(values, reader) for reader in readers[name]))
        phi, rho, scale = fit(summary, strength * norm, values[f'{name}/gate/biases'])
        changed |= {f'{name}/gate/weights': phi, f'{name}/gate/biases': rho,
                    f'{name}/gate/shift': values[f'{name}/gate/shift'] * (1 if _shift_is_scaled(session, name) else scale)}
        for reader in readers[name]:
            changed[f'{reader}/weights'] = values[f'{reader}/weights'] / scale[:, None]
            scales[reader] = scale
    return {name: value.astype(np.float32) for name, value in changed.items()}


def fit(summary: np.ndarray, importance: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """phi, rho and a of one gate; summary [N, C'], importance [N, C], rho [C] before."""
    logarithm = np.log(importance + FLOOR * importance.mean() + 1e-12)
    mean, centre = summary.mean(0), logarithm.mean(0)
    slope = ridge(summary - mean, logarithm - centre)
    unit = rho.mean() * SPREAD / max(((summary - mean) @ slope + centre).std(), 1e-6)
    middle = rho.mean() + unit * (centre - centre.mean())                       # of g, over images
    middle = np.minimum(np.maximum(middle, 0.1 * rho.mean()), MOST * rho)
    return unit * slope, middle - mean @ (unit * slope), np.where(rho > 0, middle / np.maximum(rho, 1e-12), 1.0)


def ridge(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """W [inputs, outputs] that makes |inputs W - targets|^2 / N + RIDGE |std W|^2 least; both are centred."""
    scale = inputs.std(0) + 1e-6
    inputs = inputs / scale
    penalty = RIDGE * len(inputs) * np.eye(inputs.shape[1])
    return np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets) / scale[:, None]


def _fresh_gates(session: Session, values: dict[str, np.ndarray]) -> Iterator[str]:
    """The gated layers that start from a dense network and whose saliency is a scale, s phi + rho, of what relu makes."""
    for node in session.graph.nodes:
        layer, phi = session.network.node_layers[node.name], values.get(f'{node.name}/gate/weights')
        if isinstance(layer, GatedConvolution) and phi is not None and not phi.any():
            params = layer.gate.params
            if (params.policy in ('parametric', 'squeeze') and params.granularity == 'channel' and params.pool != 'l2'
                    and not params.factor and not params.parametric_beta
                    and node.params.get('activation_fn') in HOMOGENEOUS):
                yield node.name


def _shift_is_scaled(session: Session, name: str) -> bool:
    """Whether b is inside the scaling, so that it is for y as it was."""
    params = session.network.node_layers[name].gate.params
    return params.add_beta_first or params.policy == 'squeeze'


def _readers(graph: Graph, name: str) -> list[str]:
    """The layers whose weights read the channels of a layer as they are; none if anything else does."""
    found: list[str] = []
    for node in graph.nodes:
        if name in node.inputs:
            if node.type in READS and node.params.get('num_groups', 1) in (None, 1):
                found.append(node.name)
            elif node.type in KEEPS_SCALE and node.name not in graph.outputs and (further := _readers(graph, node.name)):
                found += further
            else:
                return []
    return [] if name in graph.outputs else found


def _norms(values: dict[str, np.ndarray], reader: str) -> np.ndarray:
    """Sum of squares of the weights that read each channel [C]."""
    weights = values[f'{reader}/weights']
    deviation = np.sqrt(values.get(f'{reader}/BatchNorm/moving_variance', np.ones(1)) + 1e-3)
    return ((weights / deviation) ** 2).sum((*range(weights.ndim - 2), -1))


def _seen(session: Session, names: Iterable[str],
          images: Iterable[tf.Tensor]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """s [N, C'] and S [N, C] of each layer at density 1.0, in the order of the network."""
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for batch in images:
        for name, layer, source, outputs in gated_values(session, batch, training=False):
            if name in names:
                strength = tf.sqrt(tf.reduce_mean(tf.cast(outputs, tf.float32) ** 2, (1, 2)))
                summary = tf.cast(layer.gate.summarize(source), tf.float32)
                pairs.setdefault(name, []).append((summary.numpy(), strength.numpy()))
    return {name: (np.concatenate([s for s, _ in found]), np.concatenate([strength for _, strength in found]))
            for name, found in pairs.items()}


def gated_values(session: Session, images: tf.Tensor,
                 training: bool) -> Iterator[tuple[str, GatedConvolution, tf.Tensor, tf.Tensor]]:
    """Name, layer, input and output of each gated layer; training: these layers normalize by the batch, at their density."""
    values = dict.fromkeys(session.graph.inputs, images)
    for node in session.graph:
        sources = [values[name] for name in node.inputs]
        layer = session.network.node_layers[node.name]
        gated = isinstance(layer, GatedConvolution)
        outputs = layer(sources[0] if len(sources) == 1 else sources, training=training and gated)
        if gated:
            outputs = outputs[0]
            yield node.name, layer, sources[0], outputs
        values[node.name] = outputs
