"""Durable jobs: a thin port over DBOS, which nothing else imports."""
