"""What an assignment's scores say of the class, of its exercises and of their graders."""
