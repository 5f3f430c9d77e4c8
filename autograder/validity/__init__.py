"""How good the graders are: a corpus of solutions and mutants of the reference, tried on them."""
