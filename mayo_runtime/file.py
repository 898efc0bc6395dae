"""Writes a network into a .mayo file: its program, its weights as the engine reads them, and what whoever uses it has to know.

    write('net.mayo', program, name='cifarnet', labels=['airplane', ...], steps=[{'type': 'standardize_image'}])

The file is one of safetensors, whose first tensor is the program; docs/runtime.md has it byte by byte.
"""

import ctypes
import json
import os
import pathlib
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mayo_runtime.native.plan import Plan, unsupported
from mayo_runtime.native.tables import CAffine, CGate, COp
from mayo_runtime.program import Program

MAGIC, VERSION = b'MAYOFBS\0', 1
ALIGNMENT, AFTER_LAST = 64, 128  # bytes
HEADER = struct.Struct('<8sIIQQqq4i4i2i9q')
STEP = struct.Struct('<8i2dq2i')
SUM_AT = 12  # where the header holds the checksum
METHODS = ('area', 'bicubic', 'bilinear', 'gaussian', 'lanczos3', 'lanczos5', 'mitchellcubic', 'nearest')
STEPS = (  # as file.h numbers them; of subtract_channel_means the deviations are 1
    'linear_map',
    'normalize_channels',
    'subtract_image_mean',
    'standardize_image',
    'permute_channels',
    'crop_or_pad',
    'central_crop',
    'resize',
    'ensure_shape',
    'subtract_channel_means',
)
TYPES = {'float32': 'F32', 'uint16': 'BF16', 'int8': 'I8', 'uint8': 'U8'}

Step = Mapping[str, Any]


def refused(program: Program, steps: Iterable[Step] = ()) -> list[str]:
    """Why a file cannot hold a network, a line each: operations, and steps of preprocessing that draw at random."""
    unknown = dict.fromkeys(str(step['type']) for step in steps if step['type'] not in STEPS)
    return unsupported(program) + [f'the runtime knows no step of preprocessing `{name}`.' for name in unknown]


def write(
    path: str | os.PathLike[str],
    program: Program,
    *,
    name: str,
    labels: Sequence[str] | None = None,
    steps: Sequence[Step] = (),
    probabilities: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Writes the file. Errors: ValueError with what `refused` says; OSError.

    labels: of the classes. steps: of preprocessing, mappings with `type` and all its keys. probabilities: whether the outputs
    are, else they are logits. origin: anything that JSON holds, about where the network comes from.
    """
    if reasons := refused(program, steps):
        raise ValueError('\n'.join(reasons))
    about = {
        'name': name,
        'input': list(program.values[program.inputs[0]].dims),
        'outputs': {output: list(program.values[output].dims) for output in program.outputs},
        'probabilities': probabilities,
        'precision': precisions(program),
        'preprocessing': [dict(step) for step in steps],
        'origin': dict(origin or {}),
    }
    texts = [name, json.dumps(about, ensure_ascii=False), *(labels or ()), *program.gated]
    parts = _Image(Plan(program), len(labels or ()), probabilities).parts(steps, [text.replace('\0', ' ') for text in texts])
    temporary = pathlib.Path(f'{os.fspath(path)}.tmp')
    try:
        with temporary.open('wb') as file:
            for part in parts:
                file.write(part)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def precisions(program: Program) -> list[str]:
    """What its convolutions and fully connected layers multiply: float32, bfloat16, int8."""
    kinds = {
        narrow.precision if (narrow := getattr(operation, 'narrow', None)) else 'float32'
        for operation in program.operations
        if hasattr(operation, 'narrow')
    }
    return sorted(kinds)


@dataclass
class _Blob:
    """Bytes that grow; what is put in starts at a multiple of 8."""

    data: bytearray = field(default_factory=lambda: bytearray(HEADER.size))

    def put(self, content: bytes) -> int:
        """Where `content` starts."""
        self.data += bytes(-len(self.data) % 8)
        self.data += content
        return len(self.data) - len(content)


class _Image:
    """The bytes of a file in the making: the program in a blob, and after it the tensors, each at a multiple of ALIGNMENT."""

    def __init__(self, plan: Plan, label_count: int, probabilities: bool) -> None:
        self.plan, self.label_count, self.probabilities = plan, label_count, probabilities
        self.blob = _Blob()
        self.tensors: dict[str, np.ndarray] = {}
        self.names: dict[int, str] = {}  # of tensors, by address
        self.late: list[tuple[Any, str, str]] = []  # pointers to tensors, whose places are known when the blob is complete
        self.gates: list[CGate] = []
        self.small: dict[int, int] = {}  # places of lists in the blob, by address

    def parts(self, steps: Sequence[Step], texts: Sequence[str]) -> list[bytes | memoryview]:
        """All of the file, in order."""
        table = self.plan.table
        ops = [self._op(table.ops[number], name) for number, name in enumerate(self.plan.names)]
        inputs = self.plan.program.values[self.plan.program.inputs[0]]
        packed = b''.join(self._step(step, inputs.channels) for step in steps)
        sections = {
            'values': self.blob.put(bytes(self.plan_bytes(table.values, table.value_count))),
            'ops': self.blob.put(bytes(ctypes.sizeof(COp) * len(ops))),
            'gates': self.blob.put(bytes(ctypes.sizeof(CGate) * len(self.gates))),
            'index_sizes': self._integers(self.plan.lengths.values()),
            'outputs': self._integers(table.outputs[: table.output_count]),
            'gated': self._integers(table.gated[: 2 * table.gated_count]),
            'steps': self.blob.put(packed),
            'texts': self.blob.put(content := b''.join(text.encode() + b'\0' for text in texts)),
        }
        places = self._arranged()
        for entry, name, tensor in self.late:
            setattr(entry, name, _as_pointer(places[tensor], type(getattr(entry, name))))
        self._fill(sections['ops'], ops)
        self._fill(sections['gates'], self.gates)
        header = self._header(places)
        counts = (table.value_count, len(ops), len(self.gates), table.index_count)
        ends = (table.input, table.output_count, table.gated_count, len(steps), self.label_count, int(self.probabilities))
        size = len(header) + places['']
        HEADER.pack_into(
            self.blob.data,
            0,
            MAGIC,
            VERSION,
            0,
            size,
            len(header),
            table.values_size,
            table.indices_size,
            *counts,
            *ends,
            *sections.values(),
            len(content),
        )
        return self._summed([header, *self._body(places)])

    @staticmethod
    def plan_bytes(pointer: Any, count: int) -> bytes:
        """The `count` structures that a pointer of ctypes points at."""
        return ctypes.string_at(pointer, ctypes.sizeof(pointer._type_) * count)

    def _op(self, entry: COp, name: str) -> COp:
        entry = COp.from_buffer_copy(entry)
        if entry.gate:
            gate = CGate.from_buffer_copy(entry.gate.contents)
            for number in range(2):
                self._affine(gate.layers[number], f'{name}/gate/{number}')
            self._affine(gate.shift, f'{name}/gate/shift')
            self.gates.append(gate)
            entry.gate = _as_pointer(len(self.gates), type(entry.gate))
        for key in ('sources', 'integers', 'weights', 'bias', 'scale', 'narrow', 'unit', 'starts'):
            self._place(entry, key, f'{name}/{"weights" if key == "narrow" else key}')
        return entry

    def _affine(self, layer: CAffine, name: str) -> None:
        for key in ('weights', 'bias'):
            self._place(layer, key, f'{name}/{key}')

    def _place(self, entry: Any, key: str, name: str) -> None:
        """Let a pointer of an entry be the place in the file of what it points at."""
        address = ctypes.cast(getattr(entry, key), ctypes.c_void_p).value
        if address is None:
            return
        array = self.plan.arrays[address]
        if array.dtype == np.int32:
            if address not in self.small:
                self.small[address] = self._integers(array)
            setattr(entry, key, _as_pointer(self.small[address], type(getattr(entry, key))))
            return
        if address not in self.names:
            while name in self.tensors:
                name += "'"
            self.names[address] = name
            self.tensors[name] = array
        self.late.append((entry, key, self.names[address]))

    def _integers(self, numbers: Iterable[int]) -> int:
        return self.blob.put(np.array([*numbers], '<i4').tobytes())

    def _step(self, step: Step, channels: int) -> bytes:
        kind, numbers, place, count = STEPS.index(step['type']), [0.0, 0.0], 0, 0
        if step['type'] == 'linear_map':
            numbers = [step.get('scale', 1.0), step.get('shift', 0.0)]
        elif step['type'] == 'central_crop':
            numbers[0] = step.get('fraction', 0.875)
        elif step['type'] == 'permute_channels':
            order = step.get('order', (2, 1, 0))
            place, count = self._integers(order), len(order)
        elif 'means' in step:
            pair = np.broadcast_to(step['means'], channels), np.broadcast_to(step.get('stds', 1.0), channels)
            kind, count = STEPS.index('normalize_channels'), 2 * channels
            place = self.blob.put(np.concatenate(pair).astype('<f4').tobytes())
        sizes = [step.get(key) or 0 for key in ('height', 'width', 'shorter_side')]
        flags = [int(step.get(key, default)) for key, default in (('antialias', False), ('half_pixel', True), ('fill', False))]
        return STEP.pack(kind, *sizes, METHODS.index(step.get('method', 'bilinear')), *flags, *numbers, place, count, 0)

    def _arranged(self) -> dict[str, int]:
        """The place of each tensor, from the first byte of the program on; '' is the end of the file."""
        place, places = _up(len(self.blob.data)), {}
        for name, array in self.tensors.items():
            places[name] = place
            place = _up(place + array.nbytes)
        return {**places, '': place + AFTER_LAST}

    def _fill(self, place: int, entries: Sequence[Any]) -> None:
        for entry in entries:
            self.blob.data[place : place + ctypes.sizeof(entry)] = bytes(entry)
            place += ctypes.sizeof(entry)

    def _header(self, places: Mapping[str, int]) -> bytes:
        """JSON, as safetensors has it: every byte after it belongs to a tensor, so that what fills up is one, too."""
        start = len(self.blob.data)
        tensors: dict[str, Any] = {
            '__metadata__': {'format': 'mayo', 'version': str(VERSION)},
            'program': {'dtype': 'U8', 'shape': [start], 'data_offsets': [0, start]},
        }
        ends = [*list(places.values())[1:], places['']]
        for number, (name, array) in enumerate([('', np.empty(0)), *self.tensors.items()]):
            if name:
                start = places[name] + array.nbytes
                tensors[name] = {
                    'dtype': TYPES[array.dtype.name],
                    'shape': list(array.shape),
                    'data_offsets': [places[name], start],
                }
            until = next(iter(places.values())) if not name else ends[number - 1]
            if until > start:
                tensors[f'fill/{number}'] = {'dtype': 'U8', 'shape': [until - start], 'data_offsets': [start, until]}
        text = json.dumps(tensors, separators=(',', ':'), ensure_ascii=False).encode()
        text += b' ' * (-(len(text) + 8) % ALIGNMENT)
        return struct.pack('<Q', len(text)) + text

    def _body(self, places: Mapping[str, int]) -> list[bytes | memoryview]:
        parts: list[bytes | memoryview] = [bytes(self.blob.data)]
        place = len(self.blob.data)
        for name, array in self.tensors.items():
            content = np.ascontiguousarray(array).data.cast('B') if array.size else memoryview(b'')
            parts += [bytes(places[name] - place), content]
            place = places[name] + array.nbytes
        return [*parts, bytes(places[''] - place)]

    @staticmethod
    def _summed(parts: list[bytes | memoryview]) -> list[bytes | memoryview]:
        """With the checksum in the program, the second part."""
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        program = bytearray(parts[1])
        struct.pack_into('<I', program, SUM_AT, checksum)
        return [parts[0], bytes(program), *parts[2:]]


def _as_pointer(place: int, kind: Any) -> Any:
    return ctypes.cast(ctypes.c_void_p(place), kind)


def _up(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT
