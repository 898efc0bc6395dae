"""The network of a graph, in Keras layers: one forward pass that returns the outputs and what each gate did.

    outputs, stats = network(images, training=False)        images: [N, H, W, C] float32

Under a mixed precision policy the layers compute in 16 bits; from the last layer with weights on, in float32.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mayo.layers import Shape
from mayo.layers.linear import Linear
from mayo.net.graph import Graph, Node
from mayo.net.tf.gate.base import GateStats
from mayo.net.tf.gate.threshold import ORIGINAL_START, Threshold, best_loser_of_all
from mayo.net.tf.layer import Dims, Site, build
from mayo.net.tf.layer.conv import GatedConvolution
from mayo.net.tf.override import Overriding
from mayo.net.tf.variables import named_variables
from mayo.override import of_layer
from mayo.override.place import tell_absent


class Network(keras.Model):
    """What `graph` describes, with fresh weights that depend on `seed` alone."""

    def __init__(self, graph: Graph, input_shape: Shape, name: str, seed: int = 0) -> None:
        super().__init__(name=name)
        self.graph = graph
        self.threshold = _network_threshold(graph)
        self.overriding: dict[str, Overriding] = {}
        self.node_layers = self._layers_of(graph, (None, *input_shape.dims), seed)
        self.overrider_state = {
            f'{name}/{part}': variable for name, own in self.overriding.items() for part, variable in own.named_state().items()
        }
        tell_absent((target, name) for name, own in self.overriding.items() for target in own.absent)
        self.built = True

    def _layers_of(self, graph: Graph, input_dims: Dims, seed: int) -> dict[str, keras.layers.Layer]:
        """Every layer by name, built for the shapes that the graph carries to it."""
        layers = {}
        precise = _float32_nodes(graph)

        def visit(node: Node, sources: list[Dims]) -> Dims:
            dtype = 'float32' if node.name in precise else self.dtype_policy
            source = sources[0] if len(sources) == 1 else sources
            layer = build(node.type, node.params, sources, Site(node.name, dtype, seed, self.threshold))
            layer.build(source)
            if not node.params.trains:
                layer.trainable = False
            layers[node.name] = layer
            shape = layer.compute_output_shape(source)
            if chains := of_layer(node.overriders, str(node)):
                self.overriding[node.name] = Overriding(layer, chains, shape, str(node))
            return shape

        graph.walk(dict.fromkeys(graph.inputs, input_dims), visit)
        return layers

    def call(
        self, images: tf.Tensor, training: bool = False, keeps: Mapping[str, tf.Tensor] | None = None
    ) -> tuple[Any, dict[str, GateStats]]:
        """Returns the outputs (a tensor, or a list if the graph has several) and the gates' stats by layer name.

        keeps: active channels, a scalar each, of gated layers in place of what their density says.
        """
        values, stats = self._forward(images, training, keeps or {})
        if training and self.threshold is not None:
            own = [self.node_layers[name].gate.keep for name in stats]
            self.threshold.learn(best_loser_of_all([stat.saliency for stat in stats.values()], own))
        outputs = [tf.cast(values[name], tf.float32) for name in self.graph.outputs]
        return outputs[0] if len(outputs) == 1 else outputs, stats

    def activations(self, images: tf.Tensor, training: bool = False) -> dict[str, tf.Tensor]:
        """The output of every layer by name, in their order."""
        values, _ = self._forward(images, training, {})
        return {node.name: values[node.name] for node in self.graph.nodes}

    def _forward(
        self, images: tf.Tensor, training: bool, keeps: Mapping[str, tf.Tensor]
    ) -> tuple[dict[str, tf.Tensor], dict[str, GateStats]]:
        """The value of every node and input by name, and the gates' stats."""
        stats: dict[str, GateStats] = {}

        def visit(node: Node, sources: list[tf.Tensor]) -> tf.Tensor:
            layer = self.node_layers[node.name]
            more = {'keep': keeps[node.name]} if node.name in keeps else {}
            overriding = self.overriding.get(node.name)
            run = layer if overriding is None else functools.partial(overriding.run, layer)
            outputs = run(sources[0] if len(sources) == 1 else sources, training=training, **more)
            if isinstance(layer, GatedConvolution):
                outputs, stats[node.name] = outputs
            return outputs

        return self.graph.walk(dict.fromkeys(self.graph.inputs, images), visit), stats

    @property
    def is_probability(self) -> bool:
        """Whether the outputs are probabilities, not logits: the last layer is a softmax."""
        return self.graph[self.graph.outputs[0]].type == 'softmax'

    def named_variables(self) -> dict[str, keras.Variable]:
        """Every weight and moving average by its name in checkpoints, without the model's: 'conv0/BatchNorm/gamma'."""
        named: dict[str, keras.Variable] = {}
        for name, layer in self.node_layers.items():
            named.update(named_variables(layer, name))
        if self.threshold is not None:
            named.update(named_variables(self.threshold, 'gate'))
        return named | self.overrider_state

    def effective_weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """What the layers compute with, by the names of `named_variables`: overridden where an overrider is."""
        values = {name: variable.numpy() for name, variable in self.named_variables().items()}
        for layer, own in self.overriding.items():
            values |= {f'{layer}/{name}': own.overridden(name).numpy() for name in own.variables_of}
        return values

    def update_overriders(self, run: Callable[[], Any]) -> None:
        """Update the states of all overriders: of variables from their values, of the rest from what they see while `run` runs.

        run: a run of this network on a batch, and of its gradients, which is called only if something waits for it.
        """
        rivals = tuple(rival for own in self.overriding.values() if (rival := own.rival()) is not None)
        for own in self.overriding.values():
            own.update(rivals)
        if any(own.needs_a_batch() for own in self.overriding.values()):
            with contextlib.ExitStack() as stack:
                for own in self.overriding.values():
                    stack.enter_context(own.learning(rivals))
                run()

    @contextlib.contextmanager
    def without_overriders(self) -> Iterator[None]:
        """Inside, the network computes as if nothing were overridden; functions that are traced inside stay so."""
        for own in self.overriding.values():
            own.is_paused = True
        try:
            yield
        finally:
            for own in self.overriding.values():
                own.is_paused = False

    def random_variables(self) -> dict[str, keras.Variable]:
        """The states of the random generators (dropout's) by layer name: with them a resumed run draws what it would have."""
        return {
            f'{name}/seed': part.seed_generator.state
            for name, layer in self.node_layers.items()
            for part in layer._flatten_layers()
            if hasattr(part, 'seed_generator')
        }

    def regularization(self, stats: dict[str, GateStats]) -> tf.Tensor:
        """What the loss adds to the cross entropy: weight regularizers, the gates' penalties and the overriders'."""
        without = {id(variable) for own in self.overriding.values() for variable in own.unregularized()}
        trained = [variable for variable in self.trainable_variables if id(variable) not in without]
        terms = [variable.regularizer(variable) for variable in trained if variable.regularizer]
        terms += [stat.penalty for stat in stats.values()]
        terms += [term for own in self.overriding.values() for term in own.penalties()]
        return tf.add_n([tf.cast(term, tf.float32) for term in terms]) if terms else tf.zeros(())


def _float32_nodes(graph: Graph) -> set[str]:
    """The nodes from the last one with weights on: logits need more than the 8 bits of a bfloat16."""
    consumers: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            consumers.setdefault(name, []).append(node)
    precise: set[str] = set()
    for node in reversed(graph.nodes):
        after = consumers.get(node.name, [])
        if all(other.name in precise and not isinstance(other.params, Linear) for other in after):
            precise.add(node.name)
    return precise


def _network_threshold(graph: Graph) -> Threshold | None:
    """The threshold that gates with `threshold: global` share, if there are any."""
    for node in graph.nodes:
        if node.params.gate and node.params.gate.threshold == 'global':
            gate = node.params.gate
            return Threshold(gate.decay, ORIGINAL_START if gate.original else None)
    return None
