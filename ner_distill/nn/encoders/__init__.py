"""Sentences to one vector per word."""
