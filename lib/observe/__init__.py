"""What is measured of a run, how it compares with the runs before it, who is told, and where it is sent."""
