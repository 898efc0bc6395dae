"""Images a second in training: this project against a plain Keras loop, gated against dense, and slimmed by use against gated.

    python -m benchmarks.training [--precision float32] [--batch 128] [--rounds 15]

Training steps of MCifarNet on the same random images, in turn, so that the machine's moods hit all alike; medians, and their
ratios. Both gated networks keep as many channels; the slimmed one has 68 % of those to choose from. The Keras loop is what one
would write without this project: a functional model of Keras layers, `GradientTape`, `apply_gradients`.
"""

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import keras
import tensorflow as tf

from mayo.config import Config
from mayo.session.base import Session
from mayo.training.trainer import Trainer
from mayo.util.files import SHIPPED

WIDTHS = (
    (64, 1, 'valid'),
    (64, 1, 'same'),
    (128, 2, 'same'),
    (128, 1, 'same'),
    (128, 1, 'same'),
    (192, 2, 'same'),
    (192, 1, 'same'),
    (192, 1, 'same'),
)
DROPOUT_AFTER = (3, 6)


def own_step(model: str, precision: str, batch: int) -> Callable[[tf.Tensor, tf.Tensor], object]:
    """A step of `train` as the command line would make it."""
    config = Config.default()
    for name in (model, 'datasets/fashion_mnist.yaml', 'trainers/one_cycle.yaml'):
        config.merge_file(SHIPPED / name)
    for word in (
        f'system.precision={precision}',
        f'system.batch_size={batch}',
        '_gate.density=0.5',
        'dataset.path.train=$(dataset.path.validate)',
        'dataset.num_examples_per_epoch.train=10000',
    ):
        config.merge_word(word)
    step = Trainer(Session(config)).step
    return lambda images, labels: step(images, labels, 0.01)


def keras_step(precision: str) -> Callable[[tf.Tensor, tf.Tensor], object]:
    """The same network and optimizer in a plain loop."""
    keras.config.set_dtype_policy(precision)
    inputs = x = keras.Input((32, 32, 3))
    for index, (channels, stride, padding) in enumerate(WIDTHS):
        x = keras.layers.Conv2D(channels, 3, stride, padding, use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        if index in DROPOUT_AFTER:
            x = keras.layers.Dropout(0.5)(x)
    outputs = keras.layers.Dense(10, dtype='float32')(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    loss_of = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    keras.config.set_dtype_policy('float32')

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(tf.one_hot(labels, 10), model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return step


def seconds(step: Callable[[], object]) -> float:
    """Wall time of one step, finished."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    """Print images/s of each network at each precision, and their ratios."""
    parser = argparse.ArgumentParser(description='Training throughput.')
    parser.add_argument('--precision', nargs='+', default=['float32', 'mixed_bfloat16'])
    parser.add_argument('--batch', type=int, default=128)
    parser.add_argument('--rounds', type=int, default=15)
    options = parser.parse_args()
    images = tf.random.stateless_normal([options.batch, 32, 32, 3], [0, 1])
    labels = tf.random.stateless_uniform([options.batch], [0, 2], 0, 10, tf.int32)
    print(f'MCifarNet, batch {options.batch}, median of {options.rounds} interleaved steps, images/s')
    print(
        f'{"precision":16}{"Keras loop":>12}{"dense":>8}{"gated":>8}{"slimmed":>9}'
        f'{"dense/Keras":>14}{"gated/dense":>13}{"slimmed/gated":>15}'
    )
    for precision in options.precision:
        steps = {
            'keras': keras_step(precision),
            'dense': own_step('models/cifarnet.yaml', precision, options.batch),
            'gated': own_step('models/gate/cifarnet.yaml', precision, options.batch),
            'slimmed': own_step('models/gate/cifarnet_slim68.yaml', precision, options.batch),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(options.rounds + 2):
            for name, step in steps.items():
                taken = seconds(functools.partial(step, images, labels))
                if turn >= 2:
                    times[name].append(taken)
        speed = {name: options.batch / statistics.median(taken) for name, taken in times.items()}
        print(
            f'{precision:16}{speed["keras"]:12.0f}{speed["dense"]:8.0f}{speed["gated"]:8.0f}{speed["slimmed"]:9.0f}'
            f'{speed["dense"] / speed["keras"]:14.2f}{speed["gated"] / speed["dense"]:13.2f}'
            f'{speed["slimmed"] / speed["gated"]:15.2f}'
        )


if __name__ == '__main__':
    main()
