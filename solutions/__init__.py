"""Reference solutions of the course, one module per assignment: what the graders compare with."""
