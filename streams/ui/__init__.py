"""`driftwarden ui`: health of all models, live, from the topics alone.

`live_view` keeps what the topics said, within bounds; `sections` makes what a page shows of it; `server` sends that, and what changes.
"""
