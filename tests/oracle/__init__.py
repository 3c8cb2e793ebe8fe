"""Live comparisons with the frameworks, and what they share with the goldens."""
