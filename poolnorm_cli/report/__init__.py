"""What is printed: a table, plain lines, JSON, or next to nothing."""
