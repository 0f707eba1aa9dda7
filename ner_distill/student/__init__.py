"""The student and its distillation loss."""
