"""`export`: a run as something that runs by itself."""
