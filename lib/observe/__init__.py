"""What a run says: logs for machines, progress and last words for people."""
