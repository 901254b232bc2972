"""What dedup removed → clusters, and pairs of texts with their differences marked, for people to judge."""
