"""Labels under vote: `vote-labels`, `review`, `apply-review`, `train-teacher --folds`, `self-train`."""
