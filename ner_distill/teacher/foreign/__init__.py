"""Other people's models as teachers: token classifiers of transformers, spaCy, GLiNER, and answers from a file."""
