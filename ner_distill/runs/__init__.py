"""Output directories, and what lies in them: from a configuration to modules and back."""
