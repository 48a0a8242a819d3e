"""What retraining is worth: prequential accuracy of the closed loop beside five policies that have none, on streams that change."""
