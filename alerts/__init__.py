"""Findings to the right messages, once: alert states, wording, routing, sinks, delivery.

`policy` and what it calls are pure and step in event time. What lies outside is touched in a few modules only: Kafka
in `kafka_source` and `control_source`, HTTP in `http_gate`, name servers in `public_address`, SMTP in `sinks.mail`.
This room never imports `consumers`.
"""
