"""Commands that are pipelines, loaded only when called: some take seconds to import."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(NamedTuple):
    """A pipeline's entry point.

    Attributes:
        module: where the function is.
        function: its name.
        help: one line, shown without loading the module.
    """

    module: str
    function: str
    help: str


class Verbs(TyperGroup):
    """A group with verbs beside its own commands; subclasses list them."""

    verbs: dict[str, Verb] = {}  # noqa: RUF012 - a constant of each subclass

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, verb in self.verbs.items():
            self.add_command(Unloaded(name, verb))


class Unloaded(TyperCommand):
    """A stand-in for a verb, which loads it when it is called or asked for its options.

    Args:
        name: name on the command line.
        verb: the verb to load.
    """

    def __init__(self, name: str, verb: Verb) -> None:
        super().__init__(name, help=verb.help, callback=None)
        self._verb = verb

    def load(self) -> Any:
        """Import the verb and return its command."""
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(self.name)(getattr(import_module(self._verb.module), self._verb.function))
        return typer.main.get_command(app)

    def make_context(self, *given: Any, **more: Any) -> Any:
        """Return a context of the loaded command, so that it runs instead of this stand-in."""
        return self.load().make_context(*given, **more)


class Trainings(Verbs):
    """The trainings: `raybid train ...`."""

    verbs = {  # noqa: RUF012
        "ctr": Verb("pipelines.train_ctr", "main", "Train the click model: table, simulator or served events."),
        "policy": Verb("pipelines.train_policy", "train", "Train a bidding policy with RLlib: PPO or DQN."),
    }


class ClusterVerbs(Verbs):
    """What is done with a cluster of several hosts: `raybid cluster ...`."""

    verbs = {  # noqa: RUF012
        "deploy": Verb("pipelines.deploy", "main", "Deploy the application, spread over the hosts; again: update it."),
    }


class RootGroup(Verbs):
    """The top-level commands of `raybid`."""

    verbs = {  # noqa: RUF012
        "backtest": Verb("pipelines.backtest", "backtest", "Compare bidders on logged auctions."),
        "publish": Verb("pipelines.publish", "main", "Check a trained model at the gate and serve it."),
        "replay": Verb("pipelines.replay", "replay", "Replay bid requests against a running platform."),
    }
