"""``clawrack booth``: a queue of strangers and their devices, five minutes each, several at once."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer._click.core import Context

from clawrack.cli import show
from clawrack.cli.asking import at_terminal
from clawrack.cli.booth_bundle import bundle, usable
from clawrack.cli.common import Json, here
from clawrack.cli.faces import plain as plain_wanted
from clawrack.cli.frame import Noun, Verb
from clawrack.cli.terminal import terminal
from fleet.base.errors import ActionFailed, BadInput, ClawrackError
from fleet.base.words import say

if TYPE_CHECKING:
    from installer.booth.keep import Keep
    from installer.booth.sheet import Sheet
    from installer.booth.ticket import Language, Ticket

DESK = "desk"


class Booth(Noun):
    """The noun, which typed alone opens the desk."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the line; without a verb it is the desk's."""
        verb = args[:1]
        if not verb or (verb[0].startswith("-") and verb[0] != "--help"):
            args = [DESK, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=Booth, add_completion=False, rich_markup_mode=None)
app.callback()(lambda: None)
app.command("bundle", cls=Verb)(bundle)
SHEET = ("day", "tickets", "installs", "failed", "median", "p95", "hands", "hands_total", "parks")
LISTED = ("ticket", "code", "state", "cause", "seconds", "what")


@app.command(DESK, cls=Verb)
def desk(  # noqa: PLR0913 - a desk is set up in so many ways
    *,
    answers: Annotated[Path | None, typer.Option("--answers", metavar="FILE")] = None,
    at_once: Annotated[int | None, typer.Option("--at-once", min=1, max=16, metavar="TICKETS")] = None,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND")] = "",
    bundle_: Annotated[str, typer.Option("--bundle", metavar="FILE")] = "",
    plain: Annotated[bool, typer.Option("--plain")] = False,
    json: Json = False,
) -> None:
    """Open the desk."""
    from clawrack import wire  # noqa: PLC0415 - a help page does not wait for it
    from fleet.kinds import kind as kind_of  # noqa: PLC0415 - likewise
    from installer.answers import KIND  # noqa: PLC0415 - likewise

    wanted = kind_of(kind or KIND).name  # a mistyped one is told before the desk opens
    bundle_ = usable(bundle_)
    with wire.booth() as keep:
        if keep.on_disk:
            terminal(sys.stderr).paragraphs(say("booth.on_disk", path=keep.folder))
        if answers:
            _day(keep, answers, wanted, at_once, bundle_, as_json=json)
        elif json:
            raise BadInput("booth.json_needs_answers")
        else:
            _attended(keep, wanted, at_once or 4, bundle_, plain=plain)


def _attended(keep: "Keep", kind: str, at_once: int, bundle: str, *, plain: bool) -> None:
    from fleet.base.words import language  # noqa: PLC0415 - see desk
    from installer.booth.order import Order  # noqa: PLC0415 - likewise
    from installer.booth.run import Booth as Running  # noqa: PLC0415 - likewise

    def order(machine: str, device: str, owner: "Language") -> Order:
        return Order(machine=machine, device=device, language=owner, kind=kind, bundle=bundle)

    if not at_terminal():
        raise BadInput("booth.no_terminal")
    if plain or plain_wanted():
        from tui.booth_lines import PlainDesk  # noqa: PLC0415 - one of the two is needed

        lines = PlainDesk(lambda text: here().paragraphs(text), order, language())
        running = Running(keep, at_once, lines.changed, lines.told)
        with closing(running):
            running.recover()
            lines.run(running)
        return
    from tui.booth import BoothApp  # noqa: PLC0415 - likewise; it takes 0.3 s to import

    shown = BoothApp(lambda changed, told: Running(keep, at_once, changed, told), order)
    with closing(shown.booth):
        shown.run()
    if shown.failure:
        raise shown.failure


def _day(keep: "Keep", path: Path, kind: str, at_once: int | None, bundle: str, *, as_json: bool) -> None:  # noqa: PLR0913 - as above
    from installer.booth.run import Booth as Running  # noqa: PLC0415 - see desk
    from installer.booth.script import Script, from_file  # noqa: PLC0415 - likewise
    from installer.booth.sheet import sheet  # noqa: PLC0415 - likewise
    from installer.booth.view import view  # noqa: PLC0415 - likewise

    seats, entries = from_file(path)
    script = Script(entries, kind, bundle)
    last: dict[int, str] = {}

    def changed(ticket: "Ticket") -> None:
        script.changed(ticket)
        if last.get(ticket.number) != ticket.state:
            last[ticket.number] = ticket.state
            if as_json:
                show.as_json("ticket", view(ticket, running.now()))
            else:
                _lines(ticket)

    running = Running(keep, at_once or seats, changed, script.told)
    running.recover()
    try:
        tickets = script.play(running)
    finally:
        running.close()
    _print_sheet(sheet(_today(), keep.rows(_today())), as_json=as_json)
    if any(ticket.state == "failed" or ticket.cause == "left-behind" for ticket in tickets):
        raise typer.Exit(ActionFailed.exit_code)


def _today() -> str:
    from installer.booth.keep import today  # noqa: PLC0415 - see desk

    return today()


def _lines(ticket: "Ticket") -> None:
    """Print a ticket's new state, what was in its way, and its receipt."""
    to = here()
    what = say(f"value.cause.{ticket.cause}") if ticket.cause else ticket.what
    state = say(f"value.state.{ticket.state}")
    to.paragraphs(say("booth.lines.state", ticket=ticket.number, state=state, what=what).rstrip())
    to.paragraphs(*(f"  {text}" for text in (ticket.why,) if text))
    if ticket.state == "parked":
        to.paragraphs(say("booth.ui.parked", ticket=ticket.number, code=ticket.code))
    for row in ticket.receipt.splitlines():
        to.line(row)


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show the tickets that are not over."""
    from clawrack import wire  # noqa: PLC0415 - see desk
    from installer.booth.view import view  # noqa: PLC0415 - likewise

    tickets = [view(kept.ticket, 0.0) for kept in wire.booth_keep().tickets()]
    if json:
        show.as_json("tickets", tickets)
    else:
        show.table(tickets, here(), "booth.nobody", LISTED)


@app.command("sheet", cls=Verb)
def sheet_(*, day: Annotated[str, typer.Option("--day", metavar="YYYY-MM-DD")] = "", json: Json = False) -> None:
    """Show the day sheet."""
    from clawrack import wire  # noqa: PLC0415 - see desk
    from installer.booth.sheet import sheet  # noqa: PLC0415 - likewise

    keep, wanted = wire.booth_keep(), day or _today()
    if day and day not in keep.days():
        raise BadInput("booth.no_day", day=day)
    _print_sheet(sheet(wanted, keep.rows(wanted)), as_json=json)


def _print_sheet(found: "Sheet", *, as_json: bool) -> None:
    """Print a day sheet: the figures, then where the time went, then what failed."""
    if as_json:
        show.as_json("sheet", found)
        return
    to = here()
    show.details(found, to, SHEET)
    for rows, columns in ((found.phases, ("phase", "seconds", "median")), (found.failures, ("cause", "tickets"))):
        if rows:
            to.line()
            show.table(rows, to, "booth.nobody", columns)


@app.command("ticket", cls=Verb, hidden=True)
def ticket() -> NoReturn:
    """Work for one ticket of a desk; the desk starts it."""
    from clawrack import wire  # noqa: PLC0415 - see desk
    from clawrack.cli.failing import known_error  # noqa: PLC0415 - likewise
    from installer.booth.main import main  # noqa: PLC0415 - likewise

    def report(error: BaseException) -> str:
        known: ClawrackError = known_error(error, ("booth",))
        return str(known.params.get("report", "-"))

    main(wire.booth_tools, report)
