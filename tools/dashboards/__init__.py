"""Grafana's dashboards as code: a board a file, written to ``docker/grafana/dashboards`` by ``python -m tools.dashboards``."""
