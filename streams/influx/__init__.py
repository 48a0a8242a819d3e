"""InfluxDB: the points of ``monitoring.metrics``, kept for Grafana."""
