"""Draws a transaction machine as text, from the same table that the tests hold the machine against.

Each state is a box with what happens inside it.  Below a box stand the events that lead away; each
of them runs to the right into the lane of the state that it leads to, and the lane ends at that
state's box.  This works because the machines never go back: every arrow points down.
"""

from sipproxy.transaction.figures import Figure, Row

#: Columns of the boxes, borders included.
WIDTH = 66

#: Columns from one lane to the next.
LANE = 3


def label_of(row: Row) -> str:
    """Say what happens at an arrow: the event, and what is done."""
    return f"{row.event}: {', '.join(row.actions)}" if row.actions else row.event


class Drawing:
    """One figure on its way to lines of text.

    A lane is open from the first arrow that leads to its state until that state's box is drawn.
    """

    def __init__(self, figure: Figure, reliable: bool = False) -> None:
        self.states = figure.states
        self.rows = list(figure.arrows(reliable).values())
        self.lanes = {state: number for number, state in enumerate(self.states[1:])}
        self.open: set[int] = set()
        self.lines: list[str] = []
        for row in self.rows:
            if self.states.index(row.next_state) < self.states.index(row.state):
                raise ValueError(f"{row} points upwards; this drawing cannot show that")

    def lane_cells(self, joined: int | None = None, arrives: bool = False) -> str:
        """Give the part of a line right of the boxes.

        ``joined`` is the lane that a horizontal line reaches on this line, coming from the left, or
        going to the left with an arrow head when it ``arrives`` at a box.
        """
        cells = []
        for lane in range(len(self.lanes)):
            line = "─" if joined is not None and lane <= joined else " "
            if lane == joined:
                corner = "┘" if arrives else ("┤" if lane in self.open else "┐")
                cells.append(line * (LANE - 1) + corner)
            elif lane in self.open:
                cells.append(line * (LANE - 1) + "│")
            else:
                cells.append(line * LANE)
        return "".join(cells).rstrip()

    def add(self, left: str, joined: int | None = None, arrives: bool = False) -> None:
        """Append a line."""
        self.lines.append((left.ljust(WIDTH) + self.lane_cells(joined, arrives)).rstrip())

    def box(self, number: int) -> None:
        """Draw a state with what happens inside it, where its lane ends."""
        state = self.states[number]
        lane = self.lanes.get(state)
        inside = [label_of(row) for row in self.rows if row.state is row.next_state is state]
        head = f"┌─ {state.value} ".ljust(WIDTH - 1, "─")
        if lane is not None and lane in self.open:
            self.add(head + "◀", lane, arrives=True)
            self.open.discard(lane)
        else:
            self.add(head + "┐")
        for label in inside:
            self.add("│ " + label.ljust(WIDTH - 4) + " │")
        self.add("└" + "─" * (WIDTH - 2) + "┘")

    def arrows_from(self, number: int) -> None:
        """Draw the arrows that leave a state, the ones to the nearest states first."""
        state = self.states[number]
        leaving = [row for row in self.rows if row.state is state is not row.next_state]
        for row in sorted(leaving, key=lambda row: self.states.index(row.next_state)):
            lane = self.lanes[row.next_state]
            self.add(f"     {label_of(row)} ".ljust(WIDTH, "─"), lane)
            self.open.add(lane)

    def draw(self) -> list[str]:
        """Draw everything, top to bottom."""
        for number, state in enumerate(self.states):
            if number and not self.is_reached(number):
                continue
            self.box(number)
            self.arrows_from(number)
            if state is not self.states[-1]:
                self.add("")
        return self.lines

    def is_reached(self, number: int) -> bool:
        """Say whether any arrow leads to a state."""
        return any(row.next_state is self.states[number] for row in self.rows)


def draw(figure: Figure, reliable: bool = False) -> str:
    """Draw a figure for one kind of transport."""
    return "\n".join(Drawing(figure, reliable).draw())
