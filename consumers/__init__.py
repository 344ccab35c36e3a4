"""Events in, state safe: decode, join, window, store, evaluate, run.

The pure steps take state and batch and return state and outputs; Kafka and Redis are touched in the
gate modules only (`kafka_gate`, `redis_partitions`, `redis_models`). This room never imports `alerts`.
"""
