"""A model that answers: featurize, forward, decode."""
