from autograder.bridge import configure

c = get_config()
configure(c)

c.CourseDirectory.course_id = "statistics"
c.RunGraders.language = "en"
c.ClearSolutions.code_stub = {
    "python": (
        "# Write your answer here, and delete the next line.\n"
        'raise NotImplementedError("not done yet")'
    )
}
