"""One file per command, and the one training loop."""
