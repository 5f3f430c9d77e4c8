"""What connects a course to an LMS, without a web framework.

Here is what its rooms share: tables, settings, the audit log, requests to others. Imports run from
``gradefiles`` and ``handins`` to ``services``, and from there to ``lti``.
"""
