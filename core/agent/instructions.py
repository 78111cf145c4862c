"""The 108 instructions, and how they are cut into tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GO_TO, PICK_UP, ESCAPE = TASKS = ("GO-TO", "PICK-UP", "ESCAPE")
#: The six phrases and the task that each asks for (section 2.2; the paper leaves it to the reader
#: which tasks "stay away" and "avoid" belong to).
PHRASES = {
    "go to": GO_TO,
    "move towards": GO_TO,
    "pick up": PICK_UP,
    "escape from": ESCAPE,
    "stay away": ESCAPE,
    "avoid": ESCAPE,
}
COLOURS = ("red", "green", "grey", "yellow", "purple", "blue")
KINDS = ("box", "key", "ball")
#: The objects, colour by colour: "red box", "red key", "red ball", "green box" and so on.
OBJECTS = tuple((colour, kind) for colour in COLOURS for kind in KINDS)
#: Tokens are words; words with "stay away from" in place of the paper's "stay away"; or the
#: sixteen entries of the paper's vocabulary, where a phrase is one token.
TOKENISATIONS = ("words", "words-from", "phrases")


@dataclass(frozen=True)
class Instruction:
    """One request: what to do with which object."""

    phrase: str
    colour: str
    kind: str

    @property
    def task(self) -> str:
        """The task: GO-TO, PICK-UP or ESCAPE."""
        return PHRASES[self.phrase]

    @property
    def text(self) -> str:
        """The sentence as the paper prints it, such as "stay away the red ball"."""
        return f"{self.phrase} the {self.colour} {self.kind}"


#: Phrase by phrase, then as `OBJECTS`: the order of every table and embedding matrix.
INSTRUCTIONS = tuple(Instruction(p, colour, kind) for p in PHRASES for colour, kind in OBJECTS)
SENTENCES = tuple(instruction.text for instruction in INSTRUCTIONS)

#: Per instruction: the index of its task in `TASKS`, of its phrase, and of its object.
TASK_OF = np.array([TASKS.index(instruction.task) for instruction in INSTRUCTIONS])
PHRASE_OF = np.repeat(np.arange(len(PHRASES)), len(OBJECTS))
OBJECT_OF = np.tile(np.arange(len(OBJECTS)), len(PHRASES))
#: Per instruction: the first that asks for the same task with the same object, perhaps itself.
FIRST_SYNONYM = np.array(
    [
        np.flatnonzero((task == TASK_OF) & (thing == OBJECT_OF))[0]
        for task, thing in zip(TASK_OF, OBJECT_OF, strict=True)
    ]
)


def tokenise(tokenisation: str = "words") -> tuple[np.ndarray, tuple[str, ...]]:
    """Cut the 108 sentences into tokens.

    Parameters
    ----------
    tokenisation : str
        One of `TOKENISATIONS`.

    Returns
    -------
    tokens : ndarray of int64, shape (108, longest)
        Indices into the vocabulary; -1 after a sentence's end.
    vocabulary : tuple of str
        In order of first use.

    Raises
    ------
    ValueError
        If the tokenisation is unknown.
    """
    if tokenisation not in TOKENISATIONS:
        msg = f"unknown tokenisation {tokenisation!r}; known: {', '.join(TOKENISATIONS)}"
        raise ValueError(msg)
    sentences = [_cut(instruction, tokenisation) for instruction in INSTRUCTIONS]
    vocabulary = tuple(dict.fromkeys(token for sentence in sentences for token in sentence))
    tokens = np.full((len(sentences), max(map(len, sentences))), -1, dtype=np.int64)
    for row, sentence in zip(tokens, sentences, strict=True):
        row[: len(sentence)] = [vocabulary.index(token) for token in sentence]
    return tokens, vocabulary


def _cut(instruction: Instruction, tokenisation: str) -> list[str]:
    phrase = instruction.phrase
    if tokenisation == "words-from" and phrase == "stay away":
        phrase = "stay away from"
    start = [phrase] if tokenisation == "phrases" else phrase.split()
    return [*start, "the", instruction.colour, instruction.kind]
