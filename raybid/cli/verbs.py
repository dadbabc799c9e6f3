"""Commands that are pipelines of their own, loaded when they are asked for: some take seconds to import."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """A pipeline's function that takes options.

    Attributes:
        module: where it is.
        function: its name.
        help: one line, shown without loading it.
    """

    module: str
    function: str
    help: str


class Verbs(TyperGroup):
    """A group with verbs beside its own commands; subclasses name them."""

    verbs: dict[str, Verb] = {}  # noqa: RUF012 - a constant of each subclass

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, verb in self.verbs.items():
            self.add_command(Unloaded(name, verb))


class Unloaded(TyperCommand):
    """Stands for a verb until it is called, or asked for its options.

    Args:
        name: in the command line.
        verb: what it stands for.
    """

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, help=verb.help, callback=None)
        self._verb = verb

    def load(self) -> Any:
        """The command itself."""
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(self.name)(getattr(import_module(self._verb.module), self._verb.function))
        return typer.main.get_command(app)

    def make_context(self, *given: Any, **more: Any) -> Any:
        """The context of the command itself: whoever is called in it is that."""
        return self.load().make_context(*given, **more)


class Trainings(Verbs):
    """What can be trained."""

    verbs = {  # noqa: RUF012
        "ctr": Verb("pipelines.train_ctr", "main", "The click model, from a table, the simulator or served events."),
        "policy": Verb("pipelines.train_policy", "train", "A bidding policy with RLlib: PPO or DQN."),
    }


class Front(Verbs):
    """All of `raybid`."""

    verbs = {  # noqa: RUF012
        "backtest": Verb("pipelines.backtest", "backtest", "Compare bidders on logged auctions."),
        "publish": Verb("pipelines.publish", "main", "Make a trained model the one that serves, past the gate."),
        "replay": Verb("pipelines.replay", "replay", "Play bid requests against a running platform, as an exchange."),
    }
