"""Every format, depth, palette and transparency has the pixels that Pillow reads, or is refused by name."""

import contextlib
import io
import itertools
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mayo.data import picture, record

HEIGHT, WIDTH = 13, 21


def _colours() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pixels = np.stack([x * 12 % 256, y * 19 % 256, (x + y) * 7 % 256], -1).astype(np.uint8)
    pixels[3:8, 4:12] = np.random.default_rng(0).integers(0, 256, (5, 8, 3))
    return pixels


RGB = Image.fromarray(_colours())
_alpha = np.dstack([_colours(), np.mgrid[:HEIGHT, :WIDTH][1] * 12]).astype(np.uint8)
RGBA = Image.fromarray(_alpha)
PALETTE = RGB.quantize(200)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def without_adobe(content: bytes) -> bytes:
    """A JPEG file without the marker that says how its colours are coded."""
    place = content.index(b'\xff\xee')
    return content[:place] + content[place + 2 + int.from_bytes(content[place + 2 : place + 4], 'big') :]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))


def raw_png(values: np.ndarray, depth: int, colour: int, interlaced: bool = False) -> bytes:
    """A PNG file whose bytes a pixel are the last axis of `values`, by rows or by the seven passes of Adam7."""
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b''.join(b'\0' + row.tobytes() for x, y, dx, dy in passes for row in values[y::dy, x::dx] if row.size)
    header = struct.pack('>IIBBBBB', values.shape[1], values.shape[0], depth, colour, 0, 0, interlaced)
    return picture.PNG + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def bmp(bits: int, rows: bytes, packing: int = 0, palette: bytes = b'', masks: bytes = b'', height: int = 2) -> bytes:
    """A BMP file of 4 x `height` pixels with a header of 40 bytes."""
    start = 54 + len(palette) + len(masks)
    header = struct.pack('<2sIII', b'BM', start + len(rows), 0, start)
    header += struct.pack('<IiiHHIIiiII', 40, 4, height, 1, bits, packing, 0, 0, 0, len(palette) // 4, 0)
    return header + masks + palette + rows


GREYS = b''.join(bytes([value, 2 * value, 255 - value, 0]) for value in range(0, 128, 8))
EXIF = Image.Exif()
EXIF[0x0112] = 6  # turned by a quarter
ANIMATED = {'save_all': True, 'append_images': [PALETTE.rotate(180)], 'duration': 50}

FILES = {
    **{
        f'jpeg {mode} {quality} {"progressive" if progressive else "baseline"} {sampling}': saved(
            RGB.convert(mode), 'JPEG', quality=quality, progressive=progressive, subsampling=sampling
        )
        for mode, progressive, (quality, sampling) in itertools.product(
            ('RGB', 'L', 'CMYK'), (False, True), ((95, '4:4:4'), (75, '4:2:0'), (60, '4:2:2'))
        )
    },
    'jpeg turned by EXIF': saved(RGB, 'JPEG', exif=EXIF.tobytes()),
    'jpeg CMYK without a marker': without_adobe(saved(RGB.convert('CMYK'), 'JPEG')),
    'jpeg with bytes after it': saved(RGB, 'JPEG') + b'\0trailing',
    'png RGB': saved(RGB, 'PNG'),
    'png RGBA': saved(RGBA, 'PNG'),
    'png L': saved(RGB.convert('L'), 'PNG'),
    'png LA': saved(RGBA.convert('LA'), 'PNG'),
    'png 1': saved(RGB.convert('1'), 'PNG'),
    **{f'png palette of {count}': saved(RGB.quantize(count), 'PNG') for count in (2, 4, 16, 256)},
    'png palette, a colour transparent': saved(PALETTE, 'PNG', transparency=3),
    'png palette, each colour in part': saved(PALETTE, 'PNG', transparency=bytes(range(200))),
    'png RGB, a colour transparent': saved(RGB, 'PNG', transparency=(0, 0, 0)),
    'png L, a grey transparent': saved(RGB.convert('L'), 'PNG', transparency=7),
    'png turned by EXIF': saved(RGB, 'PNG', exif=EXIF.tobytes()),
    'png animated': saved(RGB, 'PNG', save_all=True, append_images=[RGB.rotate(180)]),
    'png interlaced': raw_png(_colours(), 8, 2, interlaced=True),
    'png 16 bits grey': raw_png(np.random.default_rng(1).integers(0, 256, (9, 7, 2)).astype(np.uint8), 16, 0),
    'png 16 bits colour': raw_png(np.random.default_rng(2).integers(0, 256, (9, 7, 6)).astype(np.uint8), 16, 2),
    'gif': saved(PALETTE, 'GIF'),
    'gif by rows': saved(PALETTE, 'GIF', interlace=0),
    'gif transparent': saved(PALETTE, 'GIF', transparency=3),
    'gif grey': saved(RGB.convert('L'), 'GIF'),
    'gif animated': saved(PALETTE, 'GIF', **ANIMATED),
    'webp': saved(RGB, 'WEBP'),
    'webp alpha': saved(RGBA, 'WEBP'),
    'webp lossless': saved(RGB, 'WEBP', lossless=True),
    'webp lossless alpha': saved(RGBA, 'WEBP', lossless=True, exact=True),
    'webp animated': saved(RGB, 'WEBP', save_all=True, append_images=[RGB.rotate(180)]),
    'webp turned by EXIF': saved(RGB, 'WEBP', exif=EXIF.tobytes()),
    'bmp RGB': saved(RGB, 'BMP'),
    'bmp RGBA': saved(RGBA, 'BMP'),
    'bmp L': saved(RGB.convert('L'), 'BMP'),
    'bmp 1': saved(RGB.convert('1'), 'BMP'),
    'bmp palette': saved(PALETTE, 'BMP'),
    'bmp with bytes after it': saved(RGB, 'BMP') + b'\0' * 9,
    'bmp 4 bits': bmp(4, bytes([0x12, 0x34, 0, 0, 0xFE, 0xDC, 0, 0]), palette=GREYS),
    'bmp 16 bits': bmp(16, bytes(range(1, 17))),
    'bmp 565': bmp(16, bytes(range(101, 117)), packing=3, masks=struct.pack('<III', 0xF800, 0x7E0, 0x1F)),
    'bmp 32 bits': bmp(32, bytes(range(32))),
    'bmp from the top': bmp(24, bytes(range(24)), height=-2),
    'bmp runs': bmp(8, bytes([3, 5, 1, 6, 0, 0, 0, 4, 1, 2, 3, 4, 0, 1]), packing=1, palette=GREYS),
    'bmp runs of 4 bits': bmp(4, bytes([4, 0x12, 0, 0, 0, 4, 0x34, 0x56, 0, 1]), packing=2, palette=GREYS),
}


def independent(content: bytes) -> Image.Image:
    """What Pillow reads: the first frame, its transparency dropped, of 16 bits the high ones."""
    image: Image.Image = Image.open(io.BytesIO(content))
    if image.mode.startswith('I;16'):
        return Image.fromarray((np.array(image) >> 8).astype(np.uint8)).convert('RGB')
    with warnings.catch_warnings(action='ignore'):
        image = image.convert('RGBA' if image.mode in ('RGBA', 'LA') else 'RGB')
    return Image.fromarray(np.array(image)[..., :3])


@pytest.fixture(scope='module')
def in_graph() -> Any:
    return {
        channels: tf.function(lambda content, channels=channels: record.decode(content, channels), autograph=False)
        for channels in (1, 3)
    }


@pytest.mark.parametrize('name', FILES)
def test_pixels_are_those_that_pillow_reads(name: str, in_graph: Any) -> None:
    expected = independent(FILES[name])
    assert picture.size_of(FILES[name]) == expected.size
    for channels, wanted in ((3, np.array(expected)), (1, np.array(expected.convert('L'))[..., None])):
        for pixels in (record.read(FILES[name], channels), in_graph[channels](tf.constant(FILES[name]))):
            np.testing.assert_array_equal(pixels, wanted)


def test_the_transparency_of_a_png_is_a_fourth_channel() -> None:
    np.testing.assert_array_equal(record.read(FILES['png RGBA'], 4), _alpha)
    assert (record.read(FILES['bmp RGB'], 4)[..., 3] == 255).numpy().all()


BIG = struct.pack('>II', 40000, 40000)
REFUSED = {
    'empty': (b'', 'it is empty'),
    'tiff': (saved(RGB, 'TIFF'), 'it is of the format TIFF, expected JPEG, PNG, BMP, GIF or WebP'),
    'avif': (b'\0\0\0\x20ftypavif', 'of the format AVIF'),
    'heic': (b'\0\0\0\x20ftypheic', 'of the format HEIC'),
    'jpeg 2000': (saved(RGB, 'JPEG2000'), 'of the format JPEG 2000'),
    'page': (b'\n <!DOCTYPE html>', 'of the format HTML'),
    'drawing': (b'<svg/>', 'of the format SVG'),
    'pointer': (b'version https://git-lfs.github.com/spec/v1', 'git lfs pull'),
    'text': (b'hello', 'it is an unknown file'),
    'large png': (
        picture.PNG + b'\0\0\0\rIHDR' + BIG + b'\x08\x02\0\0\0',
        'it is 40000x40000, 1600 megapixels, of which at most 67',
    ),
    'large bmp': (bmp(24, b'')[:18] + struct.pack('<ii', 40000, 40000) + bmp(24, b'')[26:], '1600 megapixels'),
    'no pixel': (bmp(24, b'', height=0), 'it is 4x0, which holds no pixel'),
    'arithmetic jpeg': (b'\xff\xd8\xff\xc9\0\x0b\x08\0\x08\0\x08\x01', 'of the arithmetic kind'),
    'jpeg of 12 bits': (b'\xff\xd8\xff\xc1\0\x0b\x0c\0\x08\0\x08\x01', 'of 12 bits a channel'),
    'bmp in jpeg': (bmp(24, b'', packing=4), 'packed as 4'),
    'gif of a part': (
        FILES['gif'].replace(b',\0\0\0\0' + struct.pack('<H', WIDTH), b',\x01\0\0\0' + struct.pack('<H', WIDTH), 1),
        'the first frame of the GIF file, 21x13 at 1,0, does not fill its 21x13',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_be_read_is_refused_by_name(name: str, in_graph: Any) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(picture.Unreadable, match=reason):
        record.read(content, 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_graph[3](tf.constant(content))


@pytest.mark.parametrize(
    'name', ['jpeg RGB 75 baseline 4:2:0', 'png palette of 256', 'gif', 'webp', 'webp animated', 'bmp palette']
)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_picture_or_unreadable(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(picture.Unreadable):
        assert record.read(bytes(content[: data.draw(st.integers(0, len(content)))]), 3).shape[-1] == 3
