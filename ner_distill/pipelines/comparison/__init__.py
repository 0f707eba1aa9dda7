"""`compare`, `learning-curve`, `verdict`: trainings over several seeds, each in a process of its own, and what came."""
