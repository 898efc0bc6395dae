"""A program in the native engine, called as the compact network of TensorFlow is, also inside a tf.function.

    outputs, masks = network(images)        images: [N, H, W, C] float32; masks: {layer: bool [N, C] active channels}

The engine is C, mayo/net/tf/compact/native/engine.c, which the package's build compiles where there is a compiler. It reads the
weights of the channels that won where they lie, so that choosing them costs nothing; engine.c says how.
"""

import ctypes
import importlib.machinery
import os
import pathlib
import threading
from typing import Any

import numpy as np
import tensorflow as tf

from mayo.net.tf.compact.narrow import widened
from mayo.net.tf.compact.native.plan import Plan, unsupported
from mayo.net.tf.compact.native.tables import BYTES, FLOATS, CPlan
from mayo.net.tf.compact.program import Program

SETS = ('amx', 'vnni', 'avx512', 'avxvnni', 'avx2', 'plain')  # of instructions, as engine.c names them, the best first
BUILD = 'python setup.py build_ext --inplace'


def library() -> pathlib.Path | None:
    """The compiled engine; None if it was not built."""
    here = pathlib.Path(__file__).parent
    paths = (here / f'engine{suffix}' for suffix in importlib.machinery.EXTENSION_SUFFIXES)
    return next((path for path in paths if path.exists()), None)


def _loaded() -> Any:
    engine = ctypes.CDLL(str(library()))
    engine.mayo_open.restype = ctypes.c_void_p
    engine.mayo_open.argtypes = [ctypes.POINTER(CPlan), ctypes.c_char_p, ctypes.c_int]
    engine.mayo_close.argtypes = [ctypes.c_void_p]
    engine.mayo_close.restype = None
    engine.mayo_run.argtypes = [ctypes.c_void_p, ctypes.c_int64, FLOATS, ctypes.POINTER(FLOATS), BYTES]
    engine.mayo_macs.restype = ctypes.c_int64
    engine.mayo_macs.argtypes = [ctypes.c_void_p]
    engine.mayo_has_bfloat16.argtypes = [ctypes.c_char_p]
    engine.mayo_instructions.restype = ctypes.c_char_p
    engine.mayo_instructions.argtypes = [ctypes.c_char_p]
    return engine


def instruction_sets() -> list[str]:
    """Those that the engine can use on this processor, the best first; none if it was not built."""
    if library() is None:
        return []
    engine = _loaded()
    return [most for most in SETS if engine.mayo_instructions(most.encode()).decode() == most]


class NativeNetwork:
    """Runs `program` with the weights it holds. threads: None is one a processor; instructions: of SETS, at most these.

    Where the processor does not multiply bfloat16, what asks for it is computed in float32.

    Errors: ValueError for what `unsupported` names, and where the engine was not built.
    """

    def __init__(self, program: Program, threads: int | None = None, instructions: str | None = None) -> None:
        if problems := unsupported(program):
            raise ValueError('\n'.join(problems))
        if library() is None:
            raise ValueError('the native engine was not built.')
        self.engine = _loaded()
        most = instructions and instructions.encode()
        if not self.engine.mayo_has_bfloat16(most):
            program = widened(program, 'bfloat16')
        self.program, self.plan = program, Plan(program)
        self.dims = program.values[program.inputs[0]].dims
        self.widths = {layer: program.values[layer].width for layer in program.gated}
        self.lock = threading.Lock()  # an engine runs one batch at a time
        self.handle = self.engine.mayo_open(ctypes.byref(self.plan.table), most, threads or os.cpu_count() or 1)

    def __del__(self) -> None:
        if getattr(self, 'handle', None):
            self.engine.mayo_close(self.handle)

    def __call__(self, images: tf.Tensor) -> tuple[Any, dict[str, tf.Tensor]]:
        program, count = self.program, images.shape[0]
        kinds = [tf.float32] * len(program.outputs) + [tf.bool]
        *outputs, masks = tf.numpy_function(self.run, [images], kinds, stateful=False)
        outputs = [
            tf.ensure_shape(value, (count, *program.values[name].dims))
            for name, value in zip(program.outputs, outputs, strict=True)
        ]
        widths = self.widths
        each = tf.split(tf.ensure_shape(masks, (count, sum(widths.values()))), list(widths.values()), axis=1) if widths else []
        return outputs[0] if len(outputs) == 1 else outputs, dict(zip(widths, each, strict=True))

    @property
    def macs(self) -> int:
        """Multiply-accumulates since the engine was made, summed over all images; counted while they run.

            network = NativeNetwork(program)
            network.run(images)
            network.macs / len(images)

        P positions, k of the output's channels active, k' of the source's, T taps of a kernel, G groups:

            convolution           P k k' T / G, and with a gate P k for its scale, if it scales, and what its products take
            depthwise             P k T
            of a single pixel     as fully connected, where nothing is to be chosen or padded
            fully connected, gate (number of entries of the source that are not zero) times C: all that meets a zero is left out
            any other operation   none
        """
        return int(self.engine.mayo_macs(self.handle))

    def seconds(self, image: np.ndarray) -> dict[str, float]:
        """What each operation takes of one image [1, H, W, C], by the value that it computes."""
        taken = np.zeros(len(self.plan.names))
        self.engine.mayo_time(ctypes.c_void_p(self.handle), ctypes.c_void_p(taken.ctypes.data))
        try:
            self.run(image)
        finally:
            self.engine.mayo_time(ctypes.c_void_p(self.handle), None)
        seconds: dict[str, float] = {}
        for name, own in zip(self.plan.names, taken.tolist(), strict=True):
            seconds[name] = seconds.get(name, 0.0) + own
        return seconds

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """The outputs, then which channels were active: bool [N, channels of all layers with a gate, side by side]."""
        images = np.ascontiguousarray(images, np.float32)
        if images.shape[1:] != tuple(self.dims):
            raise ValueError(f'images are {images.shape}, expected [N, {", ".join(map(str, self.dims))}].')
        outputs = [np.empty((len(images), *self.program.values[name].dims), np.float32) for name in self.program.outputs]
        masks = np.zeros((len(images), sum(self.widths.values())), bool)
        places = (FLOATS * len(outputs))(*(output.ctypes.data_as(FLOATS) for output in outputs))
        with self.lock:
            failed = self.engine.mayo_run(
                self.handle, len(images), images.ctypes.data_as(FLOATS), places, masks.ctypes.data_as(BYTES)
            )
        if failed:
            raise MemoryError('the native engine')
        return [*outputs, masks]
