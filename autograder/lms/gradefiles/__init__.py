"""Grades as files that learning platforms read."""
