"""To add an engine is to add one file to mayo/net/tf/engines: a toy one, added in exactly that way, is complete."""

import json
import pathlib
import subprocess
from collections.abc import Callable

from mayo.config import Config

TOY = '''
"""NumPy that computes nothing, which is as fast as can be."""

from mayo.net.tf.engines.base import PICKLED, Engine, Job, Loaded, engines, unpickled


def load(job: Job) -> Loaded:
    import numpy as np

    program = unpickled(job.path)
    outputs = [np.zeros((job.batch_size, *program.values[name].dims), np.float32) for name in program.outputs]
    return Loaded(lambda images: images, lambda images: outputs)


engines.register('toy')(
    Engine(
        packages=('json',),
        extra='bench',
        network_file=PICKLED,
        masked=False,
        exported=('.toy',),
        marker='*',
        load=load,
        compact=None,
    )
)
'''


def test_an_engine_is_one_file(
    my_with: Callable[[str, str], Callable[..., 'subprocess.CompletedProcess[str]']],
    tiny_config: Config,
    tmp_path: pathlib.Path,
) -> None:
    my, tiny = my_with('net/tf/engines/toy.py', TOY), tmp_path / 'tiny.yaml'
    tiny.write_text(tiny_config.to_yaml())
    wrong = my(str(tiny), 'bench.engines=[tyo]', 'bench')
    assert 'each of it one of native, onnxruntime, openvino, tensorflow, toy, xla' in wrong.stderr
    words = ['bench.engines=[toy,tensorflow]', 'bench.rounds=1', 'bench.images=1', 'bench.format=json']
    done = my(str(tiny), *words, 'bench.networks=[dense,masked,compact]', 'bench')
    assert done.returncode == 0, done.stderr
    (group,) = json.loads(done.stdout)['groups']
    assert [(timed['network'], timed['engine']) for timed in group['measurements']] == [
        ('dense', 'toy'),
        ('dense', 'tensorflow'),
        ('masked', 'tensorflow'),
        ('compact', 'toy'),
        ('compact', 'tensorflow'),
    ]
    assert group['measurements'][3]['difference'] == 1, 'it computes nothing'
