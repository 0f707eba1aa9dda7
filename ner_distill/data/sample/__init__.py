"""The generated sample corpus: grammars and words of our own."""
