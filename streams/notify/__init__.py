"""Notifications: what `monitoring.alerts` and `models.versions` tell, sent to the people and pagers that a file names; docs/notifications.md."""
