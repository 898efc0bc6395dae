"""Mayo: networks with Feature Boosting and Suppression, from YAML to accuracy."""

__version__ = '0.1.0'
