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

A gate that scales nothing, of policy `select` or `naive`, only has to tell how strong each channel will be:

    g_c = s W_c + mean          ridge regression on s of the channel's strength, pool(y_c) as the gate pools its input
                                select: in units of its deviation, and moved up so that all are above zero; their order counts

Layer after layer: s and S are of an input in which the channels that lost are silent, as they will be. At density 1.0 the
network is the dense one, but for the SPREAD by which saliencies differ from image to image where they scale. Scales of channels
that the next layer makes up for: Nagel et al., 2019, https://arxiv.org/abs/1906.04721, section 4.1

How well a gate foresees what it will not compute: its *agreement* with an oracle that would pick, for each image, the channels
of largest I_c, or strength, after computing all. Beside it, what a choice of the same channels for every image agrees.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from mayo.layers import convolution as layers
from mayo.layers.functions import keeps_scale
from mayo.layers.linear import Linear, epsilon_of
from mayo.layers.travel import Apart, Mixed
from mayo.net.graph import Graph, Node
from mayo.net.tf.gate.base import Gate
from mayo.net.tf.layer.conv import GatedConvolution
from mayo.session import data
from mayo.session.base import Session

_log = logging.getLogger(__name__)
SPREAD, RIDGE, FLOOR = 0.03, 0.01, 0.05
MOMENTUM = 0.8  # of averages taken anew, from a dozen batches or more
ROOM = 1.0  # of the least saliency of a choice above zero, in deviations: other images have lesser ones
MOST = 5.0  # scale a of a channel; those that would need more are the last to win


@dataclass(frozen=True)
class Fitted:
    """A gate that was fitted.

    agreement: share of an image's best channels that it picks, mean over the images. fixed: the same of the channels that are
    among the best of most images.
    """

    channels: int
    picked: int
    agreement: float
    fixed: float


def fit_gates(session: Session, images: int) -> dict[str, Fitted]:
    """Fit the gates that have learned nothing yet to the first `images` training images, seen as in evaluation."""
    config = session.config.copy()
    for key in ('train', 'original.train'):
        config.merge_word(f'dataset.task.preprocess.{key}=$(dataset.task.preprocess.{key.replace("train", "validate")})')
    size = config.get('system.batch_size')
    batches = data.epoch_of(config, 'train', batch_size=size).take(-(-images // size))
    pictures = [batch for batch, _ in batches]
    fitted = fit_gates_to(session, pictures)
    _log.info('fitted to %d images: the gates of %s', sum(len(batch) for batch in pictures), ', '.join(fitted) or 'no layer')
    if chosen := {name: gate for name, gate in fitted.items() if gate.picked < gate.channels}:
        listed = ', '.join(f'{name} {gate.agreement:.3f}' for name, gate in chosen.items())
        _log.info('share of the best channels of an image that they pick: %s', listed)
    return fitted


def fit_gates_to(session: Session, batches: Iterable[tf.Tensor]) -> dict[str, Fitted]:
    """Fit the gates one after the other, each to what the gates before it let through; by the names of their layers."""
    variables = session.network.named_variables()
    readers_of: dict[str, dict[str, Linear]] = {}
    for node in session.graph:
        if not isinstance(node.params, layers.GatedConvolution) or not node.params.gate:
            continue
        try:
            _require_fresh(node.name, node.params, variables)
            scales = node.params.gate.scales
            readers_of[node.name] = _readers(session.graph, node, node.params.num_outputs, variables) if scales else {}
        except _Unfit as reason:
            _log.info('the gate of %s is not fitted: %s', node.name, reason)
    fitted = {}
    for name, readers in readers_of.items():
        gate = session.network.node_layers[name].gate
        fit_one = _fit_scaling if gate.params.scales else _fit_choosing
        summary, wanted = fit_one(session, name, gate, readers, batches)
        phi, rho = (variables[f'{name}/gate/{part}'].numpy() for part in ('weights', 'biases'))
        best = _best(wanted, gate.keep)
        fitted[name] = Fitted(
            gate.channels,
            gate.keep,
            _agreement(_best(summary @ phi + rho, gate.keep), best),
            _agreement(_best(best.mean(0, keepdims=True) + 1e-6 * wanted.mean(0), gate.keep), best),
        )
    if readers_of:
        take_averages(session, batches)
    return fitted


def _fit_scaling(
    session: Session, name: str, gate: Gate, readers: Mapping[str, Linear], batches: Iterable[tf.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """Set phi, rho and b, and the weights that read the channels. Returns s [N, C'] and I [N, C]."""
    variables = session.network.named_variables()
    summary, strength = _seen(session, name, batches, _root_mean_square)
    importance = strength * np.sqrt(sum(norms_of(reader, layer, variables) for reader, layer in readers.items()))
    phi, rho, scale = fit(summary, importance, variables[f'{name}/gate/biases'].numpy())
    variables[f'{name}/gate/weights'].assign(phi)
    variables[f'{name}/gate/biases'].assign(rho)
    if not gate.params.shift_is_scaled:
        variables[f'{name}/gate/shift'].assign(variables[f'{name}/gate/shift'].numpy() * scale)
    for reader in readers:
        variables[f'{reader}/weights'].assign(variables[f'{reader}/weights'].numpy() / scale[:, None])
    return summary, importance


def _fit_choosing(
    session: Session, name: str, gate: Gate, readers: Mapping[str, Linear], batches: Iterable[tf.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """Set phi and rho. Returns s [N, C'] and the strengths [N, C]."""
    variables = session.network.named_variables()
    summary, strength = _seen(session, name, batches, gate.strength)
    phi, rho = fit_choice(summary, strength, as_it_is=gate.params.policy == 'naive')
    variables[f'{name}/gate/weights'].assign(phi)
    variables[f'{name}/gate/biases'].assign(rho)
    return summary, strength


def _best(values: np.ndarray, keep: int) -> np.ndarray:
    """Which `keep` of each row [N, C] are largest, true or false."""
    ranks = np.argsort(np.argsort(-values, 1, kind='stable'), 1)
    return ranks < keep


def _agreement(picked: np.ndarray, best: np.ndarray) -> float:
    """Share of the best channels of an image that are picked, both [N, C], mean over images."""
    return float(((picked & best).sum(1) / best.sum(1)).mean())


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


def fit_choice(summary: np.ndarray, strength: np.ndarray, as_it_is: bool) -> tuple[np.ndarray, np.ndarray]:
    """phi and rho of a gate that scales nothing; summary [N, C'], strength [N, C].

    as_it_is: saliency is the strength itself, as `naive` is taught; else its deviation is 1, and none is below zero.
    """
    mean, centre = summary.mean(0), strength.mean(0)
    phi = ridge(summary - mean, strength - centre)
    rho = centre - mean @ phi
    if as_it_is:
        return phi, rho
    unit = max((summary @ phi + rho).std(), 1e-6)
    phi, rho = phi / unit, rho / unit
    return phi, rho + ROOM - (summary @ phi + rho).min()


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
    """_Unfit unless the layer's saliency is s phi + rho, and new.

    New is, where saliency is a scale of what the activation makes, phi = 0; where it scales nothing, one rho for all channels.
    """
    params = gated.gate_params
    scales = params.scales
    reasons = {
        'its policy adds no b': scales and not params.has_shift,
        'gate_params.granularity is vector': params.granularity != 'channel',
        'gate_params.pool is l2': scales and params.pool == 'l2',
        'gate_params.factor is set': params.factor > 0,
        'gate_params.parametric_beta is set': scales and params.parametric_beta,
        'its activation does not keep scales, as relu does': scales and not keeps_scale(gated.activation_fn),
    }
    for reason, holds in reasons.items():
        if holds:
            raise _Unfit(reason)
    phi, rho = (variables[f'{name}/gate/{part}'].numpy() for part in ('weights', 'biases'))
    if phi.any() if scales else np.ptp(rho):
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


def _seen(
    session: Session, wanted: str, batches: Iterable[tf.Tensor], measure: Callable[[tf.Tensor], tf.Tensor]
) -> tuple[np.ndarray, np.ndarray]:
    """s [N, C'] and measure(y) [N, C] of a layer, none of whose own channels are suppressed: a loser would matter to no image."""
    summaries, measured = [], []
    for images in batches:
        for name, layer, source, outputs in gated_values(session, images, wanted):
            if name == wanted:
                measured.append(measure(outputs).numpy())
                summaries.append(tf.cast(layer.gate.summarize(source), tf.float32).numpy())
                break
    return np.concatenate(summaries), np.concatenate(measured)


def _root_mean_square(outputs: tf.Tensor) -> tf.Tensor:
    """Over H and W: [N, C]."""
    return tf.sqrt(tf.reduce_mean(tf.cast(outputs, tf.float32) ** 2, (1, 2)))


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
