"""To add an engine is to add one file to mayo/net/tf/engines: a toy one, added in exactly that way, is complete."""

import json
import pathlib
import subprocess
from collections.abc import Callable

from mayo.config import Config

TOY = '''
"""NumPy that computes nothing, which is as fast as can be."""

from mayo.net.tf.engines.base import PICKLED, Compact, Engine, Job, Loaded, engines, unpickled


def load(job: Job) -> Loaded:
    import numpy as np

    program = unpickled(job.path)
    outputs = [np.zeros((job.batch_size, *program.values[name].dims), np.float32) for name in program.outputs]
    return Loaded(lambda images: images, lambda images: outputs)


def always_the_first(program):
    """Every image is of the first class, and keeps every channel."""
    import tensorflow as tf

    def run(images):
        masks = {name: tf.ones([tf.shape(images)[0], program.values[name].width], tf.bool) for name in program.gated}
        return tf.one_hot(tf.zeros(tf.shape(images)[:1], tf.int32), program.values[program.outputs[0]].width), masks

    return run


engines.register('toy')(
    Engine(
        packages=('json',),
        extra='bench',
        network_file=PICKLED,
        masked=False,
        exported=('.toy',),
        marker='*',
        load=load,
        compact=Compact(always_the_first, lambda program: [], preference=-1, on_gpu=False),
    )
)
'''


def test_an_engine_is_one_file(
    my_with: Callable[[str, str], Callable[..., 'subprocess.CompletedProcess[str]']],
    tiny_config: Config,
    pictures: pathlib.Path,
    tmp_path: pathlib.Path,
) -> None:
    my, tiny = my_with('net/tf/engines/toy.py', TOY), tmp_path / 'tiny.yaml'
    tiny.write_text(tiny_config.to_yaml())
    wrong = my(str(tiny), 'bench.engines=[tyo]', 'bench')
    assert 'each of it one of native, onnxruntime, openvino, tensorflow, toy, xla' in wrong.stderr
    words = ['bench.engines=[toy,tensorflow]', 'bench.rounds=1', 'bench.images=1', 'bench.format=json']
    done = my(str(tiny), *words, 'bench.networks=[masked,compact]', 'bench')
    assert done.returncode == 0, done.stderr
    (group,) = json.loads(done.stdout)['groups']
    assert [(timed['network'], timed['engine']) for timed in group['measurements']] == [
        ('masked', 'tensorflow'),
        ('compact', 'toy'),
        ('compact', 'tensorflow'),
    ]
    assert group['measurements'][1]['difference'] == 1, 'it computes nothing'
    wrong = my(str(tiny), 'system.engine=tyo', 'info')
    assert 'system.engine is tyo, expected one of auto, native, tensorflow, toy; did you mean toy?' in wrong.stderr
    grey = f'dataset: {{path: {{validate: {pictures}/validate.tfrecord}}, task: {{preprocess: {{shape: {{channels: 1}}}}}}}}'
    (tmp_path / 'grey.yaml').write_text(grey)
    done = my(str(tiny), str(tmp_path / 'grey.yaml'), 'system.engine=toy', 'system.execution=compact', 'eval')
    assert 'top-1 34.00 %' in done.stdout, done.stderr  # 17 of 50 are of the first class
