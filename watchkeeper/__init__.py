"""The composition root and the face to people: command line, demo, replay, service, metrics endpoint.

The only place that wires the rooms together; it holds no decision of its own.
"""
