"""Floor 5: a compact network as files for other programs: SavedModel, TFLite, ONNX. Each is loaded and compared.

Importing this imports neither TensorFlow nor NumPy: the names of the formats are part of the settings.
"""

from mayo.export import format
from mayo.export.artifact import Artifact, Format, Preprocessing, Subject, formats

__all__ = ['Artifact', 'Format', 'Preprocessing', 'Subject', 'format', 'formats']
