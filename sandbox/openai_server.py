"""A simulated OpenAI on a real socket: Responses, Conversations and Assistants v2, with everything that goes wrong.

Facts are those of reference openai.md. State lives in memory and belongs to the project of the API key.
"""

import dataclasses
import signal
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

import click
from aiohttp import web

from sandbox import openai_assistants, openai_control, openai_conversations, openai_models, openai_responses
from sandbox.openai_answers import Answerer, answer
from sandbox.openai_door import PREFIX, WORLD, add_headers, door
from sandbox.openai_faults import rule_of
from sandbox.openai_state import Call, Json, World
from sandbox.serving import HOST, Server

# Room for the longest message that must be refused by its length and not by its bytes.
LARGEST_BODY = 64 * 1024 * 1024

T = TypeVar("T")


def application(world: World) -> web.Application:
    """The routes over a world, with the control routes beside them."""
    app = web.Application(middlewares=[door], client_max_size=LARGEST_BODY)
    app[WORLD] = world
    app.on_response_prepare.append(add_headers)
    for module in (openai_models, openai_responses, openai_conversations, openai_assistants, openai_control):
        app.add_routes(module.routes)
    return app


class OpenAISimulator:
    """The simulated OpenAI, serving from `start` to `stop`; a context manager does both.

    Everything may be called from any thread, before, during and after serving.
    """

    def __init__(
        self, port: int = 0, answerer: Answerer = answer, calls_kept: int | None = None, host: str = HOST
    ) -> None:
        """calls_kept: how many of the newest requests are recorded; None is all. host: an address of this machine."""
        self._world = World(answerer, calls_kept)
        self._server = Server(application(self._world), port, host)

    # --- serving ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base URL, `/v1` included."""
        return self._server.url + PREFIX

    @property
    def control_url(self) -> str:
        """Where other processes set up faults and read the calls."""
        return self._server.url + openai_control.PREFIX

    def start(self) -> None:
        """Return when it accepts connections. Raises OSError when the port is taken."""
        self._server.start()

    def stop(self) -> None:
        """Drop every connection and everything that still runs; what was recorded can still be read."""
        self._server.stop()

    def shut(self) -> None:
        """Refuse connections until `open`, and throw away those that stand."""
        self._server.shut()

    def open(self) -> None:
        """Take connections again."""
        self._server.open()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- setting up ---------------------------------------------------------------------------------------------

    def add_key(self, key: str, project: str) -> None:
        """Let a key in; what it creates belongs to its project."""
        self._do(lambda: self._world.keys.update({key: project}))

    def remove_key(self, key: str) -> None:
        """Revoke a key."""
        self._do(lambda: self._world.keys.pop(key))

    def add_assistant(
        self,
        assistant_id: str,
        project: str,
        model: str = "gpt-4o-mini",
        instructions: str = "",
        name: str | None = None,
        vector_store_ids: Iterable[str] = (),
        temperature: float | None = 1.0,
    ) -> None:
        """Give a project an assistant."""
        self._do(
            lambda: openai_control.add_assistant(
                self._world, assistant_id, project, model, instructions, name, vector_store_ids, temperature
            )
        )

    def add_prompt(self, prompt_id: str, project: str, model: str = "gpt-6-luna", instructions: str = "") -> None:
        """Give a project a stored prompt."""
        self._do(lambda: openai_control.add_prompt(self._world, prompt_id, project, model, instructions))

    def configure(self, **settings: Any) -> None:
        """Change fields of openai_state.Behaviour; `first_byte` and `total` are seconds of every answer."""
        self._do(lambda: openai_control.configure(self._world, **settings))

    def sunset(self, assistants: bool = True, prompts: bool = False) -> None:
        """Close the Assistants API, stored prompts, or both: every route, every reference is not found."""
        self.configure(assistants_sunset=assistants, prompts_sunset=prompts)

    def fault(
        self,
        name: str,
        message: str | None = None,
        key: str | None = None,
        route: str | None = None,
        times: int | None = None,
        after_effect: bool = False,
        **options: Any,
    ) -> None:
        """Let something go wrong; openai_faults.KINDS names what there is, Rule says what the conditions mean.

        Raises ValueError for a fault or an option that does not exist.
        """
        rule = rule_of(name, message, key, route, times, after_effect, **options)
        self._do(lambda: self._world.faults.add(rule))

    def clear_faults(self) -> None:
        """Everything works again."""
        self._do(self._world.faults.clear)

    # --- looking at ---------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """The requests so far, oldest first; copies, so that they do not change under the reader."""
        return self._do(lambda: [dataclasses.replace(call) for call in self._world.calls])

    def clear_calls(self) -> None:
        """Forget the recorded requests."""
        self._do(self._world.calls.clear)

    def conversation_ids(self) -> list[str]:
        """All conversations, oldest first."""
        return self._do(lambda: list(self._world.conversations))

    def conversation_items(self, conversation_id: str) -> list[Json]:
        """The items, oldest first. Raises KeyError."""
        return self._do(lambda: list(self._world.conversations[conversation_id].items))

    def conversation_locked(self, conversation_id: str) -> bool:
        """Whether a response would be refused. Raises KeyError; only while serving."""

        def locked() -> bool:
            return self._world.conversations[conversation_id].locked()

        return self._do(locked)

    def thread_ids(self) -> list[str]:
        """All threads, oldest first."""
        return self._do(lambda: list(self._world.threads))

    def thread_messages(self, thread_id: str) -> list[Json]:
        """The messages, oldest first. Raises KeyError."""
        return self._do(lambda: [dict(message) for message in self._world.threads[thread_id].messages.values()])

    def thread_runs(self, thread_id: str) -> list[Json]:
        """The runs, oldest first. Raises KeyError."""
        return self._do(lambda: [dict(run.wire) for run in self._world.threads[thread_id].runs.values()])

    def responses(self) -> list[Json]:
        """All stored responses, oldest first."""
        return self._do(lambda: [dict(response.wire) for response in self._world.responses.values()])

    def _do(self, action: Callable[[], T]) -> T:
        return self._server.call(action)


def _pair(text: str) -> tuple[str, str]:
    name, mark, project = text.partition("=")
    if not mark:
        raise click.BadParameter(f"{text}: expected NAME=PROJECT")
    return name, project


@click.command()
@click.option("--port", default=0, help="Where to listen on 127.0.0.1; 0 takes a free one.")
@click.option("--key", "keys", multiple=True, metavar="KEY=PROJECT", help="An API key and its project.")
@click.option("--assistant", "assistants", multiple=True, metavar="ID=PROJECT", help="An assistant of a project.")
@click.option("--calls-kept", default=10_000, help="How many requests are remembered.")
def main(port: int, keys: tuple[str, ...], assistants: tuple[str, ...], calls_kept: int) -> None:
    """Serve the simulated OpenAI until Ctrl-C or SIGTERM; prints its base URL as the first line."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    with OpenAISimulator(port, calls_kept=calls_kept) as simulator:
        for name, project in map(_pair, keys):
            simulator.add_key(name, project)
        for name, project in map(_pair, assistants):
            simulator.add_assistant(name, project)
        click.echo(simulator.url)
        stop.wait()


if __name__ == "__main__":
    main()
