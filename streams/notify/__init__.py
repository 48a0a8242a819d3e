"""Notifications: what `monitoring.alerts`, `models.versions` and `retraining.decisions` tell, sent to the people and pagers that a file names; docs/notifications.md."""
