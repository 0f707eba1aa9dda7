"""The one training loop, and the data, directories and devices that all trainings share."""
