"""What changed around the time at which a model's quality fell: features, parts of the traffic, and what came before.

It says what goes together in time, which is not what caused what. Sources stand at the functions.
"""
