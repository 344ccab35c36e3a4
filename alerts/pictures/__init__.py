"""The picture of an alert's signal, for messages: words and a line of blocks everywhere, and a plot where one can be shown."""
