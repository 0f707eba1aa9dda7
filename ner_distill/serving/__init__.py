"""A model that answers over HTTP: the thread that owns it, the application around it, and the server around that."""
