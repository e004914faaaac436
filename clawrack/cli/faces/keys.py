"""Questions with arrow keys and a line editor, painted in place."""

import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import FormattedTextControl, Layout, Window
from prompt_toolkit.output import create_output

from clawrack.cli import failing
from clawrack.cli.asking import prompting
from clawrack.cli.terminal import terminal
from fleet.base.cells import wrap
from fleet.base.clean import line
from fleet.base.errors import BadInput
from fleet.base.secret import HIDDEN, Secret
from fleet.base.words import say
from installer.wizard.interview import Back
from installer.wizard.question import Option, Question

ESCAPE = 0.1  # seconds until an Esc is known to be no arrow key


class Keys:
    """The front end of keys: arrows choose, Enter takes, Esc goes back, ``?`` tells why, Ctrl-C stops."""

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        """Return the answer; see `installer.wizard.interview.Face`."""
        _print("", *(f"· {row}" for row in question.page))
        with prompting():
            default = before or question.default
            if question.form == "choice":
                return _Chooser(question, number, default).run()
            answer = _typed(question, number, default)
            return Secret(answer) if question.form == "secret" else answer.strip()

    def complain(self, error: BadInput) -> None:
        """Say what is wrong with an answer."""
        _print(*failing.lines(error, terminal(sys.stderr)))


def _typed(question: Question, number: int, default: str) -> str:
    """Return a line of text; an empty one is the default."""
    asked = f"{number}. {question.text}"
    foot = say("face.keys.text_why" if question.why and question.form != "secret" else "face.keys.text")
    mark = f"[{line(default)}] > " if default else "> "
    session = PromptSession[str](output=create_output(sys.stderr), key_bindings=_ways(question), erase_when_done=True)
    session.app.ttimeoutlen = ESCAPE
    hidden = question.form == "secret"
    answer = session.prompt([("bold", _rows(asked)), ("", f"\n{_rows(foot)}\n{mark}")], is_password=hidden)
    taken = answer if answer or hidden else default
    _print(asked, f"> {HIDDEN if hidden else line(taken)}")
    return taken


def _ways(question: Question) -> KeyBindings:
    """Return the keys that are the same on every page; ``?`` is a help only where nothing was typed yet."""
    keys = KeyBindings()

    @keys.add("escape")
    @keys.add("c-b")
    def back(event: KeyPressEvent) -> None:
        event.app.exit(exception=Back())

    @keys.add("c-c")
    @keys.add("c-d")
    def stop(event: KeyPressEvent) -> None:
        event.app.exit(exception=KeyboardInterrupt())

    @keys.add("?")
    @keys.add("？")  # noqa: RUF001 - what an input method sends
    def why(event: KeyPressEvent) -> None:
        buffer = event.app.current_buffer
        if buffer.text or question.form == "secret" or not question.why:
            buffer.insert_text(event.data)
        else:
            run_in_terminal(lambda: _print(question.why))

    _ = back, stop, why
    return keys


class _Chooser:
    """A list to choose from; what cannot be chosen stands there with its reason."""

    def __init__(self, question: Question, number: int, default: str) -> None:
        self._question = question
        self._number = number
        self._help = False
        values = [option.value for option in question.options]
        self._at = values.index(default) if default in values else 0

    def run(self) -> str:
        """Return the value that was chosen."""
        body = Window(FormattedTextControl(self._painted, focusable=True, show_cursor=False), wrap_lines=True)
        app = Application[str](
            layout=Layout(body), key_bindings=self._keys(), output=create_output(sys.stderr), erase_when_done=True
        )
        app.ttimeoutlen = ESCAPE
        answer = app.run()
        chosen = next(option.text for option in self._question.options if option.value == answer)
        _print(f"{self._number}. {self._question.text}", f"> {line(chosen)}")
        return answer

    def _painted(self) -> StyleAndTextTuples:
        shown: StyleAndTextTuples = [("bold", _rows(f"{self._number}. {self._question.text}"))]
        shown += [part for place, option in enumerate(self._question.options) for part in self._row(place, option)]
        if self._help:
            shown.append(("", f"\n{_rows(self._question.why)}"))
        shown.append(("", "\n\n" + _rows(say("face.keys.choice_why" if self._question.why else "face.keys.choice"))))
        return shown

    def _row(self, place: int, option: Option) -> StyleAndTextTuples:
        mark, style = (">", "bold") if place == self._at else (" ", "")
        off = f"  {say('face.off', why=option.off)}" if option.off else ""
        return [(style, f"\n{mark} {place + 1}. {line(option.text)}{off}")]

    def _keys(self) -> KeyBindings:
        keys = _ways(self._question)
        options = self._question.options

        def move(by: int) -> None:
            self._at = (self._at + by) % len(options)

        @keys.add("up")
        @keys.add("k")
        def up(event: KeyPressEvent) -> None:
            del event
            move(-1)

        @keys.add("down")
        @keys.add("j")
        def down(event: KeyPressEvent) -> None:
            del event
            move(1)

        @keys.add("?", eager=True)
        def why(event: KeyPressEvent) -> None:
            del event
            self._help = bool(self._question.why) and not self._help

        @keys.add("enter")
        def take(event: KeyPressEvent) -> None:
            if not options[self._at].off:
                event.app.exit(result=options[self._at].value)

        for place in range(min(9, len(options))):

            @keys.add(str(place + 1))
            def pick(event: KeyPressEvent, place: int = place) -> None:
                del event
                self._at = place

        _ = up, down, why, take
        return keys


def _rows(text: str) -> str:
    return "\n".join(wrap(text, terminal(sys.stderr).columns - 1))


def _print(*paragraphs: str) -> None:
    terminal(sys.stderr).paragraphs(*paragraphs)
