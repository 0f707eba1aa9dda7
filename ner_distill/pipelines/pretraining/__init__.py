"""`pretrain`: an encoder that learns to guess masked words."""
