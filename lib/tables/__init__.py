"""From raw pages to typed rows, one per key: pure DataFrame functions without any I/O or action."""
