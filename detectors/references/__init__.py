"""What is compared with: declared, learnt, of the previous period, acknowledged; and the cycles that are taken off."""
