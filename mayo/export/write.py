"""From a network to a folder: the artifacts, each loaded back and compared, the labels, and a README with how to use them."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

from mayo.export import compare
from mayo.export.artifact import Artifact, Subject, formats
from mayo.export.readme import NAME, readme
from mayo.util.errors import Problems
from mayo.util.files import shown, whole_folder
from mayo.util.format import size, table

LABELS = 'labels.txt'


@dataclass(frozen=True)
class Export:
    """What was written. images, masks: how many were compared, and how many different sets of channels they chose."""

    folder: pathlib.Path
    artifacts: tuple[Artifact, ...]
    images: int
    masks: int
    gated: bool

    def render(self) -> str:
        """What `export` prints."""
        rows = [
            [artifact.format, shown(self.folder / artifact.file), size(artifact.bytes), f'{artifact.difference:.1e}']
            for artifact in self.artifacts
        ]
        chose = f', which chose channels in {self.masks} different ways' if self.gated else ''
        return (
            f'{table(["format", "file", "size", "difference"], rows, left=2)}\nEach was loaded and compared with masked '
            f'execution on {self.images} images{chose}; difference: the largest, over the largest output.'
        )


def export(
    subject: Subject, reference: compare.Reference, names: Sequence[str], folder: pathlib.Path, images: int = 16
) -> Export:
    """Write `subject` in the named formats into `folder`, all or nothing. An earlier export there is replaced.

    Errors: UserError with every package that is missing, and all that a format cannot hold; RunError if an artifact computes
    something else than `reference`.
    """
    check(subject, names, folder)
    inputs = compare.inputs(subject, reference, images)
    with whole_folder(folder) as temporary:
        artifacts = tuple(_artifact(subject, name, inputs, temporary) for name in names)
        if subject.labels is not None:
            (temporary / LABELS).write_text(''.join(f'{label}\n' for label in subject.labels), encoding='utf-8')
        result = Export(folder, artifacts, len(inputs.images), inputs.masks, inputs.gated)
        (temporary / NAME).write_text(readme(subject, artifacts), encoding='utf-8')
    return result


def check(subject: Subject, names: Sequence[str], folder: pathlib.Path) -> None:
    """UserError with everything that stops an export."""
    problems = Problems()
    for name in names:
        lacks = formats[name].lacks()
        problems += [
            f'export.formats: {name} {reason}' for reason in ([lacks] if lacks else []) + formats[name].reasons(subject)
        ]
    if folder.exists() and not _is_export(folder):
        problems.append(f'export.path: {shown(folder)} exists and is no export; name another folder.')
    problems.raise_any()


def _is_export(folder: pathlib.Path) -> bool:
    """Whether the folder is empty, or holds what an export writes and nothing else."""
    ours = {NAME, LABELS, *(formats[name].file for name in formats)}
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= ours


def _artifact(subject: Subject, name: str, inputs: compare.Inputs, folder: pathlib.Path) -> Artifact:
    format = formats[name]
    path = folder / format.file
    format.write(subject, path)
    difference = compare.check(name, format.load(path), inputs, format.any_batch)
    files = [file for file in (path.rglob('*') if path.is_dir() else [path]) if file.is_file()]
    return Artifact(name, format.file, sum(file.stat().st_size for file in files), difference)
