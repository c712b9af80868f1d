"""One run's folder in S3: what was asked, and what became of it so far."""
