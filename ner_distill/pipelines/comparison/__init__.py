"""`compare`: several configurations over several seeds."""
