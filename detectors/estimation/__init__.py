"""Performance without labels: what the answers alone say of how good a model is.

`cells` counts answers by what tells of their quality, `calibration` is what the reference knows of each cell, `figures`
puts the two together, with intervals. The bets on them are in `detectors.betting.estimates`.
"""
