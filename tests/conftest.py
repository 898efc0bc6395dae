"""What every test shares: TensorFlow is quiet, and nothing is read from or left in the folder where the tests started."""
import os

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
