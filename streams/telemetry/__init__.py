"""What a process tells of itself: for Prometheus, as points of its own, and by OpenTelemetry."""
