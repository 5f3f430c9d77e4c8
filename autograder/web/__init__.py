"""The web application: LTI's endpoints, the student's pages and the teacher's."""
