"""Gates that start from a dense network learn, before training, which channels matter for which image.

The saliency of a gate both chooses channels and scales them, so a start that keeps the scales of the dense network chooses the
channels of large scale for every image. But a channel may have any scale a > 0 if what reads it divides by a: relu(a z) =
a relu(z). So saliencies are made nearly equal, and what is left of their differences is the choice:

    I_c = S_c |W_c|             importance of channel c for an image; S_c: root mean square of y_c over H, W; |W_c|: norm of the
                                weights that read it, each filter in units of the deviation of what it makes
    t_c = s W_t + mean          ridge regression on s, what the gate pools from its input, of log(I_c + I_mean / 20)
                                less its mean over the image's channels, since what all share ranks none
    g_c = rho_mean (1 + SPREAD (t_c - t_mean) / t_std)          linear in s: this sets phi and rho
    a_c = mean over images of g_c / rho_c before                b_c and g_c are for a y_c that is a_c times what it was

Layer after layer: s and S are of an input in which the channels that lost are silent, as they will be. At density 1.0 the
network is the dense one but for the SPREAD by which saliencies differ from image to image. Scales of channels that the next
layer makes up for: Nagel et al., 2019, https://arxiv.org/abs/1906.04721, section 4.1
"""

import logging
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from mayo.layers import convolution as layers
from mayo.layers.functions import keeps_scale
from mayo.layers.linear import Linear, epsilon_of
from mayo.layers.travel import Apart, Mixed
from mayo.net.graph import Graph, Node
from mayo.net.tf.layer.conv import GatedConvolution
from mayo.session import data
from mayo.session.base import Session

_log = logging.getLogger(__name__)
SPREAD, RIDGE, FLOOR = 0.03, 0.01, 0.05
MOMENTUM = 0.8  # of averages taken anew, from a dozen batches or more
MOST = 5.0  # scale a of a channel; those that would need more are the last to win


def fit_gates(session: Session, images: int) -> None:
    """Fit the gates whose phi is zero to the first `images` training images, seen as in evaluation."""
    config = session.config.copy()
    for key in ('train', 'original.train'):
        config.merge_word(f'dataset.task.preprocess.{key}=$(dataset.task.preprocess.{key.replace("train", "validate")})')
    size = config.get('system.batch_size')
    batches = data.epoch_of(config, 'train', batch_size=size).take(-(-images // size))
    fitted = fit_gates_to(session, [batch for batch, _ in batches])
    _log.info('fitted to %d images: the gates of %s', images, ', '.join(fitted) or 'no layer')


def fit_gates_to(session: Session, batches: Iterable[tf.Tensor]) -> list[str]:
    """Fit the gates one after the other, each to what the gates before it let through; returns the names of their layers."""
    variables = session.network.named_variables()
    readers_of: dict[str, dict[str, Linear]] = {}
    for node in session.graph:
        if not isinstance(node.params, layers.GatedConvolution) or not node.params.gate:
            continue
        try:
            _require_fresh(node.name, node.params, variables)
            readers_of[node.name] = _readers(session.graph, node, node.params.num_outputs, variables)
        except _Unfit as reason:
            _log.info('the gate of %s is not fitted: %s', node.name, reason)
    for name, readers in readers_of.items():
        summary, strength = _seen(session, name, batches)
        norm = np.sqrt(sum(norms_of(reader, layer, variables) for reader, layer in readers.items()))
        phi, rho, scale = fit(summary, strength * norm, variables[f'{name}/gate/biases'].numpy())
        variables[f'{name}/gate/weights'].assign(phi)
        variables[f'{name}/gate/biases'].assign(rho)
        if not session.network.node_layers[name].gate.params.shift_is_scaled:
            variables[f'{name}/gate/shift'].assign(variables[f'{name}/gate/shift'].numpy() * scale)
        for reader in readers:
            variables[f'{reader}/weights'].assign(variables[f'{reader}/weights'].numpy() / scale[:, None])
    if readers_of:
        take_averages(session, batches)
    return list(readers_of)


def take_averages(session: Session, batches: Iterable[tf.Tensor]) -> None:
    """Batch norm's averages of gated layers anew, where channels are suppressed; dropout stays off."""
    if not _suppresses(session):
        return
    norms = [norm for _, layer in _gated_layers(session) if (norm := layer.norm) is not None]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = MOMENTUM
    for images in batches:
        for _ in gated_values(session, images):
            pass
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def fit(summary: np.ndarray, importance: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """phi, rho and a of one gate; summary [N, C'], importance [N, C], rho [C] before."""
    logarithm = np.log(importance + FLOOR * importance.mean() + 1e-12)
    logarithm = logarithm - logarithm.mean(1, keepdims=True)
    mean, centre = summary.mean(0), logarithm.mean(0)
    slope = ridge(summary - mean, logarithm - centre)
    unit = rho.mean() * SPREAD / max(((summary - mean) @ slope + centre).std(), 1e-6)
    middle = rho.mean() + unit * (centre - centre.mean())  # of g, over images
    middle = np.minimum(np.maximum(middle, 0.1 * rho.mean()), MOST * rho)
    return unit * slope, middle - mean @ (unit * slope), np.where(rho > 0, middle / np.maximum(rho, 1e-12), 1.0)


def ridge(inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """W [inputs, outputs] that makes |inputs W - targets|^2 / N + RIDGE |std W|^2 least; both are centred."""
    scale = inputs.std(0) + 1e-6
    inputs = inputs / scale
    penalty = RIDGE * len(inputs) * np.eye(inputs.shape[1])
    return np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ targets) / scale[:, None]


def _gated_layers(session: Session) -> Iterator[tuple[Node, GatedConvolution]]:
    """In the order of the network."""
    for node in session.graph:
        layer = session.network.node_layers[node.name]
        if isinstance(layer, GatedConvolution):
            yield node, layer


def _suppresses(session: Session) -> bool:
    """Whether any gate is below density 1.0."""
    return any(layer.gate.keep < layer.gate.channels for _, layer in _gated_layers(session))


class _Unfit(Exception):
    """Why a gate starts as it is."""


def _require_fresh(name: str, gated: layers.GatedConvolution, variables: Mapping[str, tf.Variable]) -> None:
    """_Unfit unless the layer's saliency is a scale, s phi + rho with phi = 0, of what its activation makes."""
    params = gated.gate_params
    reasons = {
        'its policy adds no b': not params.rule.has_shift,
        'gate_params.granularity is vector': params.granularity != 'channel',
        'gate_params.pool is l2': params.pool == 'l2',
        'gate_params.factor is set': params.factor > 0,
        'gate_params.parametric_beta is set': params.parametric_beta,
        'its activation does not keep scales, as relu does': not keeps_scale(gated.activation_fn),
    }
    for reason, holds in reasons.items():
        if holds:
            raise _Unfit(reason)
    if variables[f'{name}/gate/weights'].numpy().any():
        raise _Unfit('it has learned already')


def _readers(graph: Graph, source: Node, channels: int, variables: Mapping[str, tf.Variable]) -> dict[str, Linear]:
    """The layers, by name, whose weights read the `channels` of a layer as they are, perhaps through others that keep scales.

    _Unfit if anything else reads them, or nothing does: then nothing makes up for another scale.
    """
    if source.name in graph.outputs:
        raise _Unfit(f'{source.name} is an output of the network')
    readers: dict[str, Linear] = {}
    for node in graph.nodes:
        if source.name not in node.inputs:
            continue
        layer, travel = node.params, node.params.travel
        mixes = isinstance(travel, Mixed) and not travel.needs_all
        if isinstance(layer, Linear) and mixes and variables[f'{node.name}/weights'].shape[-2] == channels:
            readers[node.name] = layer
        elif isinstance(travel, Apart) and travel.scale_stays:
            readers |= _readers(graph, node, channels, variables)
        else:
            raise _Unfit(f'{node.name} does not read its channels one by one')
    return readers


def norms_of(reader: str, layer: Linear, variables: Mapping[str, tf.Variable]) -> np.ndarray:
    """Sum of squares of the weights that read each channel [C], each filter in units of the deviation that its norm divides by."""
    weights, variance = variables[f'{reader}/weights'].numpy(), variables.get(f'{reader}/BatchNorm/moving_variance')
    if variance is not None and layer.normalizer_fn is not None:
        weights = weights / np.sqrt(variance.numpy() + epsilon_of(layer.normalizer_fn))
    return (weights**2).sum((*range(weights.ndim - 2), -1))


def _seen(session: Session, wanted: str, batches: Iterable[tf.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """s [N, C'] and S [N, C] of a layer, none of whose own channels are suppressed: a loser would matter to no image."""
    summaries, strengths = [], []
    for images in batches:
        for name, layer, source, outputs in gated_values(session, images, wanted):
            if name == wanted:
                strengths.append(tf.sqrt(tf.reduce_mean(tf.cast(outputs, tf.float32) ** 2, (1, 2))).numpy())
                summaries.append(tf.cast(layer.gate.summarize(source), tf.float32).numpy())
                break
    return np.concatenate(summaries), np.concatenate(strengths)


def gated_values(
    session: Session, images: tf.Tensor, whole: str | None = None
) -> Iterator[tuple[str, GatedConvolution, tf.Tensor, tf.Tensor]]:
    """Name, layer, input and output of each gated layer; that of the layer `whole` at density 1.0.

    Where channels are suppressed, what follows has other averages: these layers normalize by the batch, as in training.
    """
    layers = session.network.node_layers
    training = _suppresses(session)
    values = dict.fromkeys(session.graph.inputs, images)
    for node in session.graph:
        sources = [values[name] for name in node.inputs]
        layer, gated = layers[node.name], isinstance(layers[node.name], GatedConvolution)
        keep = {'keep': tf.constant(layer.gate.channels)} if node.name == whole else {}
        outputs = layer(sources[0] if len(sources) == 1 else sources, training=training and gated, **keep)
        if gated:
            outputs = outputs[0]
            yield node.name, layer, sources[0], outputs
        values[node.name] = outputs
