"""`bytegpt demo`: the main job, end to end, between simulated partners."""

import click

from app.domain.failures import Failure
from sandbox.demo import DemoFailed, run


@click.command()
@click.option("--turns", type=click.IntRange(min=0), default=0, help="So many further plain turns.")
@click.option("--fault", type=click.Choice([failure.value for failure in Failure]), help="Only this failure.")
@click.option("--keep-running", is_flag=True, help="Leave everything up, and print where it is.")
def demo(turns: int, fault: str | None, keep_running: bool) -> None:
    """Let clients of two companies talk to their assistants, and check every answer and every charge.

    Web, worker and Redis are real processes; Kommo and OpenAI are simulated. Ends with an error if one message did not
    get exactly its one right answer.
    """
    try:
        run(turns=turns, fault=Failure(fault) if fault else None, keep_running=keep_running)
    except DemoFailed as error:
        raise click.ClickException(str(error)) from None
