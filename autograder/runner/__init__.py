"""Run untrusted notebooks: the warm process, the cell runner and the data-only wire."""
