"""What a run says: logs for machines, progress and summary for people."""
