"""The commands: parse, call one pipeline, print. No logic, and no heavy import outside a command."""
