"""Code-books, and the decisions by which numbers get into them."""
