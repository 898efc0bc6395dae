"""Our own engine, in C: mayo.net.tf.compact.native."""

import typing

from mayo.net.tf.engines.base import PICKLED, Compact, Engine, Job, Loaded, engines, unpickled

if typing.TYPE_CHECKING:
    from mayo.net.tf.compact import Program
    from mayo.net.tf.compact.native import NativeNetwork


def load(job: Job) -> Loaded:
    """A program. Errors: ValueError where the engine was not built, or does not know one of its operations."""
    import numpy as np

    from mayo.net.tf.compact.native import NativeNetwork

    network = NativeNetwork(unpickled(job.path), threads=job.threads)
    return Loaded(np.ascontiguousarray, lambda images: network.run(images)[:-1])


def compact(program: 'Program') -> 'NativeNetwork':
    """The network, by as many threads as there are processors."""
    from mayo.net.tf.compact.native import NativeNetwork

    return NativeNetwork(program)


def reasons(program: 'Program') -> list[str]:
    """Why the engine cannot run `program`, a line each."""
    from mayo.net.tf.compact import native

    if native.library() is None:
        return [f'it was not built; that takes a C compiler and `{native.BUILD}`.']
    return native.unsupported(program)


engines.register('native')(
    Engine(
        packages=('tensorflow',),
        extra='bench',
        network_file=PICKLED,
        masked=False,
        narrow=dict.fromkeys(('bfloat16', 'int8'), ('dense', 'compact', 'static')),
        exported=(),
        marker='P',
        load=load,
        compact=Compact(compact, reasons, preference=1, on_gpu=False),
    )
)
