"""The soft-label store: a directory of Parquet shards that a teacher filled and students learn from."""
