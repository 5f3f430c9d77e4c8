"""What a teacher writes: new assignments and exercises, previews, tests moved out of notebooks."""
