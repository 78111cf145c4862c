"""What can go wrong with making ratings."""


class RatingError(ValueError):
    """Ratings cannot be made so: the message says what, where, and what to do."""
