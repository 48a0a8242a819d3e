"""The demonstration: the main job, end to end, on a real Kafka."""
