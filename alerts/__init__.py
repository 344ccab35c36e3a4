"""Findings to the right messages, once: alert states, wording, routing, sinks, delivery.

`policy` and what it calls are pure and step in event time; Kafka and HTTP are touched in the gate modules only
(`kafka_source`, `http_gate`). This room never imports `consumers`.
"""
