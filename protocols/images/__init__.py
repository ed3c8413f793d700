"""Published image data sets and image files: download, decoding, splits, generated images."""
