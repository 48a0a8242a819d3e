"""From values to cells: columns of a batch of events, and the bins and levels they fall into."""
