"""The structures that the engine reads, field by field as engine.h has them, and its operations and functions in their order there."""

import ctypes

from mayo.net.tf.compact import program as ops

KINDS = (  # as engine.h numbers them
    ops.Conv,
    ops.Depthwise,
    ops.Dense,
    ops.Scale,
    ops.Pool,
    ops.Mean,
    ops.Activation,
    ops.LocalResponse,
    ops.Add,
    ops.Mul,
    ops.Concat,
    ops.Reshape,
    ops.SpaceToDepth,
    ops.Pad,
    ops.Crop,
    ops.Index,
    ops.Expand,
    ops.Take,
)
FUNCTIONS = {  # and their arguments, by their names in Keras
    'linear': (),
    'relu': ('negative_slope', 'max_value', 'threshold'),
    'relu6': (),
    'leaky_relu': ('negative_slope',),
    'elu': ('alpha',),
    'selu': (),
    'gelu': ('approximate',),
    'sigmoid': (),
    'hard_sigmoid': (),
    'tanh': (),
    'silu': (),
    'hard_silu': (),
    'softplus': (),
    'softsign': (),
    'softmax': (),
}
POOLS = ('avg', 'l1', 'l2', 'max')
BOOSTS = ('before', 'after', 'never')
PRECISIONS = ('float32', 'bfloat16', 'int8')

FLOATS, INTEGERS = ctypes.POINTER(ctypes.c_float), ctypes.POINTER(ctypes.c_int32)
BYTES = ctypes.POINTER(ctypes.c_uint8)


class CValue(ctypes.Structure):
    """`Value` of engine.h: where a value lies, and its shape."""

    _fields_ = [('place', ctypes.c_int64), *((name, ctypes.c_int32) for name in ('height', 'width', 'channels', 'index'))]


class CAffine(ctypes.Structure):
    """`Affine`: weights and a bias."""

    _fields_ = [('weights', FLOATS), ('bias', FLOATS), ('outputs', ctypes.c_int32), ('unused', ctypes.c_int32)]


class CGate(ctypes.Structure):
    """`Gate`: the layers of its predictor, and how it chooses."""

    _fields_ = [
        ('layers', CAffine * 2),
        ('shift', CAffine),
        *((name, ctypes.c_int32) for name in ('depth', 'keep', 'pool', 'boost', 'shift_first', 'has_cut')),
        ('cut', ctypes.c_float),
        ('unused', ctypes.c_int32),
    ]


class COp(ctypes.Structure):
    """`Op`: one operation, of whatever kind."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ('kind', 'function', 'output', 'source_count')),
        ('sources', INTEGERS),
        ('integers', INTEGERS),
        ('weights', FLOATS),
        ('bias', FLOATS),
        ('scale', FLOATS),
        ('gate', ctypes.POINTER(CGate)),
        ('arguments', ctypes.c_float * 4),
        ('kernel', ctypes.c_int32 * 2),
        ('stride', ctypes.c_int32 * 2),
        ('pads', ctypes.c_int32 * 4),
        *((name, ctypes.c_int32) for name in ('groups', 'index', 'standardized', 'precision')),
        ('inverse', ctypes.c_float),
        ('zero', ctypes.c_int32),
        ('narrow', BYTES),
        ('unit', FLOATS),
        ('starts', INTEGERS),
        ('is_packed', ctypes.c_int64),
    ]


class CPlan(ctypes.Structure):
    """`Plan`: all of it, as the engine reads it."""

    _fields_ = [
        ('values', ctypes.POINTER(CValue)),
        ('ops', ctypes.POINTER(COp)),
        ('identity', INTEGERS),
        ('index_sizes', INTEGERS),
        ('values_size', ctypes.c_int64),
        ('indices_size', ctypes.c_int64),
        *((name, ctypes.c_int32) for name in ('value_count', 'op_count', 'index_count', 'channels', 'input', 'output_count')),
        ('outputs', INTEGERS),
        ('gated_count', ctypes.c_int32),
        ('unused', ctypes.c_int32),
        ('gated', INTEGERS),
    ]
