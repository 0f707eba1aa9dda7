"""Files of annotation tools and of other libraries that need more than other names of keys: a module each."""
