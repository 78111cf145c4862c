"""What can go wrong on the way to an agent; none of it needs torch to be told."""


class AgentError(Exception):
    """The agent's pipeline cannot go on: the message says what, where, and what to do."""


class DemonstrationError(AgentError):
    """A demonstrator that did not do what was asked of it."""


class RecipeError(AgentError):
    """A recipe that makes no sense: says which part, and what would be accepted."""


class TrainingError(AgentError):
    """A training run that cannot go on."""
