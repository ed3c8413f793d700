"""Published image sets and image files: download, decoding, splits, generated examples."""
