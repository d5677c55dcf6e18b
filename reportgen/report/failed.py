"""The page in the place of one that could not be made anew: that there is none, and why."""

from reportgen.report.templates.templating import fill_page


def render_page(title: str, conclusion: str, reason: str, exit_code: int) -> str:
    """One file that asks the network for nothing."""
    context = {
        "target": "page",
        "title": title,
        "conclusion": conclusion,
        "reason": reason,
        "exit_code": exit_code,
    }
    return fill_page(context, body="failed.html.j2", shell="comparison_page.html.j2", models=[])
