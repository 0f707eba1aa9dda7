"""Labels from lists of names: `label-dictionary`, `grow-dictionary`."""
