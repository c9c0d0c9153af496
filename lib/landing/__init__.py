"""From the API to raw pages in bronze: the plan, the fetch on executors, the landing, the proof that nothing is missing."""
