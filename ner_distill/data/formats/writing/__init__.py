"""Labelled sentences → the files of every tool: one writer for each format (`registry.py`)."""
