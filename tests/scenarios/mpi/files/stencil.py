# SPDX-License-Identifier: MIT
"""Heat in a plate by a stencil of five points; each process has a part of the rows and gets its neighbours' edges."""
import sys
from array import array

from mpi4py import MPI

ROWS, COLUMNS, STEPS = 64, 512, 40


def initial(row):
    return array("d", (((row * 31 + column * 17) % 101) / 7.0 for column in range(COLUMNS)))


def step(rows):
    """The rows but the first and last one, after a step."""
    result = []
    for above, row, below in zip(rows, rows[1:], rows[2:]):
        new = array("d", row)
        for i in range(1, COLUMNS - 1):
            new[i] = 0.2 * (row[i] + row[i - 1] + row[i + 1] + above[i] + below[i])
        result.append(new)
    return result


def alone():
    rows = [initial(row) for row in range(ROWS)]
    for _ in range(STEPS):
        rows = [rows[0], *step(rows), rows[-1]]
    return rows


def together(world):
    count, rank = world.Get_size(), world.Get_rank()
    first, last = ROWS * rank // count, ROWS * (rank + 1) // count
    rows = [initial(row) for row in range(first, last)]
    up = rank - 1 if rank > 0 else MPI.PROC_NULL
    down = rank + 1 if rank < count - 1 else MPI.PROC_NULL
    for _ in range(STEPS):
        above, below = array("d", bytes(8 * COLUMNS)), array("d", bytes(8 * COLUMNS))
        world.Sendrecv(rows[0], up, 0, below, down, 0)
        world.Sendrecv(rows[-1], down, 1, above, up, 1)
        new = step([above, *rows, below])
        if rank == 0:
            new[0] = rows[0]
        if rank == count - 1:
            new[-1] = rows[-1]
        rows = new
    return world.gather(rows, 0)


world = MPI.COMM_WORLD
parts = together(world)
if world.Get_rank() == 0:
    if [row for part in parts for row in part] != alone():
        sys.exit("FAILED: two processes compute something else than one")
    print(f"equal: {ROWS} x {COLUMNS} cells, {STEPS} steps, {world.Get_size()} processes")
