"""Names and Role Provisioning Services 2.0: the roster of the course."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from autograder.demo_platform.ags import page_of
from autograder.demo_platform.names import MEMBERS_SCOPE, MEMBERS_TYPE, ROLES
from autograder.demo_platform.state import COURSE_ID, COURSE_LABEL, COURSE_TITLE, Platform
from autograder.demo_platform.tokens import allowed


def routes(platform: Platform) -> list[Route]:
    """The roster's endpoint."""

    async def members(request: Request) -> JSONResponse:
        allowed(platform, request, MEMBERS_SCOPE)
        platform.dialect.check_accept(request.headers.get("accept", ""), MEMBERS_TYPE)
        if "rlid" in request.query_params:
            platform.link(request.query_params["rlid"])
        wanted = request.query_params.get("role")
        people = [
            person
            for person in platform.people.values()
            if wanted is None or ROLES[person.role] in (wanted, f"{_PREFIX}{wanted}")
        ]
        shown, headers = page_of(platform, request, platform.members_url, people)
        told = {
            "id": platform.members_url,
            "context": {"id": COURSE_ID, "label": COURSE_LABEL, "title": COURSE_TITLE},
            "members": [
                {
                    "status": "Active",
                    "user_id": person.id,
                    "roles": platform.dialect.roles(person.role),
                    **person.about,
                }
                for person in shown
            ],
        }
        return JSONResponse(told, headers=headers, media_type=MEMBERS_TYPE)

    return [Route("/course/members", members, methods=["GET"])]


_PREFIX = ROLES["student"].removesuffix("Learner")
