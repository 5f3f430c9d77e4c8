"""Grading on more than one machine: a queue in Postgres, and workers that take from it.

The queue is procrastinate's; what is queued, and what came of it, are tables of ours beside it, in
the same database as the gradebook. A worker needs nothing but that database: the course comes as a
*bundle* and each submission as a *parcel*.
"""
