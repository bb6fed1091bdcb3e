"""The routes of the service's drift checks: how they stand, their reports, and the words that a person says to them."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from repwatch.drift.control import Word
from repwatch.errors import UsageError
from repwatch.ports.checks import Checks, ReportForm
from repwatch.render.checks import checks_json
from repwatch.web.same_origin import is_same_origin

# A report is a page of its own, with its style inside.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
MEDIA = {ReportForm.HTML: "text/html", ReportForm.JSON: "application/json"}


def check_routes(checks: Checks) -> list[Route]:
    """All of them."""

    async def standing(_: Request) -> Response:
        return Response(checks_json(checks.overviews()), media_type="application/json")

    async def report(request: Request) -> Response:
        form = next((each for each in ReportForm if each == request.path_params["form"]), None)
        text = checks.report(request.path_params["number"], form) if form else None
        if form is None or text is None:
            return PlainTextResponse("There is no such report (any more).", status_code=404)
        return Response(text, media_type=MEDIA[form], headers={"content-security-policy": REPORT_POLICY})

    async def tell(request: Request) -> Response:
        if not is_same_origin(request.headers):
            return PlainTextResponse("Only this page itself may do that; elsewhere use `repwatch drift`.", status_code=403)
        word = next((each for each in Word if each == request.path_params["word"]), None)
        if word is None:
            return PlainTextResponse(f"A check can be told: {', '.join(Word)}.", status_code=404)
        try:
            told = checks.tell(request.path_params["cluster"], word)
        except UsageError as error:
            return PlainTextResponse(str(error), status_code=500)
        if not told:
            return PlainTextResponse("No check of this cluster runs now.", status_code=409)
        # Without scripts the browser comes back to the page; with them the page is told by its event stream.
        return Response(status_code=204) if "hx-request" in request.headers else RedirectResponse("/", status_code=303)

    return [
        Route("/api/checks", standing),
        Route("/reports/{number:int}.{form}", report),
        Route("/checks/{cluster}/{word}", tell, methods=["POST"]),
    ]
