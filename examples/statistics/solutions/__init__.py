"""Reference solutions of the course: what the graders compare with."""
