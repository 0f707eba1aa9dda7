"""Speed and quality against named baselines; each is run as a module from the root of the repository."""
