"""Wall time of the commands that answer without TensorFlow, as whole processes.

python -m benchmarks.startup [--rounds 7]
"""

import argparse
import statistics
import subprocess
import time
from pathlib import Path

MY = Path(__file__).resolve().parents[1] / 'my'
COMMANDS = (
    ('--help',),
    ('ls',),
    ('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml', 'config'),
    ('models/gate/cifarnet.yaml', 'datasets/fashion_mnist.yaml', 'check'),
    ('models/vgg16.yaml', 'datasets/imagenet.yaml', 'info'),
    ('models/gate/vgg16_bn.yaml', 'datasets/imagenet.yaml', '_gate.density=0.5', 'info'),
)


def main() -> None:
    """Print the median time of each command that answers without TensorFlow."""
    parser = argparse.ArgumentParser(description='Start-up times.')
    parser.add_argument('--rounds', type=int, default=7)
    rounds = parser.parse_args().rounds
    times: dict[tuple[str, ...], list[float]] = {words: [] for words in COMMANDS}
    for _ in range(rounds):
        for words, taken in times.items():
            start = time.perf_counter()
            subprocess.run([MY, *words], check=True, capture_output=True)
            taken.append(time.perf_counter() - start)
    for words, taken in times.items():
        print(f'{statistics.median(taken):6.2f} s  ./my {" ".join(words)}')


if __name__ == '__main__':
    main()
