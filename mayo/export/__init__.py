"""Floor 5: a compact network as files for other programs: SavedModel, TFLite, ONNX. Each is loaded and compared."""

from mayo.export import onnx, saved_model, tflite
from mayo.export.artifact import Artifact, Format, Preprocessing, Subject, formats
from mayo.export.write import Export, export

__all__ = ['Artifact', 'Export', 'Format', 'Preprocessing', 'Subject', 'export', 'formats', 'onnx', 'saved_model', 'tflite']
