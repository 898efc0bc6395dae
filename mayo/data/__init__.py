"""Floor 3: TFRecord files from raw data sets, and batches of images from TFRecord files."""
