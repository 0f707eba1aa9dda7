"""Labels that lie: folds, votes, suspicion, class priors."""
