"""Numbers to findings: mergeable summaries, reference profiles, metrics and detectors.

This room is pure: no clock, no network, no files, no environment, no global random source.
It imports `schemas` and nothing else of ours.
"""
