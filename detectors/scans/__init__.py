"""How a monitor walks through panes: windows of all ages against what is older, under one calibrated threshold."""
