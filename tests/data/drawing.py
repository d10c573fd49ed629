"""A spine drawn by hand: what the tests of annotation tools put into their files."""

import numpy as np

SIZE = {"height": 640, "width": 480}
BOX = np.array([[0.0, 0.0], [60.0, 1.0], [0.0, 40.0], [60.0, 41.0]])
QUADS = np.array([BOX + [200 + 10 / 3 * k, 100.25 + 53.1 * k] for k in range(3)])
"""Three bodies of 60 x 40 px one below the other, corners SL, SR, IL, IR, in image px."""

LEVELS = ("L4", "L5", "S1")
ROUND = [0, 1, 3, 2]
"""A polygon's way round a body: SL, SR, IR, IL."""
