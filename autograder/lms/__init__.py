"""What connects a course to an LMS: so far, the delivery of released scores."""
