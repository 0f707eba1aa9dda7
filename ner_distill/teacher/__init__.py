"""The multi-task teacher."""
