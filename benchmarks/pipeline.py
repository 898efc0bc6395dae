"""Images a second that the input pipeline delivers, against those that training consumes.

    python -m benchmarks.pipeline [--images 20000] [--rounds 5]

Reads, decodes, augments and batches the records of Fashion-MNIST with the preprocessing of MCifarNet, as `train` does, with
nothing at the other end; then the dense training step on a ready batch; in turn. Medians and their ratio.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import tensorflow as tf

from benchmarks.training import own_step
from mayo.config import Config
from mayo.session.data import epoch_of
from mayo.util.files import SHIPPED


def delivered(config: Config, images: int) -> float:
    """Images a second of one pass, its first batch (which fills the buffers) left out."""
    batches = iter(epoch_of(config, 'train'))
    count, start = -next(batches)[0].shape[0], time.perf_counter()
    for batch, _ in batches:
        count += batch.shape[0]
        if count >= images:
            break
    return count / (time.perf_counter() - start)


def main() -> None:
    """Print images/s of the input pipeline alone and of training, and their ratio."""
    parser = argparse.ArgumentParser(description='Input pipeline against training.')
    parser.add_argument('--images', type=int, default=20000)
    parser.add_argument('--rounds', type=int, default=5)
    options = parser.parse_args()
    config = Config.default()
    for name in ('models/cifarnet.yaml', 'datasets/fashion_mnist.yaml'):
        config.merge_file(SHIPPED / name)
    config.merge_word('dataset.path.train=$(dataset.path.validate)')  # the images that ship, as often as it takes
    config.merge_word('dataset.num_examples_per_epoch.train=10000')
    batch = config.get('system.batch_size')
    images, labels = tf.random.stateless_normal([batch, 32, 32, 3], [0, 1]), tf.zeros([batch], tf.int32)
    step = own_step('models/cifarnet.yaml', 'mixed_bfloat16', batch)
    step(images, labels)
    pipeline, training = [], []
    for _ in range(options.rounds):
        pipeline.append(delivered(config, options.images))
        start = time.perf_counter()
        for _ in range(5):
            step(images, labels)
        training.append(5 * batch / (time.perf_counter() - start))
    speed, need = statistics.median(pipeline), statistics.median(training)
    print(
        f'input pipeline {speed:.0f} images/s, training (mixed_bfloat16, dense MCifarNet) {need:.0f} images/s, '
        f'ratio {speed / need:.1f}'
    )


if __name__ == '__main__':
    main()
