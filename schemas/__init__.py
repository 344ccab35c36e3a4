"""What crosses a border: events, alerts, findings, settings, errors and Redis key names.

This room does no I/O and imports no other room. Everything here is a value.
"""
