"""Work that is many independent pieces: done by processes of this machine, or by those of a cluster."""
