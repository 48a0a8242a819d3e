"""What people are shown of a model, free of any drawing: the report and the live page are two pictures of it."""
