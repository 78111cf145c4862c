"""What can go wrong on the way to an embedding; none of it needs torch to be told."""


class EmbeddingError(Exception):
    """Embeddings cannot be made: the message says what, where, and what to do."""


class HubError(EmbeddingError):
    """A model that cannot be had: gated, missing, or out of reach."""


class WeightsError(EmbeddingError):
    """Weights that are not those of the model that was asked for."""
