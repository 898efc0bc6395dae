"""Image files as bytes: what they are, how large, and the same picture in a form that TensorFlow reads as everyone does.

TensorFlow's decoders of JPEG and PNG give the pixels that others give. That of BMP ignores palettes and knows few
depths, that of GIF paints what is transparent black, and that of WebP writes past its memory where a file is an animation. So
`plain` makes a PNG of a BMP, and leaves of a GIF or WebP file the first frame alone, without transparency.
Needs no TensorFlow.

    GIF     https://www.w3.org/Graphics/GIF/spec-gif89a.txt         WebP    RFC 9649
    BMP     a header, masks or a palette, rows of pixels from the bottom up, each padded to four bytes
"""

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mayo.util.lazy import lazy

if TYPE_CHECKING:
    import numpy as np
else:
    np = lazy('numpy')  # which `info` has no use for

MAX_PIXELS = 1 << 26  # of one picture: 200 MB as bytes, 800 MB as numbers
JPEG, PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'
READ = 'JPEG, PNG, BMP, GIF or WebP'
_OTHERS = {
    b'II*\0': 'TIFF',
    b'MM\0*': 'TIFF',
    b'II+\0': 'TIFF',
    b'MM\0+': 'TIFF',
    b'\0\0\x01\0': 'ICO',
    b'8BPS': 'PSD',
    b'%PDF': 'PDF',
    b'\xff\x0a': 'JPEG XL',
    b'\0\0\0\x0cJXL ': 'JPEG XL',
    b'\xff\x4f\xff\x51': 'JPEG 2000',
    b'\0\0\0\x0cjP  ': 'JPEG 2000',
    b'<svg': 'SVG',
    b'<?xml': 'SVG',
    b'<!DOC': 'HTML',
    b'<html': 'HTML',
    b'P5': 'PGM',
    b'P6': 'PPM',
    b'PK\x03\x04': 'ZIP',
    b'\x1f\x8b': 'gzip',
    b'version https://git-lfs': 'Git-LFS pointer',
}
_FRAMES = {0xC0, 0xC1, 0xC2}  # of JPEG: baseline, extended, progressive
_UNREAD_FRAMES = {
    0xC3: 'lossless',
    **dict.fromkeys((0xC9, 0xCA, 0xCB), 'arithmetic'),
    **dict.fromkeys(range(0xC5, 0xC8), 'hierarchical'),
}


class Unreadable(ValueError):
    """Why no picture can be read from a file; how a sentence ends."""


def kind_of(content: bytes) -> str | None:
    """The format that a file begins as: JPEG, PNG, GIF, BMP or WebP; None for anything else.

    >>> kind_of(b'GIF89a...'), kind_of(b'II*.')
    ('GIF', None)
    """
    if content.startswith(JPEG):
        return 'JPEG'
    if content.startswith(PNG):
        return 'PNG'
    if content.startswith((b'GIF87a', b'GIF89a')):
        return 'GIF'
    if content.startswith(b'BM'):
        return 'BMP'
    return 'WebP' if content[:4] == b'RIFF' and content[8:12] == b'WEBP' else None


def plain(content: bytes) -> bytes:
    """The same picture as a JPEG, PNG, GIF or WebP file that TensorFlow decodes right; what already is one, unchanged.

    Errors: Unreadable, with what the file is instead, or what is wrong with it.
    """
    kind = kind_of(content)
    if kind is None:
        raise Unreadable(_what(content))
    try:
        _check_size(*size_of(content))
        return {'GIF': _first_of_gif, 'WebP': _first_of_webp, 'BMP': _png_of_bmp}.get(kind, bytes)(content)
    except Unreadable:
        raise
    except (struct.error, IndexError, ValueError):
        raise Unreadable(f'the {kind} file is truncated') from None


def size_of(content: bytes) -> tuple[int, int]:
    """(width, height) as the header of the file says. Errors: Unreadable, struct.error, IndexError."""
    kind = kind_of(content)
    if kind == 'PNG':
        width, height = struct.unpack_from('>II', content, 16)
    elif kind == 'GIF':
        width, height = struct.unpack_from('<HH', content, 6)
    elif kind == 'BMP':
        width, height = _Bitmap(content).width, _Bitmap(content).height
    elif kind == 'WebP':
        width, height = _webp_size(content)
    else:
        width, height = _jpeg_size(content)
    return width, height


def png(pixels: 'np.ndarray', level: int = 1) -> bytes:
    """A PNG file of pixels [H, W, 3], uint8."""
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + width * 3), np.uint8)  # each begins with the filter that it uses: none
    rows[:, 1:] = pixels.reshape(height, -1)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return PNG + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows.tobytes(), level)) + chunk(b'IEND', b'')


def _check_size(width: int, height: int) -> None:
    if not width or not height:
        raise Unreadable(f'it is {width}x{height}, which holds no pixel')
    if width * height > MAX_PIXELS:
        raise Unreadable(
            f'it is {width}x{height}, {width * height / 1e6:.0f} megapixels, of which at most {MAX_PIXELS / 1e6:.0f} are read'
        )


def _what(content: bytes) -> str:
    """The end of a sentence about a file that is none of the formats."""
    if not content:
        return 'it is empty'
    if content[4:8] == b'ftyp':
        name: str | None = {b'avif': 'AVIF', b'heic': 'HEIC', b'heix': 'HEIC', b'mif1': 'HEIF'}.get(content[8:12], 'video')
    else:
        start = content.removeprefix(b'\xef\xbb\xbf').lstrip()
        name = next((name for magic, name in _OTHERS.items() if content.startswith(magic) or start.startswith(magic)), None)
    if name == 'Git-LFS pointer':
        return 'it is a Git-LFS pointer; fetch the picture with `git lfs pull`'
    return f'it is {"an unknown file" if name is None else f"of the format {name}"}, expected {READ}'


def _jpeg_size(content: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if content[place] != 0xFF:
            raise Unreadable('the JPEG file is corrupt before its first row')
        marker = content[place + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 1:  # fill bytes, and markers without a length
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _UNREAD_FRAMES:
            raise Unreadable(
                f'it is a JPEG file of the {_UNREAD_FRAMES[marker]} kind, of which baseline and progressive are read'
            )
        if marker in _FRAMES:
            precision, height, width = struct.unpack_from('>BHH', content, place + 4)
            if precision != 8:
                raise Unreadable(f'it is a JPEG file of {precision} bits a channel, of which 8 are read')
            return width, height
        if marker in (0xD9, 0xDA):
            raise Unreadable('the JPEG file holds no picture')
        place += 2 + struct.unpack_from('>H', content, place + 2)[0]


# GIF


def _first_of_gif(content: bytes) -> bytes:
    """Its first frame alone, nothing of it transparent."""
    width, height, flags = struct.unpack_from('<HHB', content, 6)
    place = 13 + _colours(flags)
    head = content[:place]
    while content[place] == 0x21:  # an extension: what is transparent, how long a frame is shown, text
        place = _after_blocks(content, place + 2)
    if content[place] == 0x3B:
        raise Unreadable('the GIF file holds no picture')
    if content[place] != 0x2C:
        raise Unreadable('the GIF file is corrupt before its first frame')
    left, top, frame_width, frame_height, frame_flags = struct.unpack_from('<HHHHB', content, place + 1)
    if (left, top, frame_width, frame_height) != (0, 0, width, height):
        raise Unreadable(
            f'the first frame of the GIF file, {frame_width}x{frame_height} at {left},{top}, does not fill its {width}x{height}'
        )
    if not (flags | frame_flags) & 0x80:
        raise Unreadable('the GIF file has no palette')
    end = _after_blocks(content, place + 10 + _colours(frame_flags) + 1)
    return head + content[place:end] + b'\x3b'


def _colours(flags: int) -> int:
    """How many bytes of palette follow."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(content: bytes, place: int) -> int:
    """Where the blocks end that begin at `place`, each with its length before it, the last one of none."""
    while content[place]:
        place += content[place] + 1
    return place + 1


# WebP


def _chunks(content: bytes, place: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """(name, body) of each chunk of a RIFF file from byte `place` on."""
    while place + 8 <= end:
        name, size = struct.unpack_from('<4sI', content, place)
        if place + 8 + size > end:
            raise Unreadable('the WebP file is truncated')
        yield name, content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _pictures(content: bytes) -> Iterator[tuple[bytes, bytes, tuple[int, ...] | None]]:
    """(name, body, where its frame lies) of each chunk with pixels: one, or one a frame of an animation."""
    end = min(len(content), 8 + struct.unpack_from('<I', content, 4)[0])
    for name, body in _chunks(content, 12, end):
        if name in (b'VP8 ', b'VP8L'):
            yield name, body, None
        elif name == b'ANMF':
            left, top, width, height = (int.from_bytes(body[place : place + 3], 'little') for place in (0, 3, 6, 9))
            for inner, pixels in _chunks(body, 16, len(body)):
                if inner in (b'VP8 ', b'VP8L'):
                    yield inner, pixels, (2 * left, 2 * top, width + 1, height + 1)


def _first_picture(content: bytes) -> tuple[bytes, bytes, tuple[int, ...] | None]:
    first = next(_pictures(content), None)
    if first is None:
        raise Unreadable('the WebP file holds no picture')
    return first


def _webp_size(content: bytes) -> tuple[int, int]:
    name, body, _ = _first_picture(content)
    if name == b'VP8L':
        bits = struct.unpack_from('<I', body, 1)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from('<HH', body, 6)
    return width & 0x3FFF, height & 0x3FFF


def _first_of_webp(content: bytes) -> bytes:
    """Its first frame as a file that holds nothing else; pixels that a separate channel makes transparent keep their colour."""
    name, body, frame = _first_picture(content)
    if content[12:16] == b'VP8X':
        canvas = tuple(int.from_bytes(content[place : place + 3], 'little') + 1 for place in (24, 27))
        if frame is not None and frame != (0, 0, *canvas):
            raise Unreadable(f'the first frame of the WebP file does not fill its {canvas[0]}x{canvas[1]}')
    padded = body + b'\0' * (len(body) % 2)
    return b'RIFF' + struct.pack('<I', 12 + len(padded)) + b'WEBP' + name + struct.pack('<I', len(body)) + padded


# BMP


class _Bitmap:
    """The header of a BMP file: sizes, depth in bits, how it is packed, its palette [N, 3] and the masks of its channels."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.start, length = struct.unpack_from('<II', content, 10)
        if length == 12:
            self.width, rows, _, self.bits = struct.unpack_from('<HHHH', content, 18)
            self.packing = colours = 0
            self.top_down = False
        elif length in (16, 40, 52, 56, 64, 108, 124):
            self.width, rows, _, self.bits = struct.unpack_from('<iiHH', content, 18)
            self.packing = struct.unpack_from('<I', content, 30)[0] if length > 16 else 0
            colours = struct.unpack_from('<I', content, 46)[0] if length > 16 else 0
            self.top_down, rows = rows < 0, abs(rows)
            if length == 64 and self.packing > 2:
                raise Unreadable('it is a BMP file packed as OS/2 alone did')
        else:
            raise Unreadable(f'it is a BMP file with an unknown header of {length} bytes')
        self.height = rows
        if self.width < 0:
            raise Unreadable('the BMP file is corrupt: its width is negative')
        place = 14 + length
        self.masks: tuple[int, ...] = {16: (0x7C00, 0x3E0, 0x1F)}.get(self.bits, (0xFF0000, 0xFF00, 0xFF))
        if self.packing in (3, 6):
            self.masks = struct.unpack_from('<III', content, 54)
            place += (12 if self.packing == 3 else 16) if length == 40 else 0
        entry = 3 if length == 12 else 4
        count = (min(colours, 256) or 1 << self.bits) if self.bits <= 8 else 0
        count = min(count, max(self.start - place, 0) // entry)
        table = np.frombuffer(content, np.uint8, count * entry, place) if count else np.zeros(0, np.uint8)
        self.palette = table.reshape(-1, entry)[:, 2::-1]

    def indices(self) -> 'np.ndarray':
        """Numbers of colours [H, W]."""
        if self.packing:
            return _run_lengths(self.content, self.start, self.width, self.height, self.packing)
        rows = self.rows(np.uint8)
        if self.bits < 8:
            each = 8 // self.bits
            shifts = np.arange(each - 1, -1, -1, dtype=np.uint8) * self.bits
            rows = (rows[:, :, None] >> shifts & (1 << self.bits) - 1).reshape(len(rows), -1)
        return rows[:, : self.width]

    def rows(self, dtype: 'type[np.generic]') -> 'np.ndarray':
        """The rows as they lie in the file, with what pads them."""
        stride = (self.width * self.bits + 31) // 32 * 4
        values = np.frombuffer(self.content, np.uint8, stride * self.height, self.start)
        return values.reshape(self.height, stride).view(dtype)


def _png_of_bmp(content: bytes) -> bytes:
    bitmap = _Bitmap(content)
    packings = {1: (0,), 2: (0,), 4: (0, 2), 8: (0, 1), 16: (0, 3, 6), 24: (0,), 32: (0, 3, 6)}
    if bitmap.packing not in packings.get(bitmap.bits, ()):
        raise Unreadable(f'it is a BMP file of {bitmap.bits} bits a pixel, packed as {bitmap.packing}, which is not read')
    pixels = _pixels(bitmap)
    return png(pixels if bitmap.top_down else pixels[::-1])


def _pixels(bitmap: _Bitmap) -> 'np.ndarray':
    """[H, W, 3] uint8 in the order of the rows of the file."""
    if bitmap.bits <= 8:
        indices = bitmap.indices()
        if indices.size and indices.max() >= len(bitmap.palette):
            raise Unreadable(f'the BMP file is corrupt: colour {indices.max()} of a palette of {len(bitmap.palette)}')
        return bitmap.palette[indices]
    if bitmap.bits == 24:
        return bitmap.rows(np.uint8)[:, : bitmap.width * 3].reshape(bitmap.height, bitmap.width, 3)[..., ::-1]
    values = bitmap.rows(np.uint16 if bitmap.bits == 16 else np.uint32)[:, : bitmap.width]
    return np.stack([_channel(values, mask) for mask in bitmap.masks], -1)


def _channel(values: 'np.ndarray', mask: int) -> 'np.ndarray':
    """What lies under a mask, spread over 0..255."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    under = (values & np.array(mask, values.dtype)) >> shift
    return (under.astype(np.uint64) * 255 // most).astype(np.uint8)


def _run_lengths(content: bytes, start: int, width: int, height: int, packing: int) -> 'np.ndarray':
    """Numbers of colours [H, W] from runs: packing 1 of a byte, 2 of two halves of a byte in turn. What no run paints is 0."""
    rows = np.zeros((height, width), np.uint8)
    half = packing == 2
    place, x, y = start, 0, 0

    def halves(values: 'np.ndarray') -> 'np.ndarray':
        return np.stack([values >> 4, values & 15], -1).reshape(-1) if half else values

    while y < height:
        count, value = content[place], content[place + 1]
        place += 2
        if count:
            run = np.resize(halves(np.array([value], np.uint8)), count)
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            x, y = x + content[place], y + content[place + 1]
            place += 2
            continue
        else:
            size = (value + 1) // 2 if half else value
            run = halves(np.frombuffer(content, np.uint8, size, place))[:value]
            place += size + size % 2
        fitting = run[: max(width - x, 0)]
        rows[y, x : x + len(fitting)] = fitting
        x += len(run)
    return rows
