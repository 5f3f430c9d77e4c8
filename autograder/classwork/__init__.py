"""The work of a class, from what teachers have into nbgrader's folder of submissions.

Everything inside an export was named and written by students, so names, kinds and sizes are
checked before and while anything is written, and each student's folder appears whole or not at all.
"""
