"""What every test shares: TensorFlow is quiet, and no test fails because the machine is busy."""

import os

from hypothesis import settings

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('KERAS_BACKEND', 'tensorflow')
settings.register_profile('mayo', deadline=None, derandomize='CI' in os.environ)  # elsewhere each run explores anew
settings.load_profile('mayo')
