"""The `run` command: the service with its metrics endpoint, until a signal says stop."""

from __future__ import annotations

import time
from pathlib import Path

from schemas.errors import Stop
from schemas.settings_text import require_servers
from watchkeeper.loading import load_plans, load_settings
from watchkeeper.metrics import MetricsServer
from watchkeeper.paging import check_paging
from watchkeeper.service import ROLES, Service, stop_on_signals


def run_service(config: Path, roles: str, metrics_address: str) -> int:
    """Run the roles of one process; returns 0 after a clean stop."""
    named = [role.strip() for role in roles.split(",") if role.strip()]
    unknown = [role for role in named if role not in ROLES]
    if unknown or not named:
        raise Stop(f"--roles: expected some of {', '.join(ROLES)}, got {roles!r}")
    settings = load_settings(config)
    require_servers(settings, source=str(config))
    check_paging(settings)
    service = Service(settings, load_plans(settings, config.parent), named)
    server = None
    if metrics_address != "off":
        server = MetricsServer(
            metrics_address,
            stats=service.stats,
            notifier_stats=service.notifier_stats,
            source_stats=service.source_stats,
            heartbeat_stats=service.heartbeat_stats,
            ready=service.ready,
            clock=time.monotonic,
        )
        server.start()
    try:
        with stop_on_signals(service):
            service.run()
    finally:
        if server is not None:
            server.close()
    return 0
