"""What can be said of the performance of a model whose labels have not come."""
