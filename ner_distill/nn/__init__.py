"""Bricks that teacher and student share: tensors in, tensors out."""
