"""What each command does, one module or folder a command."""
