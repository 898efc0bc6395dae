"""Numbers and tables as people read them, in plain ASCII so that they survive any pipe."""

from collections.abc import Sequence

GAP = '  '


def count(number: int) -> str:
    """Every digit, in groups of three.

    >>> count(174301824)
    '174,301,824'
    """
    return f'{number:,}'


def short(number: float) -> str:
    """Three digits and a unit of thousands.

    >>> short(57905472), short(1555200), short(999_999), short(10), short(2_000)
    ('57.9M', '1.56M', '1.00M', '10', '2.00k')
    """
    return _scaled(number, 1000, ('', 'k', 'M', 'G', 'T', 'P'))


def amount(text: str | float) -> int:
    """A number as `short` writes it, or as it is. Errors: ValueError.

    >>> amount('30M'), amount('1.5G'), amount(1000), amount('2_000')
    (30000000, 1500000000, 1000, 2000)
    """
    digits = str(text).strip()
    power = ('k', 'M', 'G', 'T', 'P').index(digits[-1]) + 1 if digits[-1:] in ('k', 'M', 'G', 'T', 'P') else 0
    return round(float(digits[:-1] if power else digits) * 1000**power)


def share(text: str | float) -> float:
    """A fraction as people write it: a number, or a percentage. Errors: ValueError.

    >>> share('0.5%'), share('12 %'), share(0.25), share('.1')
    (0.005, 0.12, 0.25, 0.1)
    """
    digits = str(text).strip()
    return float(digits.removesuffix('%')) / (100 if digits.endswith('%') else 1)


def size(number: float) -> str:
    """Bytes, in units of 1024.

    >>> size(230400), size(10), size(0)
    ('225 KiB', '10 B', '0 B')
    """
    return _scaled(number, 1024, (' B', ' KiB', ' MiB', ' GiB', ' TiB', ' PiB'))


def percent(fraction: float, digits: int = 2) -> str:
    """A fraction as a percentage.

    >>> percent(0.9054), percent(0.5, 1)
    ('90.54 %', '50.0 %')
    """
    return f'{100 * fraction:.{digits}f} %'


def _scaled(number: float, base: int, units: Sequence[str]) -> str:
    power = 0
    while abs(number) >= base * 0.9995 and power < len(units) - 1:
        number /= base
        power += 1
    if power == 0:
        return f'{number:.0f}{units[0]}'
    digits = 2 if abs(number) < 9.995 else 1 if abs(number) < 99.95 else 0
    return f'{number:.{digits}f}{units[power]}'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, footer: Sequence[Sequence[str]] = ()) -> str:
    """Columns as wide as their widest cell: the first `left` flush left, the others flush right; lines above rows and footer.

    >>> print(table(['layer', 'macs'], [['conv0', '10'], ['fc', '9']], footer=[['total', '19']]))
    layer  macs
    -----------
    conv0    10
    fc        9
    -----------
    total    19
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, *footer, strict=True)]
    line = '-' * (sum(widths) + len(GAP) * (len(widths) - 1))
    texts = [_row(header, widths, left), line, *(_row(row, widths, left) for row in rows)]
    texts += [line, *(_row(row, widths, left) for row in footer)] if footer else []
    return '\n'.join(texts)


def _row(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = [
        cell.ljust(width) if column < left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return GAP.join(padded).rstrip()


def fit(text: str, width: int | None) -> bool:
    """Whether every line is at most `width` wide; None is any width."""
    return width is None or max(map(len, text.splitlines()), default=0) <= width
