"""Betting on windows: sequential detection under one budget of false alarms.

`functionals` turns cells into numbers to bet on, `bets` into factors that are fair while nothing has changed;
`rhythm_fit` learns from the reference how the numbers move in time when all is well (`season`, `dispersion`);
`bank` keeps the evidence of many signals as arrays, `budget` says when it is enough, `recovery` when it is over;
`feature_signals`, `service_signals` and `error_signals` say what is bet on.
"""
