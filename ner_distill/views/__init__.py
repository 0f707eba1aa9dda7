"""Everything that is shown: tables in the terminal, pages, entities in text."""
