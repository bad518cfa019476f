"""The on-disk form shared by synthetic and scanned data, and how each comes to be."""
