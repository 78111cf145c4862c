"""The three tasks as minigrid levels, with the task that BabyAI lacks."""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrid.core.world_object import Ball, Box, Key
from minigrid.envs.babyai.core.roomgrid_level import RejectSampling, RoomGridLevel
from minigrid.envs.babyai.core.verifier import ActionInstr, GoToInstr, ObjDesc, PickupInstr

from core.agent.escape import Escape, escape_path
from core.agent.geometry import DISTANCE, N_CELLS, SEEN, SIDE
from core.agent.instructions import ESCAPE, GO_TO, OBJECTS, PICK_UP, Instruction
from core.agent.rooms import MAX_STEPS

OBJECT_CLASSES = {"box": Box, "key": Key, "ball": Ball}
N_DISTRACTORS = 4
#: How far from its target an escape begins (Manhattan distance, in cells).
ESCAPE_START = 2


class EscapeInstr(ActionInstr):
    """Get away from an object: far enough, and out of its sight.

    An object in the agent's hand, or one that is gone (an opened box), is not escaped from.
    """

    def __init__(self, desc: ObjDesc, escape: Escape) -> None:
        super().__init__()
        self.desc = desc
        self.escape = escape

    def surface(self, env: Any) -> str:
        """Return the instruction in words."""
        return "escape from " + self.desc.surface(env)

    def reset_verifier(self, env: Any) -> None:
        """Find the target."""
        super().reset_verifier(env)
        self.desc.find_matching_objs(env)

    def verify_action(self, action: Any = None) -> str:  # noqa: ARG002
        """Return "success" once the agent has escaped, whatever the action."""
        target, env = self.desc.obj_set[0], self.env
        if env.carrying is target or env.grid.get(*target.cur_pos) is not target:
            return "continue"
        x, y = target.cur_pos
        away = abs(x - env.agent_pos[0]) + abs(y - env.agent_pos[1])
        if away < self.escape.distance or (self.escape.unseen and env.in_view(x, y)):
            return "continue"
        return "success"


class RequestLevel(RoomGridLevel):
    """One room, no doors, a target and four other objects, all different.

    Parameters
    ----------
    instruction : Instruction
        The request; the room is built so that it can be satisfied.
    max_steps : int
        Steps until an episode ends without success.
    escape : Escape
        When an escape counts.
    """

    def __init__(
        self,
        instruction: Instruction,
        max_steps: int = MAX_STEPS,
        escape: Escape | None = None,
    ) -> None:
        self.instruction = instruction
        self.escape = escape or Escape()
        super().__init__(room_size=SIDE + 2, num_rows=1, num_cols=1, max_steps=max_steps)

    def gen_mission(self) -> None:
        """Place agent, target and distractors; draw again where something cannot be reached."""
        target = self.instruction
        self.place_agent()
        if target.task == ESCAPE:
            self._place_before(target)
        else:
            self.add_object(0, 0, target.kind, target.colour)
        self.add_distractors(0, 0, N_DISTRACTORS, all_unique=True)
        self.check_objs_reachable()
        if target.task == ESCAPE and not self._way_out():
            msg = "no way out"
            raise RejectSampling(msg)
        desc = ObjDesc(target.kind, target.colour)
        make = {
            GO_TO: GoToInstr,
            PICK_UP: PickupInstr,
            ESCAPE: lambda desc: EscapeInstr(desc, self.escape),
        }
        self.instrs = make[target.task](desc)

    def _place_before(self, target: Instruction) -> None:
        """Place the target in view, two cells away."""
        pose = self.pose
        cells = np.flatnonzero((DISTANCE[pose // 4] == ESCAPE_START) & SEEN[pose])
        if not len(cells):
            msg = "no cell in view at the distance where an escape begins"
            raise RejectSampling(msg)
        cell = int(self._rand_elem(cells.tolist()))
        thing = OBJECT_CLASSES[target.kind](target.colour)
        self.put_obj(thing, cell % SIDE + 1, cell // SIDE + 1)
        self.room_grid[0][0].objs.append(thing)

    def _way_out(self) -> bool:
        way = escape_path(self.cells, self.pose, self.target_cell, self.escape)
        return way is not None

    @property
    def pose(self) -> int:
        """The agent's cell times four, plus its direction."""
        x, y = (int(v) - 1 for v in self.agent_pos)
        return (y * SIDE + x) * 4 + int(self.agent_dir)

    @property
    def cells(self) -> np.ndarray:
        """The interior, uint8, shape (36,): 0 for floor, 1 + the index in `OBJECTS`."""
        cells = np.zeros(N_CELLS, dtype=np.uint8)
        for cell in range(N_CELLS):
            thing = self.grid.get(cell % SIDE + 1, cell // SIDE + 1)
            if thing is not None:
                cells[cell] = OBJECTS.index((thing.color, thing.type)) + 1
        return cells

    @property
    def target_cell(self) -> int:
        """The target's cell."""
        code = OBJECTS.index((self.instruction.colour, self.instruction.kind)) + 1
        return int(np.flatnonzero(self.cells == code)[0])
