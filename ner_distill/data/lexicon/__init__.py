"""Words from outside: lexicons, segmenters, dictionaries of names, word vectors."""
