"""What people read: rolling metrics with sample sizes and intervals."""
