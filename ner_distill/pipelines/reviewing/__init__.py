"""Raw text that a person labels: which sentences first, and what the answers make."""
