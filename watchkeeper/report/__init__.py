"""The quality of a model over its life, readable by its owner: a value, worked out of days and incidents, and its forms."""
