"""Files to sentences to batches. Knows no model."""
