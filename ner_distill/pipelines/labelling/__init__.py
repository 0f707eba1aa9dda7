"""`label-unlabeled`: teachers over raw text into a store."""
