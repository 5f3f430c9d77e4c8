"""What is installed from the wheel works outside the repository."""
