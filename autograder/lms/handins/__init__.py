"""Work that is handed in: kept, graded, and its grades released."""
