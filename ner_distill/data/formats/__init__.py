"""Files to sentences and back: one module a format, and what they share."""
