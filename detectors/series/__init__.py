"""The figure that an alert is about, window by window, as its message draws it."""
