from autograder.bridge import configure

c = get_config()
configure(c)

c.CourseDirectory.course_id = "modulo-3"
c.RunGraders.cell_seconds = 3
c.RunGraders.call_seconds = 3
